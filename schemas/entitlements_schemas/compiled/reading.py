"""The code that reads the records of one schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from entitlements_schemas.compiled.code import Code, checked, nullable
from entitlements_schemas.compiled.values import SHORT_BYTES_MAX, Unusual

#: From a position of the bytes on: the record and the position after it.
Reader: TypeAlias = Callable[[bytes, int], tuple[Any, int]]


class ReaderCode(Code):
    """In generated code `v` are the bytes and `i` is the position.

    patterns: of records of a union, by full name. What is of such a form is not read: its match stands for the record.
    """

    def __init__(self, patterns: Mapping[str, re.Pattern[bytes]]) -> None:
        super().__init__()
        self._patterns = patterns

    def whole(self, node: Any) -> Reader:
        def body() -> str:
            return f"{self._value(node)}, i"

        made: Reader = self.make(self.function("(v, i)", body))
        return made

    def _value(self, node: Any) -> str:
        """Lines that read a value, and the name of what they read."""
        node, name = self.known(node), self.fresh("x")
        if isinstance(node, str):
            {
                "string": self._text,
                "long": self._long,
                "int": self._long,
                "boolean": self._boolean,
                "bytes": self._bytes,
            }[node](name)
        elif isinstance(node, list):
            self._union(node, name)
        elif node["type"] == "enum":
            symbols = {2 * index: symbol for index, symbol in enumerate(node["symbols"][:0x40])}
            self.line(f"{name} = {self.constant('e', symbols)}[v[i]]")
            self.line("i += 1")
        elif node["type"] == "array":
            self._array(node, name)
        else:
            pairs = [(checked(field["name"]), self._value(field["type"])) for field in node["fields"]]
            self.line(f"{name} = {{{', '.join(f'{key!r}: {value}' for key, value in pairs)}}}")
        return name

    def _long(self, name: str) -> None:
        self.line("b = v[i]")
        self.line("i += 1")
        self.line(f"if b < 128: {name} = small[b]")
        self.line(f"else: {name}, i = long_in(v, i, b)")

    def _text(self, name: str) -> None:
        self.line("b = v[i]")
        self.line("i += 1")
        self.line(f'if not b: {name} = ""')
        self.line("elif b < 128 and not b & 1:")
        self.line("    e = i + (b >> 1)")
        self.line(f"    {name} = texts_in[v[i:e]] if b <= {2 * SHORT_BYTES_MAX} else v[i:e].decode()")
        self.line("    i = e")
        self.line(f"else: {name}, i = text_in(v, i, b)")

    def _bytes(self, name: str) -> None:
        self.line(f"{name}, i = bytes_in(v, i + 1, v[i])")

    def _boolean(self, name: str) -> None:
        self.line(f"{name} = truths[v[i]]")
        self.line("i += 1")

    def _union(self, node: list[Any], name: str) -> None:
        null, other = nullable(node)
        if null is None:
            self._records(node, name)
            return
        self.line("b = v[i]")
        self.line("i += 1")
        self.line(f"if b == {2 * null}: {name} = None")
        self.line(f"elif b == {2 * other}:")
        self.indent(1)
        self.line(f"{name} = {self._value(node[other])}")
        self.indent(-1)
        self.line("else: raise Unusual")

    def _records(self, node: list[Any], name: str) -> None:
        """A union of records: (full name, record)."""
        branches = []
        for index, branch in enumerate(map(self.known, node)):
            if not (isinstance(branch, dict) and branch["type"] == "record"):
                raise Unusual

            def body(branch: Any = branch) -> str:
                return f"{self._value(branch)}, i"

            read = self._matched(branch["name"], self.function("(v, i)", body))
            branches.append(f"{2 * index}: ({branch['name']!r}, {read})")
        table = self.constant("t", None)
        self.functions.append(f"{table} = {{{', '.join(branches)}}}")
        self.line("b = v[i]")
        self.line("i += 1")
        self.line(f"if b < 128: name, read = {table}[b]")
        self.line("else:")
        self.line("    b, i = long_in(v, i, b)")
        self.line(f"    name, read = {table}[2 * b]")
        self.line("record, i = read(v, i)")
        self.line(f"{name} = (name, record)")

    def _matched(self, name: str, read: str) -> str:
        """The function that reads a record; of one with a pattern, that which tries to match it first."""
        if name not in self._patterns:
            return read

        def body() -> str:
            self.line(f"m = {self.constant('p', self._patterns[name].match)}(v, i)")
            self.line("if m is not None: return m, m.end()")
            return f"{read}(v, i)"

        return self.function("(v, i)", body)

    def _array(self, node: Any, name: str) -> None:
        count = self.fresh("n")
        self.line(f"{name} = []")
        self._long(count)
        self.line(f"while {count}:")
        self.indent(1)
        self.line(f"if {count} < 0: raise Unusual")
        self.line(f"for _ in range({count}):")
        self.indent(1)
        self.line(f"{name}.append({self._value(node['items'])})")
        self.indent(-1)
        self._long(count)
        self.indent(-1)
