"""Where two rules meet: each of these was found by a generated history (tests/model), and is said here with small numbers."""

from __future__ import annotations

from typing import Any

from specification import days, given, hours, pool_with, used

from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import MoreThanWasUsed, QuotaIsExceeded
from entitlements.domain.pools import ResourcePool
from entitlements.domain.values import Rule
from entitlements.examples import (
    NOON,
    end_provision,
    open_pool,
    provision_pool,
    quota,
    resume_pool,
    resume_provision,
    suspend_pool,
    suspend_provision,
)
from entitlements.examples_of_terms import (
    change_defaults,
    change_plan,
    commit_reservation,
    configure_on_demand,
    correct_usage,
    forgive_overage,
    reserve_usage,
    reset_usage,
    reverse_usage,
    revise_provision,
    set_override,
)

CREDITS = Rule(resource_key="credits", rule_type="credit", amount=10, stacking="sum")


def of(pool: ResourcePool, key: str = "api_calls") -> Entitlement:
    return pool.entitlements[key]


def consumed(pool: ResourcePool, key: str = "api_calls") -> dict[str, int]:
    return {bucket.provision_id: bucket.consumed for bucket in of(pool, key).buckets}


def pack(provision_id: str, amount: int, **more: Any) -> Any:
    return provision_pool(provision_id, quota("api_calls", amount), source="purchase", source_id=provision_id, **more)


def test_what_a_default_bore_returns_to_it_and_not_to_an_override() -> None:
    """Both have no provision."""
    story = given(open_pool(), change_defaults(quota("api_calls", 10)), set_override(40))
    story.when(used(quantity=5, usage_id="first"), used(quantity=12), reverse_usage("first"))
    assert (consumed(story.pool), of(story.pool).admitted) == ({"": 5}, 7)


def test_what_a_paused_one_bore_returns_in_its_place_in_the_burn_order() -> None:
    """Overage that two have paid comes back to the last in burn order, though the first is paused."""
    story = given(pool_with(quota("api_calls", 5)), pack("pack", 20), set_override(0))
    story.when(used(quantity=6, mode="report"), suspend_provision("subscription-1"))
    story.when(used(quantity=8, mode="report", usage_id="oops"), reverse_usage("oops"))
    assert consumed(story.pool) == {"pack": 1, "subscription-1": 5}


def test_of_a_charge_that_two_contributions_bear_the_share_returns() -> None:
    """12 calls at 2 credits each, of which one balance bears 5 and the other 19: 2 calls are 4 credits, not 3."""
    calls = quota("api_calls", 0, credit_key="credits", credit_rate=2)
    story = given(pool_with(calls), provision_pool("c-1", CREDITS, source="purchase"))
    story.when(
        provision_pool(
            "c-2", Rule(resource_key="credits", rule_type="credit", amount=20, stacking="sum"), source="purchase"
        )
    )
    story.when(used("credits", 5), used(quantity=12, mode="report", usage_id="oops"), reverse_usage("oops", part=2))
    assert of(story.pool, "credits").consumed == 5 + 24 - 4


def test_what_a_commit_takes_beyond_its_reservation_is_drawn_once() -> None:
    """10 were held and included; of 14 the 4 above are credits now, and are not bought on demand as well."""
    story = given(
        pool_with(quota("api_calls", 10)), reserve_usage(10, reservation_id="job", expires_at=NOON + hours(5))
    )
    story.when(configure_on_demand(unit_price=1, spending_cap=100))
    story.when(revise_provision(quota("api_calls", 4, credit_key="credits", credit_rate=1), CREDITS, set_version=2))
    story.when(commit_reservation(14, reservation_id="job", mode="report"))
    held = of(story.pool)
    assert (held.consumed, held.elsewhere, held.owed, of(story.pool, "credits").consumed) == (14, 4, 6, 4)
    assert story.pool.on_demand["api_calls"].spent == 0


def test_what_is_kept_of_a_commit_holds_the_spending_that_it_needs() -> None:
    story = given(pool_with(quota("api_calls", 2, period="day")), configure_on_demand(unit_price=2, spending_cap=100))
    story.when(used(quantity=2), reserve_usage(5, reservation_id="job", expires_at=NOON + days(2)), days(1))
    story.when(commit_reservation(2, reservation_id="job", keep_rest=True))  # Included again.
    assert story.pool.on_demand["api_calls"].reserved == 3 * 2


def test_a_key_that_gets_another_period_carries_nothing_over() -> None:
    """Nobody has what would have been carried over: late usage of the old period has it, as all that was left."""
    patient = quota("api_calls", 10, period="day", grace_for=86_400, rollover_max=4)
    monthly = change_plan("subscription-2", quota("api_calls", 10, period="month"))
    story = given(pool_with(patient, ladder="plans", rung=1), hours(1), monthly)
    story.when(hours(1), used(quantity=10, occurred_at=NOON)).lines(accepted=1)
    assert consumed(story.pool) == {"subscription-2": 0}


def test_what_was_forgiven_by_hand_leaves_late_usage_the_whole_hard_limit() -> None:
    patient = quota("api_calls", 5, period="day", hard_limit=10, grace_for=86_400)
    story = given(pool_with(patient), used(quantity=30, mode="report"), forgive_overage(), days(1))
    late = NOON
    story.when(used(quantity=6, occurred_at=late)).lines((0, QuotaIsExceeded, 5))
    story.when(used(quantity=5, occurred_at=late)).lines(accepted=1)


def test_what_waits_owed_is_forgiven_with_the_next_period_though_who_says_so_adds_nothing() -> None:
    """A provision that starts in a paused pool changes no value; its word holds at the next reset all the same."""
    forgiving = quota("api_calls", 5, period="day")
    story = given(
        pool_with(forgiving), used(quantity=8, mode="report"), end_provision("subscription-1"), suspend_pool()
    )
    story.when(reset_usage(overage_at_reset="preserve", keep_anchor=True), provision_pool("next", forgiving), days(2))
    assert of(story.pool).owed == 3
    story.when(resume_pool())
    assert of(story.pool).owed == 0


def test_a_line_whose_period_was_corrected_to_nothing_is_more_than_was_used() -> None:
    patient = quota("api_calls", 5, period="day", grace_for=86_400)
    story = given(pool_with(patient), used(quantity=3, usage_id="oops"), correct_usage(-3), hours(13))
    story.when(reverse_usage("oops")).refused(MoreThanWasUsed)


def test_who_was_there_beside_is_no_successor_though_both_changed_at_one_instant() -> None:
    """Two subscriptions of one set: the other goes on by itself."""
    story = given(
        pool_with(quota("api_calls", 20)), provision_pool("second", quota("api_calls", 20)), used(quantity=20)
    )
    story.when(end_provision("subscription-1"), suspend_provision("second"), hours(1), resume_provision("second"))
    assert (consumed(story.pool), of(story.pool).included_left) == ({"second": 0, "subscription-1": 20}, 20)
