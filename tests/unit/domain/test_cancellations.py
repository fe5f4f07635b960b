"""The end of a provision: now, at the end of its billing period, or at an instant; and a cancellation that is undone."""

from datetime import UTC, datetime

import pytest
from specification import days, entitlements_changed, given, happens, has, hours, lost, pool_with, used

from entitlements.domain.commands import Command, EndProvision
from entitlements.domain.errors import (
    InvalidCommand,
    LadderIsOccupied,
    NoBillingPeriod,
    ProvisionIsOver,
    UnknownProvision,
)
from entitlements.examples import (
    NOON,
    advance_clock,
    end_provision,
    feature,
    issue_grant,
    open_pool,
    provision_pool,
    quota,
    suspend_provision,
    uncancel_provision,
)
from entitlements.examples_of_terms import change_plan

MONTHLY = provision_pool("sub", feature("sso"), billing_period="month", ladder="plans", rung=1)
#: A provision without an anchor is billed from its start.
MONTH_END = datetime(2026, 4, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        {"when": "now", "ends_at": NOON + days(1)},
        {"when": "period_end", "ends_at": NOON + days(1)},
        {"when": "at", "ends_at": None},
    ],
)
def test_an_instant_goes_with_at_and_with_nothing_else(wrong: dict[str, object]) -> None:
    """An explicit `ends_at: null` was a way to say now."""
    given(open_pool(), MONTHLY).when(end_provision("sub", **wrong)).refused(InvalidCommand)


def test_when_a_provision_ends_is_never_assumed() -> None:
    with pytest.raises(TypeError, match="when"):
        EndProvision(command_id="c", pool_id="p", provision_id="sub")  # type: ignore[call-arg]


def test_a_cancellation_at_the_period_end_keeps_what_is_paid_for() -> None:
    story = given(open_pool(), MONTHLY).when(hours(1), end_provision("sub", when="period_end"))
    story.then(happens("ProvisionEndScheduled", ends_at=MONTH_END, planned_ends_at=None))
    story.when(hours(1), end_provision("sub", when="period_end")).then_nothing()
    story.when(days(31), advance_clock()).then(
        happens("ProvisionEnded", timestamp=MONTH_END, reason="expired"), entitlements_changed(lost("sso"))
    )
    story.when(end_provision("sub", when="period_end")).refused(ProvisionIsOver)


def test_billing_periods_are_counted_from_the_pools_anchor() -> None:
    anchored = open_pool(anchor_at=datetime(2026, 1, 15, tzinfo=UTC))
    given(anchored, MONTHLY).when(end_provision("sub", when="period_end")).then(
        happens("ProvisionEndScheduled", ends_at=datetime(2026, 3, 15, tzinfo=UTC))
    )


def test_before_its_start_the_period_end_is_that_of_the_first_period() -> None:
    later = provision_pool("sub", feature("sso"), billing_period="month", starts_at=NOON + days(40))
    given(open_pool(), later).when(end_provision("sub", when="period_end")).then(
        happens("ProvisionEndScheduled", ends_at=datetime(2026, 5, 11, 12, tzinfo=UTC))
    )


def test_an_end_of_its_own_within_the_period_is_the_period_end() -> None:
    short = provision_pool("sub", feature("sso"), billing_period="month", ends_at=NOON + days(3))
    given(open_pool(), short).when(end_provision("sub", when="period_end")).then_nothing()
    unbilled = provision_pool("sub", feature("sso"), ends_at=NOON + days(3))
    given(open_pool(), unbilled).when(end_provision("sub", when="period_end")).then_nothing()


def test_without_a_billing_period_there_is_no_period_end() -> None:
    end = end_provision("sub", when="period_end")
    given(open_pool(), provision_pool("sub", feature("sso"))).when(end).refused(NoBillingPeriod)
    for_ever = provision_pool("sub", feature("sso"), billing_period="lifetime", ladder="plans", rung=1)
    given(open_pool(), for_ever).when(end).refused(NoBillingPeriod)
    given(open_pool(), for_ever).when(change_plan(when="period_end")).refused(NoBillingPeriod)


@pytest.mark.parametrize(
    "cancellation", [end_provision("sub", when="period_end"), end_provision("sub", ends_at=NOON + days(9))]
)
def test_a_cancellation_is_withdrawn(cancellation: Command) -> None:
    story = given(open_pool(), MONTHLY, cancellation).when(days(1), uncancel_provision("sub", reason="she stays"))
    story.then(happens("ProvisionEndWithdrawn", ends_at=None, reason="she stays", actor="alice"))
    story.when(uncancel_provision("sub")).then_nothing()
    story.when(days(90), advance_clock()).then_nothing()
    assert story.pool.provisions["sub"].status == "active"


