"""When a policy applies: in a window of instants, on weekdays, at hours of the wall clock of a time zone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from heapq import merge
from typing import Any, Final
from zoneinfo import ZoneInfo

from entitlements_client.deciding.instants import seconds_of
from entitlements_client.deciding.refusals import PolicyIsInvalid, require_list, require_object, require_text, shown
from entitlements_client.deciding.zones import zone

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DAY_MINUTES: Final = 24 * 60
_NAMES: Final = ("starts_at", "ends_at", "weekdays", "from", "until", "time_zone")

_DAY_S: Final = 86_400
#: Whether a policy applies at an instant (seconds since 1970).
Applies = Callable[[float], bool]


class NextChange:
    """When a policy begins or ceases to apply next, in seconds since 1970: looked for a day ahead, and remembered until then."""

    def __init__(self, document: Any, applies: Applies) -> None:
        self._applies = applies
        found = [seconds_of(document.get(name)) for name in ("starts_at", "ends_at")]
        self._instants = [instant for instant in found if instant is not None]
        self._has_hours = any(document.get(name) is not None for name in ("weekdays", "from", "until"))
        self._same = (0.0, 0.0)

    def after(self, now_s: float) -> float:
        """The first instant after this one at which it may be otherwise. Hours begin and end with a minute."""
        same = self._same
        if not same[0] <= now_s < same[1]:
            self._same = same = (now_s, self._look(now_s))
        return same[1]

    def _look(self, now_s: float) -> float:
        later = sorted(instant for instant in self._instants if instant > now_s)
        if not self._has_hours:
            return later[0] if later else float("inf")
        is_now, minute = self._applies(now_s), now_s // 60 * 60
        hours = (minute + 60.0 * count for count in range(1, _DAY_MINUTES + 1))
        return next((at for at in merge(later, hours) if self._applies(at) is not is_now), minute + _DAY_S)


def compile_temporal(document: Any, path: str) -> Applies:
    """When a policy applies. Raises PolicyIsInvalid.

    From starts_at on and before ends_at. Hours are those that the clocks on the wall show, so a day of daylight saving has 23 or 25 of
    them; `from` still counts, `until` does not. Hours over midnight belong to the weekday on which they begin.
    """
    found = require_object(document, _NAMES, path)
    start_s = _instant(found, "starts_at", path, float("-inf"))
    end_s = _instant(found, "ends_at", path, float("inf"))
    if end_s <= start_s:
        raise PolicyIsInvalid("invalid_temporal", f"{path}.ends_at", "ends_at is before starts_at")
    weekdays = _weekdays(found.get("weekdays"), f"{path}.weekdays")
    from_min = _minutes(found.get("from"), f"{path}.from", 0)
    until_min = _minutes(found.get("until"), f"{path}.until", _DAY_MINUTES)
    if from_min == _DAY_MINUTES:
        raise PolicyIsInvalid("invalid_temporal", f"{path}.from", "from cannot be 24:00; use 00:00 of the next day")
    if from_min == until_min:
        raise PolicyIsInvalid("invalid_temporal", f"{path}.until", "from and until are equal; for all day omit both")
    time_zone = _zone(found.get("time_zone"), f"{path}.time_zone")
    if len(weekdays) == len(WEEKDAYS) and (from_min, until_min) == (0, _DAY_MINUTES):
        return lambda now_s: start_s <= now_s < end_s
    on_wall = _on_wall(time_zone, weekdays, from_min, until_min)
    return lambda now_s: start_s <= now_s < end_s and on_wall(now_s)


def _on_wall(time_zone: ZoneInfo, weekdays: frozenset[int], from_min: int, until_min: int) -> Applies:
    def applies(now_s: float) -> bool:
        wall = datetime.fromtimestamp(now_s, time_zone)
        minute, day = wall.hour * 60 + wall.minute, wall.weekday()
        if from_min < until_min:
            return day in weekdays and from_min <= minute < until_min
        if minute >= from_min:
            return day in weekdays
        # After midnight: what began on the day before.
        return minute < until_min and (wall - timedelta(days=1)).weekday() in weekdays

    return applies


def _instant(found: Any, name: str, path: str, otherwise: float) -> float:
    value = found.get(name)
    if value is None:
        return otherwise
    seconds = seconds_of(value) if isinstance(value, str) else None
    if seconds is None:
        raise PolicyIsInvalid(
            "invalid_instant",
            f"{path}.{name}",
            f"must be a time such as 2026-01-31T00:00:00Z, not {shown(value)}",
        )
    return seconds


def _weekdays(value: Any, path: str) -> frozenset[int]:
    if value is None:
        return frozenset(range(7))
    named = require_list(value, path, len(WEEKDAYS))
    for place, day in enumerate(named):
        if day not in WEEKDAYS:
            raise PolicyIsInvalid(
                "invalid_temporal", f"{path}[{place}]", f"weekdays must be {', '.join(WEEKDAYS)}, not {shown(day)}"
            )
    return frozenset(map(WEEKDAYS.index, named)) or frozenset(range(7))


def _minutes(value: Any, path: str, otherwise: int) -> int:
    if value is None:
        return otherwise
    if value == "24:00":
        return _DAY_MINUTES
    written = _TIME.fullmatch(value) if isinstance(value, str) else None
    if written is None:
        raise PolicyIsInvalid(
            "invalid_temporal", path, f"must be a time of day such as 09:00 or 17:30, not {shown(value)}"
        )
    return int(written[1]) * 60 + int(written[2])


def _zone(value: Any, path: str) -> ZoneInfo:
    name = "UTC" if value is None else require_text(value, path, 64)
    try:
        return zone(name)
    except KeyError:
        raise PolicyIsInvalid(
            "invalid_time_zone", path, f"unknown time zone {shown(name)}; use an IANA name such as Europe/Berlin"
        ) from None
