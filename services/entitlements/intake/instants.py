"""Instants as they are written outside: RFC 3339 with a time zone. Finer than a millisecond is cut off, never rounded up."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from entitlements.domain.aggregate import to_ms

EXAMPLE: Final = "2026-01-31T12:00:00Z"
_WRITTEN: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-](?:[01]\d|2[0-3]):[0-5]\d))", re.ASCII
)  # fmt: skip


class NotAnInstant(ValueError):
    """Not a time with a time zone."""


def read_instant(text: str) -> datetime:
    """The instant of a text, in UTC, to the millisecond. Raises NotAnInstant.

    The same text is the same millisecond wherever it is read: what is cut off takes no usage across the end of a period.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise NotAnInstant(text)
    day, time, fraction, offset = found.groups()
    milliseconds = f"{fraction or '':0<3.3}"
    try:
        at = datetime.fromisoformat(f"{day}T{time}.{milliseconds}{offset or '+00:00'}")
        return at.astimezone(UTC) if offset else at
    except (ValueError, OverflowError) as error:  # No such day or time, or beyond the years 1 to 9999 of UTC.
        raise NotAnInstant(text) from error


def occurred_ms(at: datetime | None) -> int:
    """When usage occurred, as a line has it: epoch milliseconds; 0: left out, so it occurred when it is decided.

    The epoch itself, which clients send for an instant they never set, is told as the millisecond before: no usage is from before 1970,
    and the line is refused (`invalid_instant`) instead of counting now.
    """
    return 0 if at is None else to_ms(at) or -1


def is_of_usage(at: datetime) -> bool:
    """Whether usage can have occurred at an instant: after the epoch."""
    return to_ms(at) > 0


def cut_off(at: datetime) -> datetime:
    """An aware instant in UTC, to the millisecond. Raises NotAnInstant: it has no time zone, or UTC has no such instant."""
    if at.tzinfo is None:
        raise NotAnInstant(at.isoformat())
    try:
        at = at.astimezone(UTC)
    except OverflowError as error:
        raise NotAnInstant(at.isoformat()) from error
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
