"""The code that writes the records of one schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from entitlements_schemas.compiled.code import Code, checked, nullable
from entitlements_schemas.compiled.values import LONGS_OUT, Unusual

#: The body of a record.
Writer: TypeAlias = Callable[[Any], bytes]

#: Expressions for the bytes of a value.
_PLAIN: Final = {
    "string": "texts[{}]",
    "long": "longs[{}]",
    "boolean": "bools[{}]",
    "int": "int_out({})",
    "bytes": "bytes_out({})",
}
_IN_UNION: Final = _PLAIN | {"long": "long_out({})", "boolean": "bool_out({})"}


class WriterCode(Code):
    """In generated code `d` is the record and `out` are the pieces written."""

    def whole(self, node: Any) -> Writer:
        def body() -> str:
            self.line("out = []")
            self._record(self.known(node), "d")
            return 'b"".join(out)'

        made: Writer = self.make(self.function("(d)", body))
        return made

    def _record(self, node: Any, record: str) -> None:
        fields, simple = node["fields"], []
        defaults = {field["name"]: field["default"] for field in fields if "default" in field}
        self.line(f"if len({record}) != {len(fields)}:")
        self.line(f"    {record} = {{**{self.constant('k', defaults)}, **{record}}}")
        self.line(f"    if len({record}) != {len(fields)}: raise Unusual")
        for field in fields:
            value = f"{record}[{checked(field['name'])!r}]"
            expression = self._simple(field["type"], value)
            if expression is not None:
                simple.append(expression)
                continue
            self._flush(simple)
            self._statement(field["type"], value)
        self._flush(simple)

    def _flush(self, simple: list[str]) -> None:
        if simple:
            self.line(f"out += ({', '.join(simple)},)")
            simple.clear()

    def _simple(self, node: Any, value: str, *, in_union: bool = False) -> str | None:
        """An expression for the bytes of a value, for types that have one."""
        node = self.known(node)
        if isinstance(node, str):
            return (_IN_UNION if in_union else _PLAIN)[node].format(value)
        if isinstance(node, dict) and node["type"] == "enum":
            written = {symbol: LONGS_OUT[index] for index, symbol in enumerate(node["symbols"])}
            return f"{self.constant('e', written)}[{value}]"
        if isinstance(node, list):
            null, other = nullable(node)
            if null is None:
                return None
            name = self.fresh("u")
            inner = self._simple(node[other], name, in_union=True)
            if inner is None:
                return None
            return f"({LONGS_OUT[null]!r} if ({name} := {value}) is None else {LONGS_OUT[other]!r} + {inner})"
        return None

    def _statement(self, node: Any, value: str) -> None:
        node = self.known(node)
        name = self.fresh("v")
        self.line(f"{name} = {value}")
        if isinstance(node, list):
            self._union(node, name)
        elif node["type"] == "array":
            self._array(node, name)
        else:
            self._record(node, name)

    def _union(self, node: list[Any], value: str) -> None:
        null, other = nullable(node)
        if null is None:
            self._records(node, value)
            return
        self.line(f"if {value} is None: out.append({LONGS_OUT[null]!r})")
        self.line("else:")
        self.indent(1)
        self.line(f"out.append({LONGS_OUT[other]!r})")
        self._statement(node[other], value)
        self.indent(-1)

    def _records(self, node: list[Any], value: str) -> None:
        """A union of records: (full name, record), or its bytes where somebody has written it already."""
        branches = {}
        for index, branch in enumerate(map(self.known, node)):
            if not (isinstance(branch, dict) and branch["type"] == "record"):
                raise Unusual

            def body(branch: Any = branch) -> str:
                self._record(branch, "d")
                return "None"

            branches[branch["name"]] = (LONGS_OUT[index], self.function("(d, out)", body))
        table = self.constant("t", None)
        self.functions.append(f"{table} = {{{', '.join(f'{k!r}: ({i!r}, {f})' for k, (i, f) in branches.items())}}}")
        self.line(f"if type({value}) is not tuple: raise Unusual")
        self.line(f"name, record = {value}")
        self.line(f"index, write = {table}[name]")
        self.line("out.append(index)")
        self.line("if type(record) is bytes: out.append(record)")
        self.line("else: write(record, out)")

    def _array(self, node: Any, value: str) -> None:
        self.line(f"if type({value}) is not list: raise Unusual")
        self.line(f"if {value}:")
        self.indent(1)
        self.line(f"out.append(longs[len({value})])")
        item = self.fresh("i")
        expression = self._simple(node["items"], item)
        if expression is not None:
            self.line(f"out += [{expression} for {item} in {value}]")
        else:
            self.line(f"for {item} in {value}:")
            self.indent(1)
            self._statement(node["items"], item)
            self.indent(-1)
        self.indent(-1)
        self.line('out.append(b"\\x00")')
