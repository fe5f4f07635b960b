"""Names that an object of a body has twice. JSON allows them and readers differ in which counts (RFC 8259, 4): none is taken here."""

from __future__ import annotations

import json
from collections.abc import Container
from typing import Any

import orjson

from entitlements.api.validation import invalid


def require_no_repeats(body: bytes, found: Any = None) -> None:
    """Whether each object of a body has each name once. found: what it says, if that was read. Raises Problem: invalid_request.

    A quote and a colon follow each name. As many of them as names were found: none was passed over, which is nearly always so and known
    at once.
    """
    found = orjson.loads(body) if found is None else found
    if _colons(body) != _colons_of(body, found):
        look_for_repeats(body)


def look_for_repeats(body: bytes, names: Container[str] | None = None) -> None:
    """As require_no_repeats, one name after the other. names: those that are looked at, else all."""

    def once(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen and (names is None or name in names):
                raise invalid([{"at": f"body.{name}", "message": "is given more than once"}])
            seen.add(name)

    # Only names are looked at: numbers of any length stay text.
    json.loads(body, object_pairs_hook=once, parse_int=str, parse_float=str)


def without_spaces(body: bytes) -> bytes:
    """A body of JSON in which a name and its colon stand side by side."""
    return body.translate(None, b" \t\r\n")


def _colons(body: bytes) -> int:
    return without_spaces(body).count(b'":')


def _colons_of(body: bytes, found: Any) -> int:
    """How many a body would have with each name once. Without a backslash its texts are written again as they were, colons in them too."""
    if b"\\" not in body:
        try:
            return _colons(orjson.dumps(found))
        except orjson.JSONEncodeError:
            pass  # It is nested deeper than that writes.
    return _names(found)


def _names(found: Any) -> int:
    count, left = 0, [found]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            count += len(one)
            left += one.values()
        elif isinstance(one, list):
            left += one
    return count
