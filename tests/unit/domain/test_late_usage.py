"""Usage that arrives late: it counts in the period it occurred in while that period's grace lasts, and changes nothing later."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from specification import Happens, Specification, days, given, hours, pool_with, used

from entitlements.domain.aggregate import from_ms
from entitlements.domain.commands import Command
from entitlements.domain.errors import InvalidRules, NotEntitled, PeriodIsClosed, PoolIsSuspended, QuotaIsExceeded
from entitlements.domain.rules import GRACE_PERIODS_MAX, check_rules
from entitlements.examples import NOON, assign_workspace, open_pool, provision_pool, quota, suspend_pool
from entitlements.examples_of_terms import (
    cap_member,
    change_calendar,
    correct_usage,
    reset_usage,
    revise_provision,
    set_override,
)

DAY_S = 86_400
#: 10 calls a day; what is reported up to three days after the end of its day counts in it.
PATIENT = quota("api_calls", 10, grace_for=3 * DAY_S)


def late(quantity: int, ago: timedelta, now: timedelta, mode: Any = "report", usage_id: str = "") -> Command:
    return used("api_calls", quantity, mode, occurred_at=NOON + now - ago, usage_id=usage_id)


def closed(story: Specification) -> list[int]:
    """What was consumed in the periods that are remembered, the oldest first."""
    periods = story.pool.entitlements["api_calls"].closed
    return [periods[start].consumed for start in sorted(periods)]


def test_it_counts_in_its_own_period_however_many_lie_between() -> None:
    story = given(
        pool_with(PATIENT), used("api_calls", 4), days(1), used("api_calls", 5), days(1), used("api_calls", 6)
    )
    story.when(late(2, days(2), days(2)), late(1, days(1), days(2)))
    assert (closed(story), story.consumed("api_calls")) == ([6, 6], 6)


def test_the_limits_of_its_own_period_count() -> None:
    raised = revise_provision(quota("api_calls", 100, grace_for=3 * DAY_S), set_version=9)
    story = given(pool_with(PATIENT), used("api_calls", 8), days(1), raised, used("api_calls", 50))
    story.when(late(3, days(1), days(1))).then(
        Happens("UsageRecorded", {"lines": [{"quantity": 3, "overage": 1, "late": True}]}),
        Happens("QuotaExceeded", {"limit": 10, "consumed": 11}),
    )
    story.when(late(3, days(1), days(1), "strict")).lines((0, QuotaIsExceeded, 0))


@pytest.mark.parametrize("consumed", [[], [used("api_calls", 8)]])
def test_that_it_was_refused_or_corrected_above_the_limit_is_told_once_too(consumed: list[Command]) -> None:
    past = given(pool_with(PATIENT), consumed, days(1), used("api_calls", 1))
    told = Happens(
        "QuotaExceeded", {"period_start": NOON.replace(hour=0), "period_end": NOON.replace(hour=0) + days(1)}
    )
    too_much = correct_usage(11, occurred_at=NOON)
    past.when(late(11, days(1), days(1), "strict"), late(11, days(1), days(1), "strict"), too_much).happened_so(
        Happens("UsageRefused", {}), told, Happens("UsageRefused", {}), Happens("UsageCorrected", {})
    )
    past.when(correct_usage(-11, occurred_at=NOON)).then(
        Happens("UsageCorrected", {}), Happens("ExceededWithdrawn", {"limit": 10, "consumed": 8 if consumed else 0})
    )
    past.when(too_much, too_much).then(Happens("UsageCorrected", {}), told, Happens("UsageCorrected", {}))
    assert past.consumed("api_calls") == 1


def test_a_period_in_which_nothing_was_used_can_still_be_used() -> None:
    story = given(pool_with(PATIENT), days(2), used("api_calls", 1)).when(late(7, days(1), days(2)))
    assert (closed(story), story.consumed("api_calls")) == ([7], 1)


def test_after_its_grace_it_is_recorded_and_changes_nothing() -> None:
    story = given(pool_with(PATIENT), used("api_calls", 4), days(4), used("api_calls", 1))
    story.when(late(2, days(4), days(4))).then(
        Happens("UsageRecorded", {"lines": [{"late": True, "details": None}], "totals": []})
    )
    story.when(late(2, days(4), days(4), "strict")).lines((0, PeriodIsClosed, -1))


def test_periods_are_forgotten_when_their_grace_is_over() -> None:
    each_day = [(days(1), used("api_calls", 1)) for _ in range(9)]
    story = given(pool_with(PATIENT), used("api_calls", 1), each_day)
    assert len(closed(story)) <= 4


def test_grace_that_is_given_later_does_not_open_what_was_counted_for_good() -> None:
    """The day closed at 4 of 10 without grace; were it counted anew it would begin at nothing."""
    patient = revise_provision(PATIENT, set_version=9)
    story = given(pool_with(quota("api_calls", 10)), used("api_calls", 4), days(1), used("api_calls", 1), patient)
    story.when(late(2, days(1), days(1)))
    assert closed(story) == []


def test_nobody_gets_strictly_for_the_past_what_is_not_to_be_had_now() -> None:
    yesterday = late(2, days(1), days(1), "strict")
    of_member = used("api_calls", 2, occurred_at=NOON, workspace_id="acme-berlin")
    past = [pool_with(PATIENT), assign_workspace("acme-berlin"), used("api_calls", 4), days(1), used("api_calls", 1)]
    given(past, suspend_pool()).when(yesterday).lines((0, PoolIsSuspended, -1))
    given(past, cap_member(1)).when(of_member).lines((0, PeriodIsClosed, -1))
    denied = set_override(None, allowed=False, workspace_id="acme-berlin")
    given(past, denied).when(of_member).lines((0, NotEntitled, -1))


def test_a_period_in_which_nothing_was_used_is_judged_by_what_it_ended_with() -> None:
    less = revise_provision(quota("api_calls", 1, grace_for=3 * DAY_S), set_version=9)
    story = given(pool_with(PATIENT), days(1), less).when(late(2, days(1), days(1), "strict"))
    assert (story.refusal, closed(story)) == (None, [2])
    given(open_pool(), days(1), provision_pool("s", PATIENT)).when(late(2, days(1), days(1), "strict")).lines(
        (0, PeriodIsClosed, -1)
    )


def test_a_day_that_was_counted_by_another_calendar_is_not_counted_twice() -> None:
    """Lines of the evening belong to one day by UTC and to the next in Auckland; what is remembered is the day by UTC."""
    story = given(pool_with(PATIENT), used("api_calls", 4), change_calendar("Pacific/Auckland"), days(2))
    story.when(used("api_calls", 1), late(2, days(2) - hours(1), days(2)))
    assert sum(closed(story)) in (4, 6)
    periods = sorted((c.start_ms, c.end_ms) for c in story.pool.entitlements["api_calls"].closed.values())
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(periods))


@pytest.mark.parametrize(("grace_for", "counted"), [(40 * DAY_S, [6]), (0, [])])
def test_a_change_of_the_calendar_opens_nothing_that_is_closed(grace_for: int, counted: list[int]) -> None:
    """Counted from the 28th a month ended on the 28th of March, and nothing is used since; counted from the 31st it would go on."""
    monthly = quota("api_calls", 10, period="month", anchored=True, grace_for=grace_for)
    story = given(
        open_pool(anchor_at=datetime(2026, 1, 28, tzinfo=UTC)),
        provision_pool("subscription-1", monthly),
        used("api_calls", 4),
        days(27),
        change_calendar("UTC", anchor_at=datetime(2026, 1, 31, tzinfo=UTC)),
    )
    story.when(late(2, days(27), days(27)), used("api_calls", 7))
    assert (closed(story), story.consumed("api_calls")) == (counted, 7)
    of = story.pool.entitlements["api_calls"]
    assert (from_ms(of.period_start_ms).day, from_ms(of.period_end_ms).day) == (28, 31)


def test_what_was_reset_by_hand_stays_closed_when_the_calendar_changes() -> None:
    monthly = quota("api_calls", 10, period="month", grace_for=40 * DAY_S)
    past = [pool_with(monthly), used("api_calls", 4), days(1), reset_usage(), change_calendar("UTC", anchor_at=NOON)]
    story = given(past, hours(1), used("api_calls", 7)).when(late(2, days(1), days(1)), days(29), used("api_calls", 1))
    assert closed(story) == [6, 7]


@pytest.mark.parametrize(
    ("period", "grace_for", "fits"),
    [
        ("hour", 3_600 * GRACE_PERIODS_MAX, True), ("hour", 3_600 * GRACE_PERIODS_MAX + 1, False),
        ("day", 40 * DAY_S, True), ("day", 40 * DAY_S + 1, False), ("lifetime", 60, False),
    ],
)  # fmt: skip
def test_grace_is_bounded_in_time_and_in_periods(period: str, grace_for: int, *, fits: bool) -> None:
    rules = [quota("api_calls", 10, period=period, grace_for=grace_for)]
    if fits:
        check_rules(rules)
    else:
        with pytest.raises(InvalidRules):
            check_rules(rules)
