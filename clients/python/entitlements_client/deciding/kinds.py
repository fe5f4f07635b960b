"""The kinds of values that conditions compare: those of JSON."""

from __future__ import annotations

from typing import Any, Final

#: Exactly these types: bool is no number here.
_KINDS: Final[dict[type, str]] = {str: "text", int: "number", float: "number", bool: "boolean"}


def kind_of(value: Any) -> str | None:
    """text, number or boolean; None: another, such as a list, an object, null, or NaN, which is no number."""
    kind = _KINDS.get(type(value))
    return None if kind == "number" and value != value else kind  # noqa: PLR0124 - NaN.
