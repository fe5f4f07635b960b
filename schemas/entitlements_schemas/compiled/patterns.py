"""Patterns of bytes that match the usual form of a record: one call of `re`, which is C, in place of a read of every field.

Records of short ASCII texts are a regular language: a text begins with its length, a number ends with its first byte below 128,
and what is empty (nothing, zero, false, null) is one zero byte. A pattern that does not match says nothing: the record is then
read as every other. What it matches is read by it in one way only, so the groups are the fields, as Avro has them; of one that is null it is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from entitlements_schemas.compiled.code import nullable
from entitlements_schemas.compiled.values import LONGS_OUT

#: What becomes of a field: it is a group, it is passed over, or the pattern matches only where it is empty. An array that is the last field
#: may be left: the pattern ends with its count, and items_in finds its items.
KEPT: Final = "kept"
PASSED: Final = "passed"
EMPTY: Final = "empty"
LEFT: Final = "left"

Form: TypeAlias = "str | bytes | FirstAndRest"

#: Characters of a text whose length is one byte.
_SHORT_MAX: Final = 63
#: A number of up to 63 bits (ten bytes could say more than 64), in as few bytes as it needs: what is matched is what we would write.
_LONG: Final = rb"(?:[\x00-\x7f]|[\x80-\xff]{1,8}[\x01-\x7f])"
_EMPTY: Final = rb"\x00"


def pattern_of(record: Any, fields: Mapping[str, Form]) -> bytes:
    """The pattern of a record of a parsed plain schema; `fields` says of each field what becomes of it.

    An array that is not empty is the pattern of its items (those of `items_of`): two groups, of their count and of all of them.
    """
    stated = [field["name"] for field in record["fields"]]
    assert stated == list(fields), f"{record['name']} has {stated}"
    return b"".join(_field(field["type"], fields[field["name"]]) for field in record["fields"])


def items_of(record: Any, fields: Mapping[str, Form]) -> bytes:
    """As pattern_of, for items of an array. They begin with a text that is not empty: a zero byte ends the array."""
    first = record["fields"][0]
    assert (first["type"], fields[first["name"]]) == ("string", KEPT), f"{record['name']} begins with {first['name']}"
    return pattern_of(record, fields).replace(_text(0), _text(1), 1)


class FirstAndRest(NamedTuple):
    """The form of an array of which the first item has groups of its own, and the others are one group together: None, without others."""

    pattern: bytes


def first_and_rest_of(record: Any, fields: Mapping[str, str]) -> FirstAndRest:
    """As items_of, for arrays that nearly always have one item."""
    other = pattern_of(record, {name: PASSED if what == KEPT else what for name, what in fields.items()})
    rest = rb"(?:\x00|((?:" + other.replace(_text(0), _text(1), 1) + rb")+)\x00)"
    return FirstAndRest(items_of(record, fields) + rest)


def each_of(item: bytes) -> re.Pattern[bytes]:
    """What finds all items of an array, for items_in."""
    return re.compile(item + rb"|[\x00-\xff]")


def items_in(items: re.Pattern[bytes], count: int, value: bytes, at: int, end: int) -> list[Any] | None:
    """The groups of each item of an array that ends with the bytes; None: it has others than `items` (each_of) finds, or not so many.

    A byte that belongs to no item is found as one, with no group: no second call is needed to see that one item follows the other.
    """
    found = items.findall(value, at, end - 1)
    return found if value[end - 1] == 0 and len(found) == count and (b"",) * items.groups not in found else None


def _field(node: Any, what: Form) -> bytes:
    if isinstance(what, bytes):
        return rb"(" + _LONG + rb")((?:" + what + rb")+)\x00"
    if isinstance(what, FirstAndRest):
        return rb"(" + _LONG + rb")" + what.pattern
    if what == LEFT:
        return rb"(" + _LONG + rb")"
    if what == EMPTY:
        assert not isinstance(node, list) or nullable(node)[0] == 0, "null is written as 0 where it is the first branch"
        return _EMPTY
    if isinstance(node, list):  # The group is the value, without the byte that says which branch it is.
        null, other = nullable(node)
        assert null is not None, "a union of null and one other type"
        some = re.escape(LONGS_OUT[other]) + _field(node[other], what)
        return rb"(?:" + re.escape(LONGS_OUT[null]) + rb"|" + some + rb")"
    return rb"(" + _any(node) + rb")" if what == KEPT else _any(node)


def _any(node: Any) -> bytes:
    """Whatever value of a type."""
    if isinstance(node, dict) and node["type"] == "enum":
        return rb"[" + re.escape(b"".join(LONGS_OUT[at] for at in range(len(node["symbols"])))) + rb"]"
    name = node["type"] if isinstance(node, dict) else node
    return {"string": _text(0), "long": _LONG, "boolean": rb"[\x00\x01]"}[name]


def _text(characters_min: int) -> bytes:
    """A short ASCII text, after its length."""
    lengths = range(characters_min, _SHORT_MAX + 1)
    return rb"(?:" + rb"|".join(re.escape(bytes([2 * n])) + rb"[\x00-\x7f]{%d}" % n for n in lengths) + rb")"
