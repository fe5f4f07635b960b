"""Periods: whatever the zone, the anchor and the length, they touch, contain their instant, and come back to the day they began."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import whenever
from generated import histories_settings
from hypothesis import given
from hypothesis import strategies as st
from tests.other_zones import said_on_such_a_machine

from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.errors import InvalidInstant, InvalidPeriod, InvalidTimeZone
from entitlements.domain.periods import Calendar, check_anchor, check_period, check_time_zone, period_bounds
from entitlements_client.deciding.zones import zone as zone_of

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe",
    "America/Sao_Paulo", "Africa/Casablanca",
)  # fmt: skip
PERIODS = ("hour", "day", "week", "month", "year", "P14D", "PT6H", "P3M", "P1Y6M", "P1M15D", "P1DT12H", "PT90S")
INSTANTS = st.integers(to_ms(datetime(1971, 1, 1, tzinfo=UTC)), to_ms(datetime(2040, 1, 1, tzinfo=UTC)))
CALENDARS = st.builds(Calendar, st.sampled_from(ZONES), st.none() | INSTANTS)


def at(text: str, zone: str = "UTC") -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=zone_of(zone)).astimezone(UTC))


def said(period: str, instant: str, zone: str = "UTC", anchor: str | None = None) -> tuple[str, str]:
    """The bounds in the zone's own words."""
    calendar = Calendar(zone, None if anchor is None else at(anchor, zone))
    start, end = period_bounds(period, at(instant, zone), calendar)
    return tuple(f"{from_ms(ms).astimezone(zone_of(zone)):%Y-%m-%dT%H:%M}" for ms in (start, end))  # type: ignore[return-value]


@histories_settings(300)
@given(period=st.sampled_from(PERIODS), calendar=CALENDARS, instant=INSTANTS)
def test_a_period_contains_its_instant_and_touches_its_neighbours(
    period: str, calendar: Calendar, instant: int
) -> None:
    start, end = period_bounds(period, instant, calendar)
    assert start <= instant < end
    assert period_bounds(period, start, calendar) == (start, end) == period_bounds(period, end - 1, calendar)
    assert period_bounds(period, end, calendar)[0] == end
    assert period_bounds(period, start - 1, calendar)[1] == start


@histories_settings(100)
@given(calendar=CALENDARS, instant=INSTANTS)
def test_the_anchor_is_a_boundary(calendar: Calendar, instant: int) -> None:
    anchored = Calendar(calendar.time_zone, instant)
    for period in PERIODS:
        assert period_bounds(period, instant, anchored)[0] == instant


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("hour", ("2026-03-04T15:00", "2026-03-04T16:00")),
        ("day", ("2026-03-04T00:00", "2026-03-05T00:00")),
        ("week", ("2026-03-02T00:00", "2026-03-09T00:00")),
        ("month", ("2026-03-01T00:00", "2026-04-01T00:00")),
        ("year", ("2026-01-01T00:00", "2027-01-01T00:00")),
        ("P3M", ("2026-01-01T00:00", "2026-04-01T00:00")),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_without_an_anchor_periods_are_those_of_the_calendar(period: str, expected: tuple[str, str], zone: str) -> None:
    assert said(period, "2026-03-04T15:30", zone) == expected


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-02-10T00:00", ("2026-01-31T10:00", "2026-02-28T10:00")),
        ("2026-03-01T00:00", ("2026-02-28T10:00", "2026-03-31T10:00")),
        ("2026-04-15T00:00", ("2026-03-31T10:00", "2026-04-30T10:00")),
        ("2026-05-01T00:00", ("2026-04-30T10:00", "2026-05-31T10:00")),
        ("2028-02-28T00:00", ("2028-01-31T10:00", "2028-02-29T10:00")),
        ("2025-12-31T09:59", ("2025-11-30T10:00", "2025-12-31T10:00")),
    ],
)
def test_the_31st_is_clamped_to_the_end_of_a_month_and_comes_back(instant: str, expected: tuple[str, str]) -> None:
    assert said("month", instant, anchor="2026-01-31T10:00") == expected


