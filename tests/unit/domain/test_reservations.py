"""Reservations: what is held is there when it is committed, whatever others do meanwhile; and it is held only once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given as generated
from hypothesis import strategies as st
from specification import Happens, Specification, given, hours, pool_with, used

from entitlements.domain.errors import (
    IdempotencyKeyReused,
    InvalidQuantity,
    NotEntitled,
    PoolIsSuspended,
    QuotaIsExceeded,
    UnknownReservation,
)
from entitlements.domain.values import QUANTITY_MAX, Rule
from entitlements.examples import (
    NOON,
    close_pool,
    end_provision,
    line,
    quota,
    record_usage,
    resume_pool,
    suspend_pool,
)
from entitlements.examples_of_terms import (
    commit_reservation,
    configure_on_demand,
    extend_reservation,
    release_reservation,
    reserve_usage,
)

CREDITS = Rule(resource_key="credits", rule_type="credit", amount=5, stacking="sum")
#: 5 calls are included, each further one costs a credit.
CALLS = quota("api_calls", 5, credit_key="credits", credit_rate=1)


def held(quantity: int, name: str = "job", **more: Any) -> Any:
    return reserve_usage(quantity, reservation_id=name, expires_at=NOON + hours(5), **more)


def committed(quantity: int, name: str = "job", **more: Any) -> Any:
    return commit_reservation(quantity, reservation_id=name, **more)


def overage(story: Specification) -> int:
    lines = [line for event in story.history for line in getattr(event, "lines", ()) if "overage" in line]
    return sum(line["overage"] for line in lines)


def test_a_part_takes_what_is_included_and_the_credits_stay_with_the_rest() -> None:
    story = given(pool_with(CALLS, CREDITS), held(10)).when(committed(5, keep_rest=True))
    entitlement, credit = story.pool.entitlements["api_calls"], story.pool.entitlements["credits"]
    assert (entitlement.charged, entitlement.elsewhere, credit.consumed, credit.reserved) == (5, 0, 0, 5)
    story.when(used("api_calls", 1)).lines((0, QuotaIsExceeded, 0))
    story.when(committed(5))
    assert (overage(story), entitlement.elsewhere, credit.consumed, credit.reserved) == (0, 5, 5, 0)


@generated(parts=st.lists(st.integers(1, 7), min_size=1, max_size=10), rate=st.integers(1, 5), per=st.integers(1, 5))
def test_a_lease_that_is_drawn_down_bit_by_bit_never_lacks_what_it_holds(parts: list[int], rate: int, per: int) -> None:
    calls = quota("api_calls", 3, hard_limit=3, credit_key="credits", credit_rate=rate, credit_per=per)
    story = given(pool_with(calls, replace(CREDITS, amount=10**6)), used("api_calls", 1), held(sum(parts), lease=True))
    held_units = story.pool.entitlements["credits"].reserved
    for part in parts:
        story.when(committed(part, keep_rest=True))
    assert overage(story) == 0
    credit = story.pool.entitlements["credits"]
    assert (credit.reserved, credit.consumed <= held_units) == (0, True)


def test_a_lease_ends_with_what_confers_it_and_another_reservation_is_kept() -> None:
    lease = given(pool_with(quota("api_calls", 10)), held(5, lease=True))
    longer = extend_reservation(reservation_id="job", expires_at=NOON + hours(6))
    lease.when(suspend_pool()).when(longer).refused(PoolIsSuspended)
    lease.when(resume_pool(), end_provision("subscription-1")).when(longer).refused(NotEntitled)
    assert lease.when(committed(5)).refusal is None, "what is held may always be used"
    job = given(pool_with(quota("api_calls", 10)), held(5), suspend_pool())
    job.when(longer).happened_so(Happens("ReservationExtended", {}))


def test_what_rounding_leaves_over_is_not_promised_twice() -> None:
    """A cent buys a thousand and a cent is there: whoever reserves next to nothing holds a cent."""
    paid = configure_on_demand(unit_price=1, price_per=1_000, spending_cap=2, alert_at=[])
    story = given(pool_with(quota("api_calls", 0, hard_limit=0)), paid, used("api_calls", 1), held(999, "a"))
    story.when(held(999, "b")).refused(QuotaIsExceeded)
    story.when(committed(999, "a"))
    assert (overage(story), story.pool.on_demand["api_calls"].spent) == (0, 1)


def test_what_is_paid_for_does_not_count_against_the_hard_limit_while_it_is_held() -> None:
    calls = quota("api_calls", 20, hard_limit=30, credit_key="credits", credit_rate=1)
    story = given(pool_with(calls, replace(CREDITS, amount=10)), held(30)).when(used("api_calls", 5))
    story.happened_so(Happens("UsageRecorded", {"lines": [{"overage": 5}]}), Happens("QuotaExceeded", {}))


def test_overage_that_others_report_is_theirs() -> None:
    story = given(pool_with(quota("api_calls", 10)), held(6), used("api_calls", 8, "report")).when(committed(6))
    assert (overage(story), story.pool.entitlements["api_calls"].buckets[0].consumed) == (4, 10)


def test_a_usage_id_is_of_one_commit_only() -> None:
    story = given(pool_with(quota("api_calls", 50)), held(5, "a"), held(5, "b"), committed(5, "a", usage_id="u"))
    story.when(committed(5, "a", usage_id="u")).then_nothing()
    story.when(committed(5, "b", usage_id="u")).refused(IdempotencyKeyReused)
    used_before = record_usage(line("api_calls", 5, usage_id="v"))
    story.when(used_before).when(committed(5, "b", usage_id="v")).refused(IdempotencyKeyReused)
    assert story.pool.entitlements["api_calls"].reserved == 5


def test_a_closed_pool_holds_nothing() -> None:
    story = given(pool_with(CALLS, CREDITS), held(10)).when(close_pool())
    assert (story.pool.reservations, story.pool.entitlements["credits"].reserved) == ({}, 0)


def test_it_is_let_go_by_itself() -> None:
    story = given(pool_with(CALLS, CREDITS), held(10)).when(hours(6), used("api_calls", 10))
    assert overage(story) == 0
    story.when(release_reservation(reservation_id="job")).refused(UnknownReservation)


def test_nothing_is_counted_that_cannot_be_written_down() -> None:
    """The dearest price times the largest quantity is above what the ledger holds; so is much of what is unlimited."""
    dear = configure_on_demand(unit_price=10**9, price_per=1, spending_cap=None, alert_at=[])
    story = given(pool_with(quota("api_calls", 0)), dear).when(used("api_calls", 2**40, "report"))
    (part,) = [p for p in story.happened[0].lines[0]["details"]["parts"] if p["bearer"] == "on_demand"]  # type: ignore[attr-defined]
    assert part["charge"] <= QUANTITY_MAX
    endless = given(
        pool_with(quota("api_calls", None)), [(held(QUANTITY_MAX, "x"), committed(QUANTITY_MAX, "x"))] * 511
    )
    endless.when(held(QUANTITY_MAX, "x")).refused(InvalidQuantity)
