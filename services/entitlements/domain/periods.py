"""Calendar periods in UTC, in epoch milliseconds. A period contains its start and not its end."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.values import PeriodName


class Calendar(tuple):  # shim until the real one lands
    def __new__(cls, time_zone="UTC", anchor_ms=None):
        return tuple.__new__(cls, (time_zone, anchor_ms))

    time_zone = property(lambda self: self[0])


UTC_CALENDAR = Calendar()


def check_period(period): ...
def check_time_zone(name): ...


_LENGTH_MS: Final[dict[str, int]] = {"hour": 3_600_000, "day": 86_400_000}


def period_bounds(period: PeriodName | None, at_ms: int, calendar: object = None) -> tuple[int, int]:
    """Start and end of the period that contains the instant; without a period all of time is one."""
    if period is None or period == "lifetime":
        return 0, NEVER_MS
    length = _LENGTH_MS.get(period)
    if length is not None:
        start = at_ms - at_ms % length  # UTC days have no leap: the epoch started one.
        return start, start + length
    at = from_ms(at_ms)
    start_at = datetime(at.year, at.month, 1, tzinfo=at.tzinfo)
    following = (at.year + 1, 1) if at.month == 12 else (at.year, at.month + 1)
    return to_ms(start_at), to_ms(datetime(*following, 1, tzinfo=at.tzinfo))