def test_what_comes_back_is_the_end_that_it_had_of_its_own() -> None:
    term = provision_pool("sub", feature("sso"), billing_period="month", ends_at=NOON + days(365))
    story = given(
        open_pool(), term, end_provision("sub", when="period_end"), end_provision("sub", ends_at=NOON + days(2))
    )
    story.when(uncancel_provision("sub")).then(happens("ProvisionEndWithdrawn", ends_at=NOON + days(365)))
    story.when(days(366), advance_clock()).then(
        happens("ProvisionEnded", timestamp=NOON + days(365)), entitlements_changed(lost("sso"))
    )


def test_a_provision_that_was_prolonged_has_the_later_end_of_its_own() -> None:
    term = provision_pool("sub", feature("sso"), ends_at=NOON + days(30))
    prolonged = [open_pool(), term, end_provision("sub", ends_at=NOON + days(60))]
    given(prolonged).when(uncancel_provision("sub")).then_nothing()
    story = given(prolonged, end_provision("sub", ends_at=NOON + days(10))).when(uncancel_provision("sub"))
    story.then(happens("ProvisionEndWithdrawn", ends_at=NOON + days(60)))


def test_what_is_over_is_not_uncancelled() -> None:
    given(open_pool(), MONTHLY, end_provision("sub")).when(uncancel_provision("sub")).refused(ProvisionIsOver)
    expired = given(open_pool(), MONTHLY, end_provision("sub", ends_at=NOON + days(1)))
    expired.when(days(1), uncancel_provision("sub")).refused(
        ProvisionIsOver, happens("ProvisionEnded"), entitlements_changed(lost("sso"))
    )
    given(open_pool()).when(uncancel_provision("sub")).refused(UnknownProvision)


def test_nothing_is_uncancelled_into_a_successor() -> None:
    successor = provision_pool("next", feature("sso"), ladder="plans", rung=2, starts_at=MONTH_END)
    story = given(open_pool(), MONTHLY, end_provision("sub", when="period_end"), successor)
    story.when(uncancel_provision("sub")).refused(LadderIsOccupied)
    story.when(end_provision("next"), uncancel_provision("sub")).then(
        happens("ProvisionEnded", provision_id="next"), happens("ProvisionEndWithdrawn", ends_at=None)
    )


def test_a_change_of_plan_at_the_period_end_is_no_cancellation_to_withdraw() -> None:
    story = given(open_pool(), MONTHLY).when(change_plan("next", feature("sso"), when="period_end"))
    story.when(uncancel_provision("sub")).refused(LadderIsOccupied)


def test_a_cancelled_provision_that_is_suspended_keeps_both() -> None:
    story = given(open_pool(), MONTHLY, suspend_provision("sub"), end_provision("sub", when="period_end"))
    story.when(uncancel_provision("sub")).then(happens("ProvisionEndWithdrawn"))
    assert story.pool.provisions["sub"].status == "suspended"


def test_the_end_of_a_grant_is_scheduled_and_withdrawn_alike() -> None:
    grant = issue_grant("g", quota("api_calls", 10), ends_at=NOON + days(30))
    story = given(open_pool(), grant).when(end_provision("g", ends_at=NOON + days(1)))
    story.then(happens("ProvisionEndScheduled", planned_ends_at=NOON + days(30)))
    story.when(uncancel_provision("g")).then(happens("ProvisionEndWithdrawn", ends_at=NOON + days(30)))
    story.when(end_provision("g", when="period_end")).then_nothing()
    story.when(days(31), advance_clock()).then(
        happens("GrantExpired", timestamp=NOON + days(30)),
        happens("ProvisionEnded"),
        entitlements_changed(lost("api_calls")),
    )
    given(open_pool(), issue_grant("g")).when(end_provision("g", when="period_end")).refused(NoBillingPeriod)


def test_who_ends_sooner_burns_sooner_until_the_end_is_withdrawn() -> None:
    both = [pool_with(quota("api_calls", 10)), provision_pool("other", quota("api_calls", 10), ends_at=NOON + days(9))]
    story = given(both).when(used("api_calls", 1)).when(end_provision("subscription-1", ends_at=NOON + days(1)))
    story.then(happens("ProvisionEndScheduled"), happens("EntitlementsChanged"))
    story.when(uncancel_provision("subscription-1")).then(
        happens("ProvisionEndWithdrawn"), entitlements_changed(has("api_calls", 20))
    )
