"""Lines of Python as they are made for one schema, and the names they use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from entitlements_schemas.compiled import values

#: What generated code may name.
_NAMES: Final[dict[str, Any]] = {
    "Unusual": values.Unusual,
    "longs": values.LONGS_OUT,
    "texts": values.TEXTS_OUT,
    "long_out": values.long_out,
    "bool_out": values.bool_out,
    "int_out": values.int_out,
    "bytes_out": values.bytes_out,
    "bools": {False: b"\x00", True: b"\x01"},
    "small": tuple((raw >> 1) ^ -(raw & 1) for raw in range(0x80)),
    "long_in": values.long_in,
    "texts_in": values.TEXTS_IN,
    "text_in": values.text_in,
    "bytes_in": values.bytes_in,
    "truths": {0: False, 1: True},
}


class Code:
    """Lines of generated functions, the names they use, and the named types that were met."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self.names: dict[str, Any] = dict(_NAMES)
        self._lines: list[str] = []
        self._depth = 1
        self._count = 0
        self._types: dict[str, Any] = {}

    def line(self, text: str) -> None:
        self._lines.append("    " * self._depth + text)

    def indent(self, by: int) -> None:
        self._depth += by

    def fresh(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def constant(self, letter: str, value: Any) -> str:
        name = self.fresh(letter)
        self.names[name] = value
        return name

    def function(self, signature: str, body: Callable[[], str]) -> str:
        """Make a function whose last line returns what body says; its name."""
        outer, self._lines, depth, self._depth = self._lines, [], self._depth, 1
        name = self.fresh("f")
        returned = body()
        self.functions.append("\n".join([f"def {name}{signature}:", *self._lines, f"    return {returned}"]))
        self._lines, self._depth = outer, depth
        return name

    def known(self, node: Any) -> Any:
        """The definition of a type: a name stands for what was defined before, {"type": "long"} is "long"."""
        if isinstance(node, str) and node in self._types:
            return self._types[node]
        if isinstance(node, dict):
            if node["type"] in {"record", "enum"}:
                self._types[node["name"]] = node
            elif node["type"] != "array":
                return node["type"]
        return node

    def make(self, entry: str) -> Any:
        made: dict[str, Any] = self.names
        exec("\n".join(self.functions), made)  # noqa: S102 - made from our own schema files, of checked names only.
        return made[entry]


def nullable(node: list[Any]) -> tuple[int | None, int]:
    """Of a union of null and one other type: the places of the two."""
    if len(node) == 2 and "null" in node:
        null = node.index("null")
        return null, 1 - null
    return None, 0


def checked(name: str) -> str:
    """A name that may stand in code."""
    assert name.isidentifier(), name
    return name
