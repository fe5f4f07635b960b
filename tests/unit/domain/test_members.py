"""What narrows a pool for one of its workspaces."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from specification import Specification, given, happens, hours, pool_with, used

from entitlements import examples as ask
from entitlements import examples_of_terms as terms
from entitlements.domain.aggregate import from_ms
from entitlements.domain.commands import Command
from entitlements.domain.decide import decide
from entitlements.domain.errors import InvalidCommand, MemberCapIsReached, PeriodIsClosed
from entitlements.domain.periods import Calendar, period_bounds
from entitlements.domain.plan_commands import CapMember
from entitlements.domain.plan_events import CalendarChanged
from entitlements.domain.pools import Cap
from entitlements.domain.values import CapPeriod, Rule
from entitlements.examples import NOON_MS, assign_workspace, quota, unassign_workspace
from entitlements.examples_of_terms import cap_member, change_calendar, correct_usage, set_override


def after(*commands: Command) -> Any:
    """The answer to the last of these commands to a pool with the workspace w."""
    pool = decide(None, ask.open_pool(), NOON_MS).aggregate
    answers = [decide(pool, command, NOON_MS) for command in (ask.assign_workspace("w"), *commands)]
    return answers[-1]


TAKEN = terms.set_override(None, override_id="o", resource_key="calls", allowed=False, workspace_id="w")
GIVEN = ask.provision_pool("p-1", ask.quota("calls", 20))


@pytest.mark.parametrize("history", [(TAKEN, GIVEN), (GIVEN, TAKEN)], ids=["before", "after"])
def test_an_override_of_a_workspace_holds_whether_it_was_set_before_or_after_the_pool_had_the_key(
    history: tuple[Command, ...],
) -> None:
    of_w = after(*history, ask.record_usage(ask.line("calls", 1, workspace_id="w")))
    assert [code for _, code, _ in of_w.usage.refused] == ["not_entitled"]
    assert after(*history, ask.record_usage(ask.line("calls", 1))).usage.accepted == 1


BERLIN = "acme-berlin"
CAPS = {
    "of a workspace, its own period": [cap_member(4, period="day")],
    "of a workspace, an hour": [cap_member(4, period="PT36H")],
    "of a workspace, the key's": [cap_member(4)],
    "of a subject, its own period": [cap_member(4, period="day", subject_id="ann")],
    "of a subject, the key's": [cap_member(4, subject_id="ann")],
    "of an override": [set_override(4, workspace_id=BERLIN)],
    "of an override for a cap": [cap_member(1, period="day"), set_override(4, workspace_id=BERLIN)],
}


@pytest.mark.parametrize("caps", CAPS.values(), ids=CAPS)
@pytest.mark.parametrize("before", [[], [change_calendar("Pacific/Auckland")]], ids=["once", "twice"])
def test_a_cap_under_way_ends_at_the_first_boundary_of_another_calendar(
    caps: list[Command], before: list[Command]
) -> None:
    """At noon of Greenwich it is nine in the evening in Tokyo: three hours are left of the day."""
    drawn, more = (used("api_calls", n, workspace_id=BERLIN, subject_id="ann") for n in (4, 1))
    period_of_cap = next((cap.period for cap in caps if isinstance(cap, CapMember)), None)
    story = given(pool_with(quota("api_calls", 100)), assign_workspace(), *caps, drawn, *before)
    starts = [cap.period_start_ms for cap in drawing(story)]
    story.when(change_calendar("Asia/Tokyo"))
    assert [cap.period_start_ms for cap in drawing(story)] == starts, "it keeps its start"
    end_ms = period_bounds(period_of_cap or "day", story.log_ms, Calendar("Asia/Tokyo"))[1]
    assert {cap.period_end_ms for cap in drawing(story)} == {end_ms}
    left = timedelta(milliseconds=end_ms - story.log_ms)
    story.when(left - timedelta(milliseconds=1), more).lines((0, MemberCapIsReached, 0))
    story.when(timedelta(milliseconds=1), drawn).lines(accepted=1)
    story.when(more).lines((0, MemberCapIsReached, 0))


def drawing(story: Specification) -> list[Cap]:
    """The caps under which something was drawn."""
    return [cap for _, cap in story.pool.all_caps() if cap.consumed and cap.amount == 4]


def test_the_bounds_of_caps_are_facts_of_the_event() -> None:
    """One for each name of a period, however many members are capped; folding never works them out again."""
    past = [
        pool_with(quota("api_calls", 100)),
        assign_workspace(),
        *(cap_member(4, period="day", subject_id=subject) for subject in ("ann", "bob", "eve")),
        cap_member(9, period="hour"),
        used("api_calls", 1, workspace_id=BERLIN, subject_id="ann"),
        used("api_calls", 1, workspace_id=BERLIN, subject_id="bob"),
    ]
    until = from_ms(NOON_MS) + timedelta(hours=3)
    story = given(past).when(change_calendar("Asia/Tokyo"))
    story.then(happens("CalendarChanged", cap_periods=[CapPeriod(period="day", period_end=until)]))
    (event,) = story.happened
    assert isinstance(event, CalendarChanged)
    moved = replace(event, cap_periods=[CapPeriod(period="day", period_end=until + timedelta(minutes=5))])
    pool = given(past).pool
    moved.apply(pool)
    assert {cap.period_end_ms for _, cap in pool.all_caps() if cap.consumed and cap.period == "day"} == {
        NOON_MS + 3 * 3_600_000 + 300_000
    }


def test_what_a_member_drew_outlasts_another_calendar_also_where_its_key_was_corrected_to_nothing() -> None:
    """The key has nothing to reset then; the day of the cap is under way all the same."""
    drawn = used("api_calls", 4, workspace_id=BERLIN)
    past = [pool_with(quota("api_calls", 100)), assign_workspace(), cap_member(4), drawn, correct_usage(-4)]
    story = given(past, change_calendar("Asia/Tokyo"), used("api_calls", 1))
    story.when(drawn).lines((0, MemberCapIsReached, 0))
    story.when(hours(3), drawn).lines(accepted=1)


def test_an_idle_key_counts_by_another_calendar_as_a_busy_one() -> None:
    """Both keep the day's start at midnight of Greenwich: usage of the evening before is late for both."""
    evening = used("api_calls", 2, occurred_at=from_ms(NOON_MS - 13 * 3_600_000))
    for past in ([], [used("api_calls", 1)]):
        story = given(pool_with(quota("api_calls", 100)), *past, change_calendar("Asia/Tokyo"))
        story.when(evening).lines((0, PeriodIsClosed, -1))
        assert story.pool.entitlements["api_calls"].period_at(story.log_ms) == (
            NOON_MS - 12 * 3_600_000,
            NOON_MS + 3 * 3_600_000,
        )


def test_credits_are_capped_by_the_keys_that_draw_on_them() -> None:
    """A cap on the credits themselves would be no cap: usage of other keys draws on them."""
    balance = Rule(resource_key="credits", rule_type="credit", amount=50, stacking="sum")
    past = [pool_with(balance), assign_workspace()]
    given(past).when(cap_member(5, resource_key="credits")).refused(InvalidCommand)
    of_workspace = set_override(5, resource_key="credits", workspace_id="acme-berlin")
    given(past).when(of_workspace).refused(InvalidCommand)


def test_a_cap_outlives_the_assignment_it_was_set_on() -> None:
    """Taken away and given back in a minute is not a way around it."""
    drawn = used("api_calls", 5, workspace_id="acme-berlin")
    past = [pool_with(quota("api_calls", 100)), assign_workspace(), cap_member(5), drawn]
    story = given(past, unassign_workspace(), assign_workspace()).when(drawn)
    story.lines((0, MemberCapIsReached, 0))
