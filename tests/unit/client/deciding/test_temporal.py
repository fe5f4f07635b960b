"""When a policy applies: windows, weekdays, hours of the wall clock, over midnight and over changes to daylight saving."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from asking import a_policy, a_view, ask

NIGHT = {"weekdays": ["fri"], "from": "22:00", "until": "06:00", "time_zone": "Europe/Berlin"}
OFFICE = {
    "weekdays": ["mon", "tue", "wed", "thu", "fri"],
    "from": "09:00",
    "until": "17:00",
    "time_zone": "America/New_York",
}


def applies(temporal: dict[str, Any], at: datetime) -> bool:
    return ask(a_view(), a_policy(temporal=temporal), now=at.timestamp()).allowed


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_a_window_includes_its_start_and_not_its_end() -> None:
    window = {"starts_at": "2026-01-01T00:00:00+01:00", "ends_at": "2026-02-01T00:00:00Z"}
    at = [utc(2025, 12, 31, 22, 59, 59), utc(2025, 12, 31, 23), utc(2026, 1, 31, 23, 59, 59), utc(2026, 2, 1)]
    assert [applies(window, one) for one in at] == [False, True, True, False]


def test_office_hours_are_those_of_the_wall_clock_in_summer_and_in_winter() -> None:
    assert [applies(OFFICE, utc(2026, 7, 6, hour)) for hour in (12, 13, 20, 21)] == [False, True, True, False]
    assert [applies(OFFICE, utc(2026, 1, 5, hour)) for hour in (13, 14, 21, 22)] == [False, True, True, False]
    assert not applies(OFFICE, utc(2026, 7, 5, 15))


def test_hours_over_midnight_belong_to_the_weekday_on_which_they_begin() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    told = {
        (19, 21, 59): False, (19, 22, 0): True, (20, 0, 0): True, (20, 5, 59): True, (20, 6, 0): False, (20, 23, 0): False, (19, 3, 0): False,
    }  # fmt: skip
    for (day, hour, minute), expected in told.items():
        assert applies(NIGHT, datetime(2026, 6, day, hour, minute, tzinfo=berlin)) is expected


def test_the_hour_that_comes_twice_counts_twice_and_the_one_that_is_left_out_not_at_all() -> None:
    two_to_three = {"from": "02:00", "until": "03:00", "time_zone": "Europe/Berlin"}
    autumn = [applies(two_to_three, utc(2026, 10, 24 + (hour >= 24), hour % 24)) for hour in (23, 24, 25, 26)]
    assert autumn == [False, True, True, False]
    spring = [applies(two_to_three, utc(2026, 3, 29, hour)) for hour in range(4)]
    assert spring == [False] * 4


def test_a_night_with_a_change_to_daylight_saving_ends_when_the_clock_says_so() -> None:
    saturday = NIGHT | {"weekdays": ["sat"]}
    assert [applies(saturday, utc(2026, 3, 29, hour)) for hour in (3, 4)] == [True, False]
    assert [applies(saturday, utc(2026, 10, 25, hour)) for hour in (4, 5)] == [True, False]


def test_hours_may_be_open_to_one_side_and_weekdays_stand_alone() -> None:
    assert [applies({"from": "12:00"}, utc(2026, 6, 16, hour)) for hour in (11, 12, 23)] == [False, True, True]
    assert [applies({"until": "12:00"}, utc(2026, 6, 16, hour)) for hour in (0, 11, 12)] == [True, True, False]
    assert applies({"from": "00:00", "until": "24:00"}, utc(2026, 6, 16, 23, 59))
    assert [applies({"weekdays": ["tue"]}, utc(2026, 6, day)) for day in (15, 16, 17)] == [False, True, False]
    assert applies({}, utc(2026, 6, 16))


def test_a_weekday_is_that_of_the_time_zone() -> None:
    tokyo = {"weekdays": ["wed"], "time_zone": "Asia/Tokyo"}
    assert [applies(tokyo, utc(2026, 6, 16, hour)) for hour in (14, 15)] == [False, True]


def test_an_instant_without_a_time_zone_is_nobodys() -> None:
    from asking import compiled

    from entitlements_client.deciding import Request, decide

    with pytest.raises(ValueError, match="time zone"):
        decide(a_view(), compiled(), Request("c1", "f"), datetime(2026, 6, 16))  # noqa: DTZ001
