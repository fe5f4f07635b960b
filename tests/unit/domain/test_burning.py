"""Who bears usage: burn order, credits, on-demand, overage; recurrence, rollover, and what stays of a provision that leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given as generated
from hypothesis import strategies as st
from specification import Happens, Specification, days, given, hours, pool_with, used

from entitlements.domain.commands import Command
from entitlements.domain.errors import QuotaIsExceeded
from entitlements.domain.values import Rule
from entitlements.examples import (
    NOON,
    end_provision,
    issue_grant,
    open_pool,
    provision_pool,
    quota,
    resume_provision,
    revoke_grant,
    suspend_provision,
)
from entitlements.examples_of_terms import change_plan, change_quantity, configure_on_demand, set_override

MONTHLY = quota("api_calls", 100, period="month")
CREDITS = Rule(resource_key="credits", rule_type="credit", amount=50, stacking="sum")


def burnt(story: Specification, key: str = "api_calls") -> dict[str, int]:
    """What was consumed of each contribution, in burn order."""
    return {bucket.provision_id: bucket.consumed for bucket in story.pool.entitlements[key].buckets}


def purchase(name: str, amount: int, **more: Any) -> Any:
    return provision_pool(name, replace(MONTHLY, amount=amount), source="purchase", set_id=name, **more)


# --- Burn order -----------------------------------------------------------------------------------------------------------


def test_the_lowest_priority_burns_first_then_the_earliest_to_end_then_the_oldest() -> None:
    bought = [
        purchase("oldest", 10),
        purchase("younger", 10),
        purchase("ends-late", 10, ends_at=NOON + days(20)),
        purchase("ends-soon", 10, ends_at=NOON + days(10)),
        purchase("first", 10, priority=-1, ends_at=None),
    ]
    story = given(open_pool(), bought).when(used("api_calls", 35))
    assert burnt(story) == {"first": 10, "ends-soon": 10, "ends-late": 10, "oldest": 5, "younger": 0}


def test_a_grant_that_burns_last_is_kept_for_need() -> None:
    gift = issue_grant("gift", replace(MONTHLY, amount=40), priority=10)
    story = given(pool_with(MONTHLY), gift).when(used("api_calls", 110))
    assert burnt(story) == {"subscription-1": 100, "gift": 10}


def test_what_burns_first_is_what_ends_first_even_when_it_comes_later() -> None:
    story = given(
        open_pool(), purchase("open", 10), used("api_calls", 4), purchase("short", 10, ends_at=NOON + days(2))
    )
    story.when(used("api_calls", 8))
    assert burnt(story) == {"short": 8, "open": 4}


def test_what_is_unlimited_bears_all_that_comes_to_it() -> None:
    story = given(open_pool(), purchase("cup", 10, priority=-1))
    story.when(provision_pool("sea", replace(MONTHLY, amount=None), source="purchase"), used("api_calls", 10_000))
    assert burnt(story) == {"cup": 10, "sea": 9_990}


@generated(
    amounts=st.lists(st.integers(0, 30), min_size=1, max_size=5), lines=st.lists(st.integers(1, 20), max_size=12)
)
def test_every_unit_is_borne_once_and_the_order_never_changes_the_total(amounts: list[int], lines: list[int]) -> None:
    bought = [purchase(f"p-{at}", amount, priority=at) for at, amount in enumerate(amounts)]
    story = given(open_pool(), bought).when(*(used("api_calls", quantity) for quantity in lines))
    taken = 0
    for quantity in lines:
        taken += quantity if taken + quantity <= sum(amounts) else 0
    assert story.consumed("api_calls") == sum(burnt(story).values()) == taken
    buckets = story.pool.entitlements["api_calls"].buckets
    begun = [at for at, bucket in enumerate(buckets) if bucket.consumed]
    assert all(not bucket.left for bucket in buckets[: max(begun, default=0)]), (
        "a later one burns when those before are empty"
    )


# --- Leaving in mid-period ------------------------------------------------------------------------------------------------


def test_a_provision_that_leaves_takes_only_what_is_left_of_it() -> None:
    story = given(pool_with(MONTHLY), purchase("extra", 50, priority=-1), used("api_calls", 20), end_provision("extra"))
    entitlement = story.pool.entitlements["api_calls"]
    assert (entitlement.limit, entitlement.included_left) == (120, 100)


def test_voiding_a_grant_keeps_what_was_consumed_of_it() -> None:
    gift = issue_grant("gift", replace(MONTHLY, amount=40), priority=-1)
    story = given(pool_with(MONTHLY), gift, used("api_calls", 30), revoke_grant("gift"))
    assert burnt(story) == {"subscription-1": 0, "gift": 30}
    assert story.pool.entitlements["api_calls"].included_left == 100
    story.when(days(31), used("api_calls", 1))
    assert burnt(story) == {"subscription-1": 1}, "in the next period nothing is left of it"


def test_fewer_units_of_a_provision_leave_what_was_consumed() -> None:
    per_seat = replace(MONTHLY, per_unit=True)
    story = given(pool_with(per_seat, quantity=3), used("api_calls", 250)).when(change_quantity(2))
    assert (story.pool.entitlements["api_calls"].limit, story.consumed("api_calls")) == (200, 250)
    story.when(used("api_calls", 1)).lines((0, QuotaIsExceeded, 0))


# --- Coming anew ----------------------------------------------------------------------------------------------------------


def test_what_is_left_at_a_reset_is_carried_over_within_its_bounds() -> None:
    carrying = replace(MONTHLY, rollover_min=5, rollover_max=30)
    for consumed, limit in ((90, 110), (40, 130), (100, 105)):
        story = given(pool_with(carrying), used("api_calls", consumed)).when(days(31), used("api_calls", 1))
        assert story.pool.entitlements["api_calls"].limit == limit, consumed


def test_overage_begins_the_next_period_or_is_forgiven() -> None:
    for rule, consumed in ((MONTHLY, 0), (replace(MONTHLY, overage_at_reset="preserve"), 30)):
        story = given(pool_with(rule), used("api_calls", 130, "report")).when(days(31), used("api_calls", 1))
        assert story.consumed("api_calls") == consumed + 1


def test_a_daily_part_of_a_month_lapses_each_day() -> None:
    story = given(pool_with(replace(MONTHLY, amount=10, recurs="day")), used("api_calls", 4), days(1))
    story.when(used("api_calls", 10), used("api_calls", 1)).lines((0, QuotaIsExceeded, 0))
    assert story.consumed("api_calls") == 14


def test_no_more_is_carried_over_than_is_left_of_all() -> None:
    """10 were used of 5; then 30 are included, of which 20 are left."""
    carrying = replace(MONTHLY, amount=5, per_unit=True, rollover_max=30)
    story = given(pool_with(carrying), used("api_calls", 10, "report"), change_quantity(6)).when(days(31))
    story.when(used("api_calls", 1))
    assert story.pool.entitlements["api_calls"].limit == 50


def test_a_pause_and_a_renewal_lose_nothing_that_was_carried_over() -> None:
    carrying = replace(MONTHLY, rollover_max=8)
    past = [pool_with(carrying, ends_at=NOON + days(30.5)), days(30), suspend_provision(), resume_provision()]
    assert given(past).pool.entitlements["api_calls"].limit == 108
    renewed = provision_pool("renewed", carrying, starts_at=NOON + days(30.5))
    assert given(past, renewed, days(1)).pool.entitlements["api_calls"].limit == 108


def test_overage_of_one_slice_is_paid_by_the_next() -> None:
    yearly = quota("api_calls", 10, period="year", recurs="month")
    story = given(pool_with(yearly), used("api_calls", 18, "report"), days(31))
    story.when(used("api_calls", 3)).lines((0, QuotaIsExceeded, 2))
    assert story.consumed("api_calls") == 18


def test_what_is_lowered_takes_nothing_from_others_whether_it_stays_or_leaves() -> None:
    many = purchase("many", 10, quantity=10, priority=-1)
    past = [open_pool(), replace(many, rules=[replace(MONTHLY, amount=10, per_unit=True)]), purchase("few", 20)]
    lowered = [past, used("api_calls", 100), change_quantity(1, provision_id="many")]
    for story in (given(lowered), given(lowered, end_provision("many"))):
        story.when(used("api_calls", 21)).lines((0, QuotaIsExceeded, 20))


# --- Credits and on-demand ------------------------------------------------------------------------------------------------


def test_included_first_then_credits_then_a_payer_then_nobody() -> None:
    calls = quota("api_calls", 10, credit_key="credits", credit_rate=2)
    paid = configure_on_demand(unit_price=3, price_per=1, spending_cap=15, payer="acme", alert_at=[])
    story = given(pool_with(calls, replace(CREDITS, amount=8)), paid).when(used("api_calls", 25, "report"))
    (recorded, *_) = story.happened
    parts = [(p["bearer"], p["quantity"], p["charge"]) for p in recorded.lines[0]["details"]["parts"]]  # type: ignore[attr-defined]
    assert parts == [("included", 10, 0), ("credit", 4, 8), ("on_demand", 5, 15), ("overage", 6, 0)]
    story.when(used("api_calls", 1)).lines((0, QuotaIsExceeded, 0))


def test_credit_grants_burn_by_priority_and_expire() -> None:
    calls = quota("api_calls", 0, hard_limit=0, credit_key="credits", credit_rate=1)
    gift = issue_grant("gift", replace(CREDITS, amount=20), priority=-1, ends_at=NOON + hours(2))
    story = given(pool_with(calls, CREDITS), gift).when(used("api_calls", 15))
    assert burnt(story, "credits") == {"gift": 15, "subscription-1": 0}
    story.when(hours(3))
    story.when(used("api_calls", 50), used("api_calls", 1)).lines((0, QuotaIsExceeded, 0))
    assert burnt(story, "credits") == {"subscription-1": 50, "gift": 15}, "what it had left has expired with it"


def test_a_renewal_of_credits_that_never_reset_brings_new_ones() -> None:
    """A billing system that sells 50 credits a month sends a provision a month; what was used of the last stays with it."""
    calls = quota("api_calls", 0, hard_limit=0, credit_key="credits", credit_rate=1)
    month = provision_pool("march", calls, CREDITS, ends_at=NOON + days(30))
    renewed = provision_pool("april", calls, CREDITS, starts_at=NOON + days(30))
    story = given(open_pool(), month, used("api_calls", 45), renewed, days(31)).when(used("api_calls", 50))
    assert story.refusal is None
    assert burnt(story, "credits") == {"april": 50, "march": 45}
    story.when(used("api_calls", 1)).lines((0, QuotaIsExceeded, 0))


def test_an_upgrade_takes_over_what_was_used_of_credits() -> None:
    calls = quota("api_calls", 0, hard_limit=0, credit_key="credits", credit_rate=1)
    old = provision_pool("old", calls, CREDITS, ladder="plans", rung=1)
    up = change_plan("up", calls, replace(CREDITS, amount=80), ladder="plans", rung=2, when="now")
    story = given(open_pool(), old, used("api_calls", 45)).when(up)
    assert story.pool.entitlements["credits"].included_left == 35


@generated(quantities=st.lists(st.integers(1, 3_000), min_size=1, max_size=12))
def test_rounding_is_over_the_sum_and_never_costs_more_than_one_unit(quantities: list[int]) -> None:
    tokens = quota("tokens", 0, hard_limit=0, credit_key="credits", credit_rate=3, credit_per=1_000)
    story = given(pool_with(tokens, replace(CREDITS, amount=10**6))).when(*(used("tokens", n) for n in quantities))
    assert story.consumed("credits") == -(-sum(quantities) * 3 // 1_000)


def test_spending_stops_at_its_cap_and_is_told_on_the_way() -> None:
    paid = configure_on_demand(unit_price=1, price_per=1, spending_cap=10, alert_at=[50, 100])
    story = given(pool_with(quota("api_calls", 1)), paid).when(
        used("api_calls", 6), used("api_calls", 5), used("api_calls", 5)
    )
    alerts = [event.percent for event in story.happened if type(event).__name__ == "SpendingAlerted"]  # type: ignore[attr-defined]
    assert (alerts, story.pool.on_demand["api_calls"].spent) == ([50, 100], 10)
    story.when(used("api_calls", 1)).lines((0, QuotaIsExceeded, 0))


def test_shares_of_another_spending_cap_are_told_as_they_are_reached() -> None:
    def capped_at(spending_cap: int) -> Command:
        return configure_on_demand(unit_price=1, spending_cap=spending_cap, alert_at=[50, 100])

    story = given(pool_with(quota("api_calls", 0)), capped_at(10), used("api_calls", 10))
    story.when(capped_at(20)).then(Happens("OnDemandConfigured", {}))
    story.when(used("api_calls", 9)).then(Happens("UsageRecorded", {}))
    story.when(used("api_calls", 1)).then(
        Happens("UsageRecorded", {}), Happens("SpendingAlerted", {"percent": 100, "spent": 20, "spending_cap": 20})
    )
    # Below what is spent nothing more is bought that would tell it.
    story = given(pool_with(quota("api_calls", 0)), capped_at(20), used("api_calls", 10))
    story.when(capped_at(8)).then(
        Happens("OnDemandConfigured", {}), Happens("SpendingAlerted", {"percent": 100, "spent": 10, "spending_cap": 8})
    )


def test_an_override_outranks_what_provisions_add_up_to_until_it_expires() -> None:
    story = given(pool_with(quota("api_calls", 100)), used("api_calls", 90))
    story.when(set_override(95, expires_at=NOON + hours(4)), used("api_calls", 6)).lines((0, QuotaIsExceeded, 5))
    story.when(hours(5), used("api_calls", 6)).happened_so(
        Happens("OverrideExpired", {}),
        Happens("EntitlementsChanged", {}),
        Happens("UsageRecorded", {}),
    )


def test_debts_of_short_periods_end_with_those_of_their_day() -> None:
    owing = quota("api_calls", 0, period="PT1M", overage_at_reset="preserve")
    each = [(timedelta(minutes=1), used("api_calls", 1, "report")) for _ in range(180)]
    held = given(pool_with(owing), each).pool.entitlements["api_calls"]
    assert (held.owed, len(held.debts)) == (180, 2)  # Of the day, and of the minute under way.
