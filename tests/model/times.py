"""Periods of the second model: plain datetime arithmetic, apart from the domain's (which counts in milliseconds with another library)."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = datetime(1969, 12, 29, tzinfo=UTC)
#: Stands for "never" and "since ever" where instants are compared.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
EVER = datetime(1, 1, 2, tzinfo=UTC)
_NAMED = {"hour": "PT1H", "day": "P1D", "week": "P7D", "month": "P1M", "year": "P12M"}


@lru_cache(maxsize=100_000)
def bounds(
    period: str | None, at: datetime, zone: str = "UTC", anchor: datetime | None = None
) -> tuple[datetime, datetime]:
    """Start and end of the period that contains an instant; a lifetime, or no period, is all of time."""
    if period in {None, "lifetime"}:
        return EVER, NEVER
    number = _first_guess(period, at, zone, anchor)
    while boundary(period, number, zone, anchor) > at:
        number -= 1
    while boundary(period, number + 1, zone, anchor) <= at:
        number += 1
    return boundary(period, number, zone, anchor), boundary(period, number + 1, zone, anchor)


def _first_guess(period: str, at: datetime, zone: str, anchor: datetime | None) -> int:
    unit, many = _shape(period)
    origin = boundary(period, 0, zone, anchor)
    length = timedelta(**{"hours" if unit == "H" else "days": many * (30 if unit == "M" else 1)})
    return (at - origin) // length


def boundary(period: str, number: int, zone: str, anchor: datetime | None) -> datetime:
    """The boundary with a number, counted from the anchor itself: the 31st comes back after a short month."""
    unit, many = _shape(period)
    if unit == "H":
        return (anchor or EPOCH) + timedelta(hours=many * number)
    if anchor is not None:
        local = anchor.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    else:
        local = (MONDAY if period == "week" else EPOCH).replace(tzinfo=None)
    local = add_months(local, many * number) if unit == "M" else local + timedelta(days=many * number)
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def add_months(local: datetime, months: int) -> datetime:
    """So many calendar months later: the same day, or the last of a shorter month."""
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day)


def twelve_months_after(at: datetime, zone: str) -> datetime:
    """When a debt of a period that ended then ends itself, by the calendar of the pool's zone."""
    if at >= NEVER:
        return NEVER
    local = add_months(at.astimezone(ZoneInfo(zone)).replace(tzinfo=None), 12)
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@lru_cache(maxsize=100)
def _shape(period: str) -> tuple[str, int]:
    found = re.fullmatch(r"PT?(\d+)([HDM])", _NAMED.get(period, period))
    assert found is not None, f"the model counts no {period}"
    return found[2], int(found[1])
