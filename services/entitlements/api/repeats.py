"""Names that an object of a body has twice. JSON allows them and readers differ in which counts (RFC 8259, 4): none is taken here."""

from __future__ import annotations

import json
from typing import Any

import orjson

from entitlements.api.validation import invalid


def require_no_repeats(body: bytes, found: Any = None) -> None:
    """Whether each object of a body has each name once. found: what it says, if that was read. Raises Problem: invalid_request.

    A name is followed by a colon. As many colons as names were found: none was passed over, which is nearly always so and known at once.
    """
    if body.count(b":") != _names(orjson.loads(body) if found is None else found):
        _look(body.decode())


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


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise invalid([{"at": f"body.{name}", "message": "is given more than once"}])
        seen.add(name)


#: Only names are looked at: numbers of any length stay text.
_look = json.JSONDecoder(object_pairs_hook=_once, parse_int=str, parse_float=str).decode