def test_a_leap_day_comes_back_every_four_years() -> None:
    assert said("year", "2027-05-01T00:00", anchor="2024-02-29T00:00") == ("2027-02-28T00:00", "2028-02-29T00:00")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_day_of_daylight_saving_has_23_or_25_hours(day: str, hours: int) -> None:
    start, end = period_bounds("day", at(f"{day}T12:00", "Europe/Berlin"), Calendar("Europe/Berlin"))
    assert end - start == hours * 3_600_000


def test_an_anchor_at_an_hour_that_is_skipped_moves_on_that_day_only() -> None:
    anchor = "2026-03-27T02:30"
    assert said("day", "2026-03-28T12:00", "Europe/Berlin", anchor) == ("2026-03-28T02:30", "2026-03-29T03:30")
    assert said("day", "2026-03-29T12:00", "Europe/Berlin", anchor) == ("2026-03-29T03:30", "2026-03-30T02:30")


def test_hours_are_elapsed_time() -> None:
    anchor = "2026-03-29T00:00"
    assert said("PT6H", "2026-03-29T04:00", "Europe/Berlin", anchor) == ("2026-03-29T00:00", "2026-03-29T07:00")


def test_a_day_that_a_zone_left_out_is_no_period() -> None:
    start, end = period_bounds("day", at("2011-12-29T12:00", "Pacific/Apia"), Calendar("Pacific/Apia"))
    assert end - start == 24 * 3_600_000
    assert said("day", "2011-12-31T12:00", "Pacific/Apia") == ("2011-12-31T00:00", "2012-01-01T00:00")


@pytest.mark.parametrize("period", [None, "lifetime"])
def test_without_a_period_all_of_time_is_one(period: str | None) -> None:
    assert period_bounds(period, 5) == (0, NEVER_MS)


@pytest.mark.parametrize("period", [*PERIODS, "lifetime", "P100Y", "PT1M"])
def test_a_period_can_be_meant(period: str) -> None:
    check_period(period)


@pytest.mark.parametrize(
    "period", ["", "daily", "P0D", "PT0S", "-P1D", "PT59S", "P101Y", "P1D-", "1D", "PT0.5S", "P1Y-2M", "P100Y1M"]
)
def test_a_period_that_is_invalid_is_refused(period: str) -> None:
    with pytest.raises(InvalidPeriod):
        check_period(period)


def test_a_time_zone_is_one_of_the_database() -> None:
    check_time_zone("Europe/Berlin")
    for name in ("", "Mars/Base", "../etc/passwd", "CEST?", "europe/berlin"):
        with pytest.raises(InvalidTimeZone):
            check_time_zone(name)


# Days of Casablanca and Berlin, which the doctored files show as Tokyo's.
COUNTING = """
from entitlements.domain.periods import Calendar, period_bounds
for zone in ("Europe/Berlin", "Africa/Casablanca"):
    print(period_bounds("day", int(datetime.fromisoformat("2027-06-01T08:30:00Z").timestamp()) * 1000, Calendar(zone))[0])
"""


def test_every_engine_counts_by_the_pinned_time_zones_and_not_by_its_machines(tmp_path: Path) -> None:
    assert whenever.get_tzpath() == ()
    days = [str(at("2027-05-31T22:00")), str(at("2027-06-01"))]
    assert said_on_such_a_machine(tmp_path, COUNTING) == days


def test_hours_of_the_calendar_are_full_hours_in_every_zone() -> None:
    for zone in ("Asia/Kathmandu", "Asia/Singapore", "Australia/Lord_Howe"):
        start, end = period_bounds("hour", at("2026-03-04T15:30"), Calendar(zone))
        assert (start % 3_600_000, end - start) == (0, 3_600_000)


def test_an_anchor_is_one_of_our_time() -> None:
    check_anchor(None)
    check_anchor(datetime(1970, 1, 1, tzinfo=UTC))
    for year in (1969, 2200, 9999):
        with pytest.raises(InvalidInstant):
            check_anchor(datetime(year, 12, 31, tzinfo=UTC))
