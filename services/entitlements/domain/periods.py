"""Periods: hour, day, week, month, year, lifetime or an ISO 8601 duration, by the calendar of a time zone or from an anchor.

All in epoch milliseconds; a period contains its start and not its end. Dates are counted on the wall clock of the zone, hours and
shorter parts are elapsed time. An instant that a change of the clock skips is the one that much later, one that comes twice is
the first (RFC 5545). Every boundary is counted from the anchor itself, so that the 31st comes back after a short month.

Rules of time zones change. Bounds are therefore written into events when they are decided and never worked out again when
events are folded: a later `tzdata`, which is pinned so that all engines have the same, does not rewrite the past.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from whenever import Date, Instant, ItemizedDelta, Time, TimeZoneNotFoundError, clear_tzcache, reset_tzpath

from entitlements.domain.aggregate import EPOCH, NEVER_MS
from entitlements.domain.errors import InvalidInstant, InvalidPeriod, InvalidTimeZone

# The machine's own zone files would come first; only those of the pinned package are the same for every engine.
reset_tzpath(())
clear_tzcache()

LIFETIME: Final = "lifetime"
ANCHOR_BEFORE: Final = datetime(2200, 1, 1, tzinfo=UTC)
#: Bounds of a period, so that neither its resets nor its sums run away.
LENGTH_MS_MIN: Final = 60_000

_NAMED: Final = {"hour": "PT1H", "day": "P1D", "week": "P7D", "month": "P1M", "year": "P1Y"}
DAY_MS: Final = 86_400_000
_WHOLE_MS: Final = {"hour": 3_600_000, "day": DAY_MS, "week": 7 * DAY_MS}
_MONTH_MS: Final = round(365.2425 / 12 * DAY_MS)
LENGTH_MS_MAX: Final = 1_200 * _MONTH_MS
#: Where periods without an anchor are counted from: the first of a year, and a Monday.
_ORIGIN: Final = Date(1970, 1, 1)
_MONDAY: Final = Date(1969, 12, 29)
_MONDAY_MS: Final = -3 * DAY_MS
_MIDNIGHT: Final = Time(0, 0)


@dataclass(frozen=True, slots=True)
class Calendar:
    """How periods are counted: by the calendar of a time zone, or from an anchor (the billing cycle) in it."""

    time_zone: str = "UTC"
    anchor_ms: int | None = None


UTC_CALENDAR: Final = Calendar()


def period_bounds(period: str | None, at_ms: int, calendar: Calendar = UTC_CALENDAR) -> tuple[int, int]:
    """Start and end of the period that contains the instant; without a period all of time is one."""
    if period is None or period == LIFETIME:
        return 0, NEVER_MS
    if calendar is UTC_CALENDAR or calendar == UTC_CALENDAR:
        length = _WHOLE_MS.get(period)
        if length is not None:  # UTC days have no leap: the epoch started one.
            start = at_ms - (at_ms - (_MONDAY_MS if period == "week" else 0)) % length
            return start, start + length
    return _counted(period, calendar).around(at_ms)


def check_period(period: str) -> None:
    """Raises InvalidPeriod unless it is a name or a duration from a minute to a hundred years."""
    if period != LIFETIME:
        length_ms = _counted(period, UTC_CALENDAR).length_ms
        if not LENGTH_MS_MIN <= length_ms <= LENGTH_MS_MAX:
            raise InvalidPeriod(f"{period} must be one minute to 100 years")


def length_ms(period: str) -> int:
    """How long a period is, or would be on average, in milliseconds. Not of a lifetime."""
    return _counted(period, UTC_CALENDAR).length_ms


def year_after(at_ms: int, time_zone: str) -> int:
    """The same instant of the calendar twelve months later, in epoch milliseconds."""
    at = Instant.from_timestamp(at_ms, unit="millisecond").to_tz(time_zone)
    return at.add(years=1, disambiguation="compatible").timestamp(unit="millisecond")


def check_time_zone(name: str) -> None:
    """Raises InvalidTimeZone unless it is the name of a time zone of the IANA database, spelt as there."""
    try:
        found = Instant.from_timestamp(0).to_tz(name).tz_id
    except (TimeZoneNotFoundError, ValueError):
        raise InvalidTimeZone(name) from None
    if found != name:  # Letters of another case are understood, but two spellings would be two calendars.
        raise InvalidTimeZone(name)


def check_anchor(anchor_at: datetime | None) -> None:
    """Raises InvalidInstant unless an anchor is one from which periods of our time can be counted."""
    if anchor_at is not None and not EPOCH <= anchor_at < ANCHOR_BEFORE:
        raise InvalidInstant(f"an anchor must be from 1970 to before {ANCHOR_BEFORE.year}")


class _Counted:
    """One period by one calendar: its boundaries by number, from the anchor on."""

    def __init__(self, period: str, calendar: Calendar) -> None:
        try:
            parts = dict(ItemizedDelta.parse_iso(_NAMED.get(period, period)).items())
        except ValueError:
            raise InvalidPeriod(period) from None
        self.months = parts.get("years", 0) * 12 + parts.get("months", 0)
        self.days = parts.get("weeks", 0) * 7 + parts.get("days", 0)
        self.time_ms = 1_000 * (parts.get("hours", 0) * 3_600 + parts.get("minutes", 0) * 60 + parts.get("seconds", 0))
        self.length_ms = self.months * _MONTH_MS + self.days * DAY_MS + self.time_ms
        if self.length_ms <= 0 or min(self.months, self.days, self.time_ms) < 0 or parts.get("nanoseconds"):
            raise InvalidPeriod(period)
        is_elapsed = not self.months and not self.days
        # Elapsed time knows no zone: without an anchor it is counted from the epoch.
        self.time_zone = "UTC" if is_elapsed and calendar.anchor_ms is None else calendar.time_zone
        if calendar.anchor_ms is None:
            self.date, self.time = _MONDAY if period == "week" else _ORIGIN, _MIDNIGHT
        else:
            anchor = Instant.from_timestamp(calendar.anchor_ms, unit="millisecond").to_tz(self.time_zone)
            self.date, self.time = anchor.date(), anchor.time()
        self.anchor_ms = calendar.anchor_ms if calendar.anchor_ms is not None else self._local(0)
        self._last = (0, 0)

    def around(self, at_ms: int) -> tuple[int, int]:
        last = self._last
        if last[0] <= at_ms < last[1]:
            return last
        number = (at_ms - self.anchor_ms) // self.length_ms
        while self._boundary(number) > at_ms:
            number -= 1
        while (end_ms := self._boundary(number + 1)) <= at_ms:
            number += 1
        bounds = self._boundary(number), end_ms
        self._last = bounds
        return bounds

    def _boundary(self, number: int) -> int:
        if number == 0:
            return self.anchor_ms
        if not self.months and not self.days:
            return self.anchor_ms + number * self.time_ms
        return self._local(number) + number * self.time_ms

    def _local(self, number: int) -> int:
        date = self.date.add(months=self.months * number, days=self.days * number)
        return date.at(self.time).assume_tz(self.time_zone, disambiguation="compatible").timestamp(unit="millisecond")


@lru_cache(maxsize=4096)
def _counted(period: str, calendar: Calendar) -> _Counted:
    return _Counted(period, calendar)
