"""Finds where the elements of a JSON array end, and nothing more: what one of them is takes nothing from the others."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from entitlements.api.validation import explained_decoding, not_json

#: What an element ends by, or cannot end within. A quote alone begins a text that has no end.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)
_SPACE: Final = b" \t\r\n"
_QUICKLY: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def elements_of(body: bytes, count_max: int) -> list[bytes]:
    """The elements of an array as JSON, each to be read by itself; of more than count_max some more, by which it is seen.

    Raises Problem: it is no array, or has no end. What is within an element may be anything whose brackets and texts end.
    """
    try:
        return [bytes(part) for part in _QUICKLY(body)]
    except msgspec.ValidationError as error:  # Another value than an array.
        raise explained_decoding(error, body) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _looked_for(body, count_max)


def _looked_for(body: bytes, count_max: int) -> list[bytes]:
    start = len(body) - len(body.lstrip(_SPACE))
    if body[start : start + 1] != b"[":
        raise not_json(start)
    parts: list[bytes] = []
    depth, begins = 0, start + 1
    for token in _TOKEN.finditer(body, start):
        sign = token[0]
        if sign in (b"[", b"{"):
            depth += 1
        elif sign in (b"]", b"}"):
            depth -= 1
        elif sign == b'"':
            raise not_json(token.start())
        if depth == 0:
            _add(parts, body, begins, token.start(), is_last=True)
            if sign != b"]" or body[token.end() :].strip(_SPACE):
                raise not_json(token.start())
            return parts
        if sign == b"," and depth == 1:
            _add(parts, body, begins, token.start())
            begins = token.end()
            if len(parts) > count_max:
                return parts
    raise not_json(len(body))


def _add(parts: list[bytes], body: bytes, begins: int, ends: int, *, is_last: bool = False) -> None:
    part = body[begins:ends].strip(_SPACE)
    if part:
        parts.append(part)
    elif parts or not is_last:
        raise not_json(ends)
