"""Where rounding, caps, limits and backfills meet other rules: found by attack, said with small numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from specification import Specification, days, given, hours, pool_with, used

from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import InvalidCommand, InvalidRules, MemberCapIsReached, QuotaIsExceeded
from entitlements.domain.values import Rule
from entitlements.examples import (
    NOON,
    WORKSPACE,
    advance_clock,
    assign_workspace,
    limit,
    open_pool,
    provision_pool,
    quota,
    release_usage,
    resume_pool,
    suspend_pool,
)
from entitlements.examples_of_terms import (
    allocate_limit,
    cap_member,
    clear_override,
    commit_reservation,
    configure_on_demand,
    correct_usage,
    reserve_usage,
    reverse_usage,
    revise_provision,
    set_override,
)

OTHER = "acme-munich"
#: Nothing included; a credit, or a cent, buys ten.
BY_TENS = quota("api_calls", 0, credit_key="credits", credit_rate=1, credit_per=10)


def credits_of(amount: int) -> Rule:
    return Rule(resource_key="credits", rule_type="credit", amount=amount, stacking="sum")


def of(story: Specification, key: str = "api_calls") -> Entitlement:
    return story.pool.entitlements[key]


def held(quantity: int, **more: Any) -> Any:
    return reserve_usage(quantity, reservation_id="job", expires_at=NOON + days(2), **more)


def committed(quantity: int, **more: Any) -> Any:
    return commit_reservation(quantity, reservation_id="job", **more)


def by_tens(**more: Any) -> Any:
    return configure_on_demand(unit_price=1, price_per=10, **{"spending_cap": 100, "alert_at": []} | more)


def test_a_reservation_that_is_drawn_down_holds_the_quantity_that_a_payer_buys() -> None:
    story = given(pool_with(quota("api_calls", 0)), by_tens(), held(10), committed(1, keep_rest=True), committed(9))
    assert (of(story).owed, of(story).elsewhere, story.pool.on_demand["api_calls"].spent) == (0, 10, 1)


def test_the_rest_of_a_reservation_keeps_what_rounding_left_from_others() -> None:
    story = given(pool_with(BY_TENS, credits_of(1)), held(10), committed(1, keep_rest=True))
    story.when(used(quantity=9)).lines((0, QuotaIsExceeded, 0))
    story.when(committed(9))
    assert (of(story).owed, of(story, "credits").consumed) == (0, 1)


def test_one_credit_is_drawn_once_though_a_commit_draws_at_two_rates() -> None:
    dearer = replace(BY_TENS, credit_rate=2)
    story = given(pool_with(BY_TENS), provision_pool("c", credits_of(2), source="purchase"), held(10))
    story.when(committed(1, keep_rest=True), revise_provision(dearer, set_version=2), committed(14, mode="report"))
    assert of(story, "credits").consumed == 2


def test_credits_that_are_reserved_stay_under_an_override() -> None:
    by_one = quota("api_calls", 0, credit_key="credits", credit_rate=1)
    story = given(pool_with(by_one, credits_of(10)), set_override(50, resource_key="credits"), held(10))
    story.when(used(quantity=10), clear_override(), committed(10))
    assert of(story).owed == 0


def test_a_reservation_is_refused_with_what_could_be_reserved() -> None:
    """Rounded by itself it needs a credit of its own; usage goes on with what rounding left."""
    story = given(pool_with(BY_TENS, credits_of(1)), used(quantity=1))
    story.when(held(5)).refused(QuotaIsExceeded)
    assert story.refusal is not None
    assert getattr(story.refusal, "remaining", None) in (0, None)
    story.when(used(quantity=5)).lines(accepted=1)


@pytest.mark.parametrize(
    "pause", [(suspend_pool(), resume_pool()), (set_override(None, allowed=False), clear_override())]
)
def test_rounding_goes_on_after_a_pause(pause: tuple[Any, Any]) -> None:
    story = given(pool_with(BY_TENS, credits_of(10)), used(quantity=1), *pause, used(quantity=1))
    assert of(story, "credits").consumed == 1


def test_rounding_goes_on_at_the_same_price() -> None:
    story = given(
        pool_with(quota("api_calls", 0)), by_tens(spending_cap=50), used(quantity=1), by_tens(), used(quantity=1)
    )
    assert story.pool.on_demand["api_calls"].spent == 1


def test_a_key_that_is_a_limit_now_is_bought_by_nobody() -> None:
    story = given(pool_with(quota("api_calls", 5)), by_tens(), revise_provision(limit("api_calls", 3), set_version=2))
    story.when(used(quantity=10)).lines((0, QuotaIsExceeded, 3))


def test_late_usage_of_a_quota_takes_no_seats_of_the_limit_that_it_became() -> None:
    patient = quota("api_calls", 5, period="day", grace_for=86_400, overage_at_reset="preserve")
    story = given(pool_with(patient), used(quantity=5), days(0.6), advance_clock())
    story.when(revise_provision(limit("api_calls", 3), set_version=2))
    story.when(used(quantity=2, mode="report", occurred_at=NOON), allocate_limit(3, resource_key="api_calls"))
    assert story.refusal is None
    assert of(story).consumed == 3


def test_an_allocation_warns_as_usage_does() -> None:
    story = given(pool_with(limit("seats", 5, soft_limit=2)))
    story.when(allocate_limit(3))
    assert [type(event).__name__ for event in story.happened] == ["HoldingChanged", "QuotaWarned"]


def test_more_seats_are_left_up_to_the_hard_limit() -> None:
    story = given(pool_with(limit("seats", 5, hard_limit=8)))
    story.when(allocate_limit(9)).refused(QuotaIsExceeded)
    assert str(story.refusal).startswith("8 are left") or "8" in str(story.refusal)


# --- Caps ----------------------------------------------------------------------------------------------------------------

SEATS = [
    *pool_with(limit("seats", 5)),
    assign_workspace(),
    assign_workspace(OTHER),
    cap_member(2, resource_key="seats"),
]


def test_a_named_holder_counts_for_the_workspace_that_it_is_held_for() -> None:
    story = given(SEATS, allocate_limit(1, holder_id="ann", workspace_id=WORKSPACE))
    story.when(
        allocate_limit(1, holder_id="bob", workspace_id=WORKSPACE),
        allocate_limit(1, holder_id="cy", workspace_id=OTHER),
    )
    story.when(release_usage(holder_id="cy", workspace_id=WORKSPACE)).refused(InvalidCommand)
    story.when(allocate_limit(1, holder_id="dan", workspace_id=WORKSPACE)).refused(MemberCapIsReached)
    story.when(release_usage(holder_id="ann"), allocate_limit(1, holder_id="dan", workspace_id=WORKSPACE))
    assert story.refusal is None


def test_a_subject_gives_back_under_its_own_cap() -> None:
    member = {"workspace_id": WORKSPACE, "subject_id": "ann"}
    story = given(SEATS[:4], cap_member(2, resource_key="seats", subject_id="ann"), used("seats", 2, **member))
    story.when(used("seats", 1, **member)).lines((0, MemberCapIsReached, 0))
    story.when(release_usage(quantity=2, **member), used("seats", 1, **member)).lines(accepted=1)


def test_a_cap_with_a_longer_period_than_its_key_gets_back_what_is_reversed() -> None:
    story = given(pool_with(quota("api_calls", 100, period="day", grace_for=86_400)), assign_workspace())
    story.when(cap_member(10, period="month"), used(quantity=10, usage_id="u-1", workspace_id=WORKSPACE), hours(13))
    story.when(reverse_usage("u-1"), used(quantity=10, workspace_id=WORKSPACE)).lines(accepted=1)


def test_what_is_left_of_a_member_is_what_all_its_caps_and_the_pool_leave() -> None:
    story = given(pool_with(quota("api_calls", 3)), assign_workspace(), cap_member(10), cap_member(2, subject_id="ann"))
    story.when(used(quantity=11, workspace_id=WORKSPACE)).lines((0, MemberCapIsReached, 3))
    story.when(used(quantity=11, workspace_id=WORKSPACE, subject_id="ann")).lines((0, MemberCapIsReached, 2))


def test_late_strict_usage_asks_for_the_cap_that_holds() -> None:
    """An override of the workspace outranks its cap in a closed period too."""
    story = given(pool_with(quota("api_calls", 100, period="day", grace_for=86_400)), assign_workspace(), cap_member(5))
    story.when(set_override(None, workspace_id=WORKSPACE), used(quantity=10, workspace_id=WORKSPACE), days(0.6))
    story.when(used(quantity=1, workspace_id=WORKSPACE, occurred_at=NOON)).lines(accepted=1)


# --- Time ----------------------------------------------------------------------------------------------------------------


def test_in_a_backfill_a_repeat_counts_once_however_much_history_lies_between() -> None:
    began = datetime(2025, 3, 1, tzinfo=UTC)

    def at(command: Any, after: timedelta = timedelta()) -> Any:
        return replace(command, effective_at=began + after)

    first = at(used(quantity=5, mode="report", usage_id="u-1", occurred_at=began))
    corrected = at(correct_usage(5, idempotency_key="k"))
    story = given(open_pool(backfill_from=began), at(provision_pool("s", quota("api_calls", 100, period="month"))))
    story.when(first, corrected, at(used(quantity=1, mode="report"), days(5)))
    story.when(first).lines(accepted=1, repeated=1)
    story.when(corrected).then_repeated()
    assert of(story).consumed == 11
    story.when(advance_clock(), replace(first, effective_at=None)).lines(accepted=1, repeated=1)


def test_a_lifetime_quota_recurs_at_midnight_of_the_pool() -> None:
    daily = quota("api_calls", 5, period="lifetime", recurs="day")
    story = given(open_pool(time_zone="Europe/Berlin"), provision_pool("s", daily), used(quantity=5))
    story.when(hours(11.01), used(quantity=5)).lines(accepted=1)  # 23:00 UTC is midnight in Berlin.


def test_what_is_carried_over_has_the_bounds_of_every_amount() -> None:
    much = quota("api_calls", 0, period="day", per_unit=True, rollover_min=2**53, rollover_max=2**53)
    given(open_pool()).when(provision_pool("s", much, quantity=2)).refused(InvalidRules)
