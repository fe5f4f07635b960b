"""Provisions: scheduled, started, suspended, resumed, ended."""

from dataclasses import replace

import pytest
from specification import days, entitlements_changed, given, happens, has, hours, lost, pool_with, used

from entitlements.domain.commands import ProvisionPool
from entitlements.domain.errors import (
    InvalidId,
    InvalidInstant,
    InvalidQuantity,
    InvalidRules,
    PoolIsClosed,
    ProvisionAlreadyExists,
    ProvisionIsOver,
    RulesConflict,
    TooManyProvisions,
    UnknownPool,
    UnknownProvision,
)
from entitlements.domain.pools import PROVISIONS_MAX
from entitlements.domain.rules import RULES_MAX
from entitlements.domain.values import QUANTITY_MAX, Rule
from entitlements.examples import (
    NOON,
    close_pool,
    end_provision,
    feature,
    issue_grant,
    limit,
    open_pool,
    provision_pool,
    quota,
    resume_provision,
    suspend_provision,
)


def test_a_provision_without_a_start_confers_at_once() -> None:
    (
        given(open_pool())
        .when(provision_pool("p", quota("api_calls", 100), quantity=3, ends_at=NOON + days(30)))
        .then(
            happens(
                "ProvisionScheduled",
                provision_id="p",
                source="subscription",
                source_id="billing-p",
                billing_account_id="acme-account",
                quantity=3,
                starts_at=NOON,
                ends_at=NOON + days(30),
            ),
            happens("ProvisionStarted", provision_id="p", timestamp=NOON),
            entitlements_changed(has("api_calls", 100, period="day")),
        )
    )


def test_a_provision_names_its_own_payer() -> None:
    (
        given(open_pool())
        .when(provision_pool("p", feature("sso"), billing_account_id="mother-company"))
        .then(
            happens("ProvisionScheduled", billing_account_id="mother-company"),
            happens("ProvisionStarted"),
            entitlements_changed(has("sso")),
        )
    )


def test_a_provision_with_a_later_start_confers_nothing_yet() -> None:
    (
        given(open_pool())
        .when(provision_pool("p", feature("sso"), starts_at=NOON + hours(1)))
        .then(happens("ProvisionScheduled", starts_at=NOON + hours(1)))
    )


def test_a_provision_with_a_start_in_the_past_confers_from_now_on() -> None:
    (
        given(open_pool())
        .when(provision_pool("p", feature("sso"), starts_at=NOON - days(3)))
        .then(
            happens("ProvisionScheduled", starts_at=NOON - days(3)),
            happens("ProvisionStarted", timestamp=NOON),
            entitlements_changed(has("sso")),
        )
    )


def test_the_same_provision_again_is_harmless() -> None:
    provision = provision_pool("p", feature("sso"), ladder="plans", rung=1)
    given(open_pool(), provision).when(hours(1), provision).then_nothing()


def test_the_id_of_a_provision_that_has_ended_is_not_given_again() -> None:
    """Its answer was `accepted`, and the customer had nothing."""
    provision = provision_pool("p", feature("sso"), ladder="plans", rung=1, idempotency_key="k")
    story = given(open_pool(), provision, end_provision("p"))
    story.when(hours(1), replace(provision, idempotency_key=None)).refused(ProvisionIsOver)
    story.when(replace(provision, idempotency_key="k2", quantity=2)).refused(ProvisionIsOver)
    story.when(provision).then_repeated()
    story.when(hours(30), provision).refused(ProvisionIsOver)


@pytest.mark.parametrize(
    "other",
    [
        provision_pool("p", feature("sso"), ladder="plans", rung=1, billing_account_id="somebody-else"),
        provision_pool("p", feature("sso"), ladder="plans", rung=2),
        provision_pool("p", feature("sso"), ladder="others", rung=1),
        provision_pool("p", feature("sso"), ladder="plans", rung=1, quantity=2),
        provision_pool("p", feature("sso"), ladder="plans", rung=1, source="purchase"),
        provision_pool("p", feature("sso"), ladder="plans", rung=1, set_version=2),
        provision_pool("p", feature("sso"), ladder="plans", rung=1, starts_at=NOON - days(1)),
        provision_pool("p", feature("sso"), ladder="plans", rung=1, ends_at=NOON + days(1)),
        provision_pool("p", feature("analytics"), ladder="plans", rung=1),
    ],
)
def test_another_provision_under_the_same_id_is_refused(other: ProvisionPool) -> None:
    (
        given(open_pool(), provision_pool("p", feature("sso"), ladder="plans", rung=1))
        .when(other)
        .refused(ProvisionAlreadyExists)
    )


def test_a_provision_of_an_unknown_or_closed_pool_is_refused() -> None:
    given().when(provision_pool()).refused(UnknownPool)
    given(open_pool(), close_pool()).when(provision_pool()).refused(PoolIsClosed)


