"""What members drew under their caps, folded from events without a database."""

from __future__ import annotations

from typing import Any

from entitlements.domain.aggregate import from_ms
from entitlements_projections.member_caps.drawing import Line, Members

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def event(version: int, **fields: Any) -> dict[str, Any]:
    return {"originator_id": "pool", "originator_version": version, "timestamp": 0, "actor": "ops", **fields}


def capped(version: int, amount: int | None, period: str | None = None, subject_id: str = "") -> tuple[str, Any]:
    member = {"workspace_id": "ws", "subject_id": subject_id, "resource_key": "calls"}
    return "MemberCapped", event(version, amount=amount, period=period, **member)


def used(version: int, quantity: int, at_ms: int = 0, subject_id: str = "", usage_id: str = "") -> tuple[str, Any]:
    details = {"subject_id": subject_id, "counted_in": 0, "parts": []} if subject_id else None
    line = {"resource_key": "calls", "quantity": quantity, "late": False, "workspace_id": "ws", "recorded_at": at_ms}
    start_ms = at_ms // DAY_MS * DAY_MS
    total = {"resource_key": "calls", "period_start": start_ms, "period_end": start_ms + DAY_MS}
    return "UsageRecorded", event(version, lines=[line | {"details": details, "usage_id": usage_id}], totals=[total])


def corrected(version: int, adjustment: int, counted_in: int = 0) -> tuple[str, Any]:
    member = {"workspace_id": "ws", "subject_id": "", "resource_key": "calls"}
    return "UsageCorrected", event(version, adjustment=adjustment, counted_in=counted_in, corrects="u", **member)


def overridden(version: int, amount: int | None) -> tuple[str, Any]:
    return "OverrideSet", event(version, override_id="o", workspace_id="ws", resource_key="calls", amount=amount)


def after(*happened: tuple[str, Any], line: Line | None = None, time_zone: str = "UTC") -> Members:
    members = Members([], time_zone)
    for name, fact in happened:
        members.take(name, fact, line)
    return members


def drawn(members: Members) -> list[tuple[str, str, int | None, int]]:
    return [(row["subject_id"], row["override_id"], row["amount"], row["drawn"]) for row in members.changed()]


def test_what_is_drawn_counts_from_the_cap_on_and_anew_in_each_period_of_the_key() -> None:
    members = after(used(2, 9), capped(3, 50), used(4, 5), used(5, 2))
    assert drawn(members) == [("", "", 50, 7)]
    members.take(*used(6, 3, at_ms=DAY_MS), None)
    (row,) = members.changed()
    assert (row["drawn"], row["drawn_from"], row["drawn_until"]) == (3, from_ms(DAY_MS), from_ms(2 * DAY_MS))


def test_a_period_of_its_own_is_counted_by_the_zone_of_the_pool() -> None:
    (row,) = after(capped(2, 9, period="day"), used(3, 1, at_ms=23 * HOUR_MS), time_zone="Europe/Berlin").changed()
    assert (row["drawn_from"], row["drawn_until"]) == (from_ms(23 * HOUR_MS), from_ms(47 * HOUR_MS))
    moved = after(capped(2, 9, period="day"), ("CalendarChanged", event(3, time_zone="Europe/Berlin")))
    assert [row["time_zone"] for row in moved.changed()] == ["Europe/Berlin"]


def test_another_calendar_ends_what_is_under_way_as_its_event_says() -> None:
    """Drawn at one o'clock; since two it is counted in Tokyo, where the day ends at three in the afternoon of Greenwich."""
    end = {"period_end": 15 * HOUR_MS}
    changed = event(9, time_zone="Asia/Tokyo", periods=[{"resource_key": "calls", "period_start": 0} | end])
    changed |= {"timestamp": 2 * HOUR_MS, "cap_periods": [{"period": "day"} | end]}
    for cap in (capped(2, 9, period="day"), capped(2, 9), overridden(2, 9)):
        members = after(cap, used(3, 4, at_ms=HOUR_MS), ("CalendarChanged", changed))
        (row,) = members.changed()
        assert (row["drawn"], row["drawn_from"], row["drawn_until"]) == (4, from_ms(0), from_ms(15 * HOUR_MS))
    for over in (capped(2, 9, period="hour"), capped(2, 9, period="day")):
        members = after(over, used(3, 4, at_ms=HOUR_MS), ("CalendarChanged", changed | {"cap_periods": []}))
        (row,) = members.changed()
        assert row["drawn_until"] in (from_ms(2 * HOUR_MS), from_ms(DAY_MS))


def test_another_amount_goes_on_counting_and_another_period_begins_anew() -> None:
    assert drawn(after(capped(2, 9), used(3, 4), capped(4, 20))) == [("", "", 20, 4)]
    assert drawn(after(capped(2, 9), used(3, 4), capped(4, 20, period="hour"))) == [("", "", 20, 0)]


def test_a_cap_that_was_lifted_counts_from_nothing_when_it_is_set_again() -> None:
    assert drawn(after(capped(2, 9), used(3, 4), capped(4, None), used(5, 1), capped(6, 9))) == [("", "", 9, 0)]


def test_what_a_subject_draws_counts_for_its_workspace_too_and_for_no_other_subject() -> None:
    members = after(
        capped(2, 50), capped(3, 9, subject_id="ann"), capped(4, 9, subject_id="bob"), used(5, 4, subject_id="ann")
    )
    assert drawn(members) == [("", "", 50, 4), ("ann", "", 9, 4), ("bob", "", 9, 0)]


def test_an_override_with_an_amount_counts_by_itself_beside_the_cap() -> None:
    members = after(capped(2, 50), used(3, 4), overridden(4, 20), used(5, 2))
    assert drawn(members) == [("", "", 50, 6), ("", "o", 20, 2)]
    members.take("OverrideExpired", event(10, override_id="o"), None)
    assert drawn(members)[1] == ("", "o", None, 2)
    assert drawn(after(overridden(2, None))) == []


def test_only_what_a_cap_has_counted_returns_to_it() -> None:
    history = (used(2, 5, usage_id="u"), capped(3, 50), used(4, 7))
    assert drawn(after(*history, corrected(5, -3), line=Line(2, 0, False))) == [("", "", 50, 7)]
    assert drawn(after(*history, corrected(5, -3), line=Line(4, 0, False))) == [("", "", 50, 4)]
    assert drawn(after(*history, corrected(5, -3, counted_in=1), line=Line(4, 0, True))) == [("", "", 50, 7)]
    assert drawn(after(*history, corrected(5, -3), line=None)) == [("", "", 50, 7)]


def test_events_that_are_read_again_change_nothing() -> None:
    history = (capped(2, 50), used(3, 5), overridden(4, 9), used(5, 1), corrected(6, -2), capped(7, 40))
    members = after(*history, line=Line(5, 0, False))
    rows = [dict(row) for row in members.changed()]
    again = Members(rows, "UTC")
    for name, fact in history:
        again.take(name, fact, Line(5, 0, False))
    assert list(again.changed()) == []
