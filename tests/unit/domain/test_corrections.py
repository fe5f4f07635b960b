"""Corrections: what is taken back returns to whoever bore it, exactly, whatever has happened to the pool since."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from specification import Happens, days, given, hours, pool_with, used

from entitlements.domain.commands import Command
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import InvalidCommand, MoreThanWasUsed, PeriodIsClosed, UnknownUsage
from entitlements.domain.pools import ResourcePool
from entitlements.domain.values import Rule
from entitlements.examples import end_provision, open_pool, provision_pool, quota, resume_provision, suspend_provision
from entitlements.examples_of_terms import (
    change_plan,
    change_quantity,
    commit_reservation,
    configure_on_demand,
    correct_usage,
    reserve_usage,
    reset_usage,
    reverse_usage,
    revise_provision,
)

CREDITS = Rule(resource_key="credits", rule_type="credit", amount=50, stacking="sum")
#: 10 calls are included; each further one costs a credit.
CALLS = quota("api_calls", 10, credit_key="credits", credit_rate=1)
UNTIL_MIDNIGHT = hours(11)  # The stories begin at noon.


def erring(quantity: int = 14, mode: Any = "strict", usage_id: str = "oops") -> Command:
    return used("api_calls", quantity, mode, usage_id=usage_id)


def back(part: int = 0) -> Command:
    return reverse_usage("oops", part=part)


def of(pool: ResourcePool, key: str = "api_calls") -> Entitlement:
    return pool.entitlements[key]


def test_what_was_borne_by_a_contribution_and_by_credits_returns_to_both() -> None:
    story = given(pool_with(CALLS, CREDITS), erring()).when(back())
    story.then(
        Happens("UsageCorrected", {
            "adjustment": -14,
            "parts": [
                {"bearer": "credit", "provision_id": "subscription-1", "quantity": -4, "charge": -4, "lapsed": False},
                {"bearer": "included", "provision_id": "subscription-1", "quantity": -10, "charge": 0},
            ],
            "total": {"consumed": 0, "elsewhere": 0},
            "others": [{"resource_key": "credits", "consumed": 0}],
        }),
    )  # fmt: skip
    assert of(story.pool).included_left == 10
    assert of(story.pool, "credits").included_left == 50


def test_a_part_returns_to_whom_was_drawn_last() -> None:
    story = given(pool_with(CALLS, CREDITS), erring()).when(back(3))
    assert (of(story.pool).charged, of(story.pool).elsewhere, story.consumed("credits")) == (10, 1, 1)
    story.when(back(3))
    assert (of(story.pool).charged, of(story.pool).elsewhere, story.consumed("credits")) == (8, 0, 0)


def test_credits_return_although_the_provision_has_ended() -> None:
    story = given(pool_with(CALLS, CREDITS), erring(), end_provision(), hours(1)).when(back())
    assert story.consumed("credits") == story.consumed("api_calls") == 0
    # It has left: what was consumed is all that it still added, and that is nothing now.
    assert of(story.pool).buckets == of(story.pool, "credits").buckets == []


def test_credits_return_although_the_set_draws_on_none_any_more() -> None:
    without = revise_provision(quota("api_calls", 10), CREDITS, set_version=9)
    story = given(pool_with(CALLS, CREDITS), erring(), without).when(back())
    assert story.consumed("credits") == story.consumed("api_calls") == 0


def test_usage_at_an_old_rate_does_not_make_later_usage_cheaper() -> None:
    dearer = revise_provision(replace(CALLS, credit_rate=2), CREDITS, set_version=9)
    story = given(pool_with(CALLS, CREDITS), erring(), dearer, back()).when(erring(usage_id="again"))
    assert story.consumed("credits") == 8


def test_spending_at_an_old_price_does_not_make_later_usage_cheaper() -> None:
    story = given(
        pool_with(quota("api_calls", 10)),
        configure_on_demand(unit_price=5, price_per=1),
        erring(14),
        configure_on_demand(unit_price=7, price_per=1),
        back(),
    ).when(erring(14, usage_id="again"))
    assert story.pool.on_demand["api_calls"].spent == 28


def test_rounding_goes_on_as_if_nothing_had_happened() -> None:
    """A credit buys a thousand: what was rounded up for one call is there for the next."""
    tokens = quota("api_calls", 0, hard_limit=0, credit_key="credits", credit_rate=1, credit_per=1000)
    story = given(pool_with(tokens, CREDITS), erring(400, usage_id="first"), erring(700), back())
    assert story.consumed("credits") == 1
    story.when(erring(600, usage_id="second"))
    assert story.consumed("credits") == 1


def test_usage_gives_nothing_back_when_lines_that_cost_nothing_by_themselves_were_taken_back() -> None:
    """A credit or a cent buys ten: the first call costs one, nine more cost nothing, and the eleventh costs one again."""
    calls = [erring(1, usage_id=f"call-{number}") for number in range(1, 12)]
    free_ones = [reverse_usage(f"call-{number}") for number in range(2, 11)]
    rated = quota("api_calls", 0, period="month", credit_key="credits", credit_rate=1, credit_per=10)
    tomorrow = given(pool_with(rated, replace(CREDITS, period="day")), calls, free_ones, days(1)).when(erring(1))
    assert tomorrow.consumed("credits") == 0
    assert of(tomorrow.pool, "credits").included_left == 50
    # Two were paid for and buy twenty: three were used, and only what is beyond the rest costs again.
    tomorrow.when(erring(17, usage_id="rest"), erring(1, usage_id="beyond"))
    assert tomorrow.consumed("credits") == 1
    bought = given(pool_with(quota("api_calls", 0)), configure_on_demand(unit_price=1, price_per=10), calls, free_ones)
    assert bought.when(erring(1)).pool.on_demand["api_calls"].spent == 2


def test_credits_of_a_period_that_is_over_are_not_given_back() -> None:
    monthly = replace(CALLS, period="month")
    story = given(
        pool_with(monthly, replace(CREDITS, period="day")), UNTIL_MIDNIGHT, erring(), hours(2)
    ).when(back())  # fmt: skip
    assert (of(story.pool).consumed, of(story.pool).elsewhere, story.consumed("credits")) == (0, 0, 0)
    assert of(story.pool, "credits").included_left == 50


def test_usage_of_a_period_that_was_reset_by_hand_is_not_taken_from_the_next() -> None:
    story = given(pool_with(quota("api_calls", 10)), erring(4), reset_usage(), erring(1, usage_id="next"))
    story.when(back()).refused(PeriodIsClosed)
    assert story.consumed("api_calls") == 1


def test_within_the_grace_of_a_closed_period_credits_return_too() -> None:
    patient = replace(CALLS, grace_for=86_400)
    story = given(pool_with(patient, CREDITS), UNTIL_MIDNIGHT, erring(), hours(2)).when(back())
    (closed,) = of(story.pool).closed.values()
    assert (closed.consumed, closed.elsewhere, story.consumed("credits")) == (0, 0, 0)


def test_when_the_grace_is_over_the_total_stands() -> None:
    given(pool_with(CALLS, CREDITS), UNTIL_MIDNIGHT, erring(), hours(2)).when(back()).refused(
        PeriodIsClosed, Happens("QuotaReset", {"consumed": 14})
    )


def test_a_successor_that_took_the_consumption_over_gets_it_back() -> None:
    old = provision_pool("old", quota("api_calls", 10), ladder="plans", rung=1)
    plan = change_plan("new", quota("api_calls", 200), ladder="plans", rung=2, when="now")
    story = given([open_pool(), old], erring(8), plan).when(back())
    assert [(bucket.provision_id, bucket.consumed) for bucket in of(story.pool).buckets] == [("new", 0)]


def test_an_add_on_that_has_left_takes_what_is_returned_with_it() -> None:
    """100 of the plan and 50 of the add-on; 20 of the add-on are consumed, so it leaves 20 behind."""
    add_on = provision_pool("add-on", quota("api_calls", 50), source="purchase", priority=-1)
    story = given(pool_with(quota("api_calls", 100)), add_on, erring(20), end_provision("add-on"))
    assert of(story.pool).limit == 120
    story.when(back())
    assert (of(story.pool).limit, of(story.pool).consumed) == (100, 0)


def test_what_recurs_gives_back_only_what_it_gave_since_it_last_came_anew() -> None:
    daily = quota("api_calls", 10, period="month", recurs="day")
    story = given(pool_with(daily), UNTIL_MIDNIGHT, erring(4), hours(2), erring(3, usage_id="today"))
    assert of(story.pool).included_left == 7
    story.when(back())
    assert (of(story.pool).consumed, of(story.pool).included_left) == (3, 7)
    story.when(reverse_usage("today"))
    assert (of(story.pool).consumed, of(story.pool).included_left) == (0, 10)


def test_what_came_anew_while_it_was_suspended_takes_nothing_from_others_when_it_is_given_back() -> None:
    """Of three units two are given up when all is used: what is left of it is ten, however much returns of before."""
    daily = quota("api_calls", 10, period="month", recurs="day", per_unit=True)
    beside = provision_pool("beside", quota("api_calls", 100, period="month"), priority=1)
    past = [open_pool(), beside, provision_pool("daily", daily, quantity=3), erring(30)]
    less = [change_quantity(1, provision_id="daily"), suspend_provision("daily"), hours(20)]
    story = given(past, less).when(back(25))
    assert (of(story.pool).consumed, of(story.pool).included_left) == (5, 100)
    story.when(resume_provision("daily"))
    assert (of(story.pool).consumed, of(story.pool).included_left) == (5, 110)


def test_a_correction_goes_not_below_what_was_used_and_then_nothing_is_left_to_reverse() -> None:
    story = given(pool_with(quota("api_calls", 10)), erring(8), correct_usage(-8))
    story.when(back()).refused(MoreThanWasUsed)
    assert story.consumed("api_calls") == 0


def test_a_correction_down_never_touches_what_credits_bore() -> None:
    story = given(pool_with(CALLS, CREDITS), erring()).when(correct_usage(-12)).refused(MoreThanWasUsed)
    story.when(correct_usage(-10))
    assert (of(story.pool).charged, of(story.pool).elsewhere, story.consumed("credits")) == (0, 4, 4)


def test_a_correction_that_names_a_line_is_its_reversal() -> None:
    story = given(pool_with(CALLS, CREDITS), erring()).when(correct_usage(-4, corrects="oops"))
    assert (of(story.pool).charged, of(story.pool).elsewhere, story.consumed("credits")) == (10, 0, 0)
    story.when(back(11)).refused(MoreThanWasUsed)
    story.when(correct_usage(-1, corrects="oops", resource_key="credits")).refused(InvalidCommand)


def test_a_correction_up_is_borne_as_reported_usage_is() -> None:
    story = given(pool_with(CALLS, replace(CREDITS, soft_limit=4, period="month"))).when(correct_usage(14))
    story.then(
        Happens("UsageCorrected", {"adjustment": 14, "others": [{"resource_key": "credits", "consumed": 4}]}),
        Happens("QuotaWarned", {"resource_key": "credits"}),
    )
    story.when(back()).refused(UnknownUsage)


def test_a_correction_undoes_that_the_quota_was_exceeded() -> None:
    story = given(pool_with(quota("api_calls", 10)), erring(12, "report")).when(back(2))
    story.then(
        Happens("UsageCorrected", {"parts": [{"bearer": "overage", "quantity": -2}]}),
        Happens("ExceededWithdrawn", {"limit": 10, "consumed": 10}),
    )


def test_committed_usage_is_reversed_by_the_id_it_was_given() -> None:
    commit = commit_reservation(8, usage_id="oops")
    story = given(pool_with(quota("api_calls", 10)), reserve_usage(10), commit).when(commit).then_nothing()
    story.when(back())
    assert (of(story.pool).consumed, of(story.pool).reserved) == (0, 0)


def test_the_daily_part_of_a_monthly_quota_comes_anew_whatever_else_changes() -> None:
    daily = quota("api_calls", 10, period="month", recurs="day")
    other = provision_pool("other", quota("exports", 1), source="purchase")
    story = given(pool_with(daily), erring(10), other, timedelta(days=1)).when(erring(10, usage_id="tomorrow"))
    assert story.refusal is None
    assert story.consumed("api_calls") == 20


def test_a_pause_neither_lapses_nor_gives_what_recurs() -> None:
    daily = quota("api_calls", 10, period="month", recurs="day")
    paused = [suspend_provision(), hours(1), resume_provision()]
    story = given(pool_with(daily), erring(10), paused)
    assert of(story.pool).included_left == 0
    assert (
        of(given(pool_with(daily), erring(10), suspend_provision(), days(2), resume_provision()).pool).included_left
        == 10
    )


def test_an_upgrade_counts_only_today_against_what_comes_anew_daily() -> None:
    daily = quota("api_calls", 10, period="month", recurs="day")
    old = provision_pool("old", daily, ladder="plans", rung=1)
    plan = change_plan("new", replace(daily, amount=20), ladder="plans", rung=2, when="now")
    story = given([open_pool(), old], erring(10), days(1), erring(4, usage_id="today"), plan)
    assert of(story.pool).included_left == 16