def test_a_provision_that_would_be_over_before_it_starts_is_refused() -> None:
    given(open_pool()).when(provision_pool("p", ends_at=NOON)).refused(InvalidInstant)
    given(open_pool()).when(provision_pool("p", starts_at=NOON - days(9), ends_at=NOON - days(1))).refused(
        InvalidInstant
    )
    starts_at = NOON + days(2)
    given(open_pool()).when(provision_pool("p", starts_at=starts_at, ends_at=starts_at)).refused(InvalidInstant)


@pytest.mark.parametrize("quantity", [0, -1, QUANTITY_MAX + 1])
def test_a_provision_of_no_or_too_large_a_quantity_is_refused(quantity: int) -> None:
    given(open_pool()).when(provision_pool("p", quantity=quantity)).refused(InvalidQuantity)


@pytest.mark.parametrize("provision_id", ["", "x" * 129, "a\0b"])
def test_a_provision_without_a_proper_id_is_refused(provision_id: str) -> None:
    given(open_pool()).when(provision_pool(provision_id)).refused(InvalidId)


@pytest.mark.parametrize(
    "rules",
    [
        [quota("k", -1)],
        [quota("k", QUANTITY_MAX + 1)],
        [quota("k", 10, soft_limit=-1)],
        [quota("k", 10, hard_limit=9)],
        [quota("k", None, hard_limit=9)],
        [quota("")],
        [quota("x" * 129)],
        [quota("a\0b")],
        [quota("k", 1), quota("k", 2)],
        [quota(f"k-{at}") for at in range(RULES_MAX + 1)],
        [quota("k", stacking="any")],
        [Rule(resource_key="k", rule_type="quota", amount=1, stacking="sum")],
        [Rule(resource_key="k", rule_type="limit", amount=1, period="day", stacking="sum")],
        [Rule(resource_key="k", rule_type="boolean", stacking="sum")],
        [Rule(resource_key="k", rule_type="boolean", amount=1, stacking="any")],
        [Rule(resource_key="k", rule_type="credit", amount=1, stacking="max")],
    ],
    ids=lambda rules: f"{len(rules)} {rules[0].rule_type} {rules[0].resource_key[:3]!r} {rules[0].amount}",
)
def test_rules_that_is_invalid_are_refused(rules: list[Rule]) -> None:
    given(open_pool()).when(provision_pool("p", *rules)).refused(InvalidRules)
    given(open_pool()).when(issue_grant("g", *rules)).refused(InvalidRules)


def test_a_provision_that_confers_nothing_is_refused() -> None:
    given(open_pool()).when(provision_pool("p", rules=[])).refused(InvalidRules)


def test_amounts_that_multiply_beyond_what_can_be_counted_are_refused() -> None:
    per_unit = limit("seats", 2**30, per_unit=True)
    given(open_pool()).when(provision_pool("p", per_unit, quantity=2**30)).refused(InvalidRules)
    given(open_pool()).when(provision_pool("p", limit("seats", 2**30), quantity=2**30)).then(
        happens("ProvisionScheduled"), happens("ProvisionStarted"), entitlements_changed(has("seats", 2**30))
    )


@pytest.mark.parametrize(
    "other",
    [
        limit("api_calls", 1),
        feature("api_calls"),
        quota("api_calls", period="month"),
        quota("api_calls", stacking="max"),
    ],
)
def test_whoever_confers_a_key_must_agree_on_its_type_period_and_stacking(other: Rule) -> None:
    held = given(pool_with(quota("api_calls", period="day", stacking="sum")))
    held.when(provision_pool("other", other)).refused(RulesConflict)
    held.when(issue_grant("other", other)).refused(RulesConflict)


def test_a_key_may_become_another_kind_once_nobody_confers_it() -> None:
    (
        given(pool_with(quota("api_calls", 100)), used("api_calls", 5), end_provision("subscription-1"))
        .when(provision_pool("other", limit("api_calls", 7)))
        .then(
            happens("ProvisionScheduled"),
            happens("ProvisionStarted"),
            entitlements_changed(has("api_calls", 7, period=None) | {"entitlement_type": "limit"}),
        )
    )


def test_a_pool_holds_a_bounded_number_of_provisions() -> None:
    later = NOON + days(1)
    full = [provision_pool(f"p-{at}", feature("sso"), starts_at=later) for at in range(PROVISIONS_MAX)]
    story = given(open_pool(), full)
    story.when(provision_pool("one-more", feature("sso"))).refused(TooManyProvisions)
    story.when(issue_grant("one-more", feature("sso"))).refused(TooManyProvisions)
    story.when(end_provision("p-0"), provision_pool("one-more", feature("sso"), starts_at=later)).then(
        happens("ProvisionEnded"), happens("ProvisionScheduled")
    )


