"""Instants: RFC 3339 in text, seconds since 1970 inside, because comparing floats is what deciding in microseconds allows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any


def seconds_of(found: Any) -> float | None:
    """Seconds since 1970 of an instant as people send it: RFC 3339 text or an aware datetime. None: it is none."""
    if isinstance(found, str):
        try:
            found = datetime.fromisoformat(found)
        except ValueError:
            return None
    if not isinstance(found, datetime) or found.tzinfo is None:
        return None
    try:
        return found.timestamp()
    except (OverflowError, ValueError):  # The first and the last day of all years, in some zones.
        return None


def rfc3339(seconds: float) -> str:
    """An instant in text, UTC, to the microsecond where it has any."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def plain(value: Any) -> Any:
    """A value as JSON has it: an instant or a date becomes text, in UTC where it has a time zone; all else is as it is.

    So what callers send is decided alike here and, as JSON, by the service.
    """
    if isinstance(value, datetime):
        text = (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
        return text.replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def now_seconds(now: datetime | float) -> float:
    """The instant of a decision in seconds since 1970. Raises ValueError for a naive datetime: nobody knows when that is."""
    if isinstance(now, datetime):
        if now.tzinfo is None:
            raise ValueError("a datetime needs a time zone")
        return now.timestamp()
    return float(now)
