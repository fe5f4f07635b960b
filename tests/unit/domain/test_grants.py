"""Grants: who gave what, why, and until when."""

from dataclasses import replace

import pytest
from specification import days, entitlements_changed, given, happens, has, hours, lost, pool_with

from entitlements.domain.commands import IssueGrant
from entitlements.domain.errors import (
    GrantAlreadyExists,
    GrantIsOver,
    InvalidCommand,
    InvalidInstant,
    PoolIsClosed,
    ProvisionAlreadyExists,
    UnknownGrant,
    UnknownPool,
)
from entitlements.examples import (
    NOON,
    advance_clock,
    close_pool,
    end_provision,
    feature,
    issue_grant,
    open_pool,
    provision_pool,
    quota,
    revoke_grant,
)


def test_a_grant_adds_to_what_was_bought() -> None:
    (
        given(pool_with(quota("api_calls", 100)))
        .when(issue_grant("g", quota("api_calls", 50), reason="sorry", actor="bob", ends_at=NOON + days(7)))
        .then(
            happens("GrantIssued", grant_id="g", reason="sorry", actor="bob", starts_at=NOON, ends_at=NOON + days(7)),
            happens("ProvisionScheduled", provision_id="g", source="grant", source_id="g", ladder=None),
            happens("ProvisionStarted", provision_id="g"),
            entitlements_changed(has("api_calls", 150)),
        )
    )


def test_a_grant_expires_at_its_end() -> None:
    (
        given(open_pool(), issue_grant("g", feature("sso"), ends_at=NOON + days(7)))
        .when(days(9), revoke_grant("g"))
        .then(
            happens("GrantExpired", grant_id="g", timestamp=NOON + days(7)),
            happens("ProvisionEnded", provision_id="g", reason="expired", timestamp=NOON + days(7)),
            entitlements_changed(lost("sso"), timestamp=NOON + days(7)),
        )
    )


def test_a_grant_may_begin_later() -> None:
    (
        given(open_pool(), issue_grant("g", feature("sso"), starts_at=NOON + days(1)))
        .when(days(2), issue_grant("other", feature("sso")))
        .then(
            happens("ProvisionStarted", provision_id="g", timestamp=NOON + days(1)),
            entitlements_changed(has("sso")),
            happens("GrantIssued", grant_id="other"),
            happens("ProvisionScheduled"),
            happens("ProvisionStarted"),
            entitlements_changed(has("sso")),
        )
    )


def test_the_same_grant_again_is_harmless() -> None:
    grant = issue_grant("g", feature("sso"), ends_at=NOON + days(7))
    given(open_pool(), grant).when(hours(1), grant).then_nothing()


def test_the_id_of_a_grant_that_is_over_is_not_given_again() -> None:
    grant = issue_grant("g", feature("sso"), ends_at=NOON + days(7), idempotency_key="k")
    unlike = replace(grant, idempotency_key=None)
    revoked = given(open_pool(), grant, revoke_grant("g"))
    revoked.when(hours(1), unlike).refused(GrantIsOver)
    revoked.when(grant).then_repeated()
    given(open_pool(), unlike, days(8), advance_clock()).when(unlike).refused(GrantIsOver)


@pytest.mark.parametrize(
    "other",
    [
        issue_grant("g", feature("sso"), reason="another reason"),
        issue_grant("g", feature("sso"), actor="mallory"),
        issue_grant("g", feature("sso"), ends_at=NOON + days(1)),
        issue_grant("g", feature("sso"), starts_at=NOON + days(1)),
        issue_grant("g", feature("sso"), quantity=2),
        issue_grant("g", feature("analytics")),
    ],
)
def test_another_grant_under_the_same_id_is_refused(other: IssueGrant) -> None:
    given(open_pool(), issue_grant("g", feature("sso"))).when(other).refused(GrantAlreadyExists)


def test_a_grant_and_a_provision_do_not_share_an_id() -> None:
    given(pool_with(feature("sso"))).when(issue_grant("subscription-1", feature("sso"))).refused(ProvisionAlreadyExists)
    granted = given(open_pool(), issue_grant("g", feature("sso")))
    granted.when(provision_pool("g", feature("sso"))).refused(ProvisionAlreadyExists)


@pytest.mark.parametrize("unnamed", [{"reason": ""}, {"reason": "  "}, {"actor": ""}])
def test_a_grant_names_its_reason_and_its_actor(unnamed: dict[str, str]) -> None:
    given(open_pool()).when(issue_grant("g", **unnamed)).refused(InvalidCommand)


def test_a_grant_that_would_be_over_or_of_no_open_pool_is_refused() -> None:
    given(open_pool()).when(issue_grant("g", ends_at=NOON)).refused(InvalidInstant)
    given(open_pool(), close_pool()).when(issue_grant("g")).refused(PoolIsClosed)
    given().when(issue_grant("g")).refused(UnknownPool)


def test_a_grant_is_taken_back() -> None:
    (
        given(open_pool(), issue_grant("g", feature("sso")))
        .when(revoke_grant("g", reason="a mistake"))
        .then(
            happens("GrantRevoked", grant_id="g", reason="a mistake", actor="alice"),
            happens("ProvisionEnded", provision_id="g", reason="revoked"),
            entitlements_changed(lost("sso")),
        )
    )


def test_a_grant_is_taken_back_before_it_begins() -> None:
    (
        given(open_pool(), issue_grant("g", feature("sso"), starts_at=NOON + days(1)))
        .when(revoke_grant("g"), days(2), revoke_grant("g"))
        .then(happens("GrantRevoked"), happens("ProvisionEnded", reason="revoked"))
    )


def test_taking_back_what_is_over_is_harmless() -> None:
    given(open_pool(), issue_grant("g"), revoke_grant("g")).when(revoke_grant("g")).then_nothing()
    given(open_pool(), issue_grant("g"), close_pool()).when(revoke_grant("g")).then_nothing()


def test_a_grant_that_was_never_issued_cannot_be_taken_back() -> None:
    given(pool_with(feature("sso"))).when(revoke_grant("subscription-1")).refused(UnknownGrant)


def test_a_grant_whose_provision_is_ended_has_come_to_its_end() -> None:
    story = (
        given(open_pool(), issue_grant("g", feature("sso")))
        .when(end_provision("g"))
        .then(
            happens("GrantExpired", grant_id="g"),
            happens("ProvisionEnded", provision_id="g", reason="ended"),
            entitlements_changed(lost("sso")),
        )
    )
    story.when(revoke_grant("g")).then_nothing()