# --- Suspend and resume --------------------------------------------------------------------------------------------------


def test_a_suspended_provision_contributes_nothing() -> None:
    (
        given(pool_with(quota("api_calls", 100)), provision_pool("extra", quota("api_calls", 20)))
        .when(suspend_provision("subscription-1", reason="unpaid"))
        .then(
            happens("ProvisionSuspended", provision_id="subscription-1", reason="unpaid", actor="alice"),
            entitlements_changed(has("api_calls", 20)),
        )
    )


def test_suspending_a_suspended_provision_is_harmless() -> None:
    given(pool_with(quota()), suspend_provision()).when(suspend_provision()).then_nothing()


def test_only_what_has_started_and_is_not_over_can_be_suspended() -> None:
    given(pool_with(quota())).when(suspend_provision("unheard-of")).refused(UnknownProvision)
    given(pool_with(quota(), starts_at=NOON + days(1))).when(suspend_provision()).refused(InvalidInstant)
    given(pool_with(quota()), end_provision()).when(suspend_provision()).refused(ProvisionIsOver)


def test_a_resumed_provision_contributes_again() -> None:
    story = (
        given(pool_with(quota("api_calls", 100)), used("api_calls", 99), suspend_provision())
        .when(resume_provision(reason="paid"))
        .then(happens("ProvisionResumed", reason="paid", actor="alice"), entitlements_changed(has("api_calls", 100)))
    )
    assert story.consumed("api_calls") == 99


def test_resuming_what_is_not_suspended_is_harmless() -> None:
    given(pool_with(quota())).when(resume_provision()).then_nothing()


def test_what_is_over_or_unknown_cannot_be_resumed() -> None:
    given(pool_with(quota())).when(resume_provision("unheard-of")).refused(UnknownProvision)
    given(pool_with(quota()), suspend_provision(), end_provision()).when(resume_provision()).refused(ProvisionIsOver)


def test_a_suspended_provision_ends_when_it_is_due() -> None:
    (
        given(pool_with(quota(), ends_at=NOON + hours(1)), suspend_provision())
        .when(hours(2), resume_provision())
        .refused(ProvisionIsOver, happens("ProvisionEnded", reason="expired", timestamp=NOON + hours(1)))
    )


# --- End -----------------------------------------------------------------------------------------------------------------


def test_a_provision_is_ended_at_once() -> None:
    (
        given(pool_with(feature("sso")))
        .when(end_provision("subscription-1"))
        .then(
            happens("ProvisionEnded", provision_id="subscription-1", reason="ended", actor="alice"),
            entitlements_changed(lost("sso")),
        )
    )


def test_an_end_that_has_passed_means_at_once() -> None:
    (
        given(pool_with(feature("sso")))
        .when(end_provision(ends_at=NOON - hours(1)))
        .then(happens("ProvisionEnded", timestamp=NOON), entitlements_changed(lost("sso")))
    )


def test_a_provision_is_ended_later() -> None:
    (
        given(pool_with(feature("sso")), end_provision(ends_at=NOON + hours(2)))
        .when(hours(5), used("sso"))
        .happened_so(
            happens("ProvisionEnded", reason="expired", timestamp=NOON + hours(2)),
            entitlements_changed(lost("sso"), timestamp=NOON + hours(2)),
            happens("UsageRefused"),
        )
    )


def test_an_end_can_be_moved_in_both_directions() -> None:
    (
        given(pool_with(feature("sso"), ends_at=NOON + days(9)))
        .when(end_provision(ends_at=NOON + days(20)), end_provision(ends_at=NOON + days(1), reason="cancelled"))
        .then(
            happens("ProvisionEndScheduled", ends_at=NOON + days(20)),
            happens("ProvisionEndScheduled", ends_at=NOON + days(1), reason="cancelled", actor="alice"),
        )
    )


def test_ending_again_is_harmless() -> None:
    given(pool_with(feature("sso")), end_provision()).when(hours(1), end_provision()).then_nothing()
    end = end_provision(ends_at=NOON + hours(1))
    given(pool_with(feature("sso")), end).when(end).then_nothing()


def test_an_end_that_is_invalid_is_refused() -> None:
    given(pool_with(feature("sso"))).when(end_provision("unheard-of")).refused(UnknownProvision)
    over = given(pool_with(feature("sso")), end_provision())
    over.when(end_provision(ends_at=NOON + days(1))).refused(ProvisionIsOver)
    later = given(pool_with(feature("sso"), starts_at=NOON + days(5)))
    later.when(end_provision(ends_at=NOON + days(5))).refused(InvalidInstant)


def test_what_has_not_started_can_be_ended() -> None:
    (
        given(pool_with(feature("sso"), starts_at=NOON + days(5)))
        .when(end_provision(), days(6), end_provision())
        .then(happens("ProvisionEnded", reason="ended"))
    )
