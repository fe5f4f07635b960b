"""Opening, suspending, resuming and closing pools."""

from datetime import UTC, datetime, timedelta

from specification import days, entitlements_changed, given, happens, has, hours, lost, pool_with, recorded, used

from entitlements.domain.errors import InvalidInstant, PoolAlreadyExists, PoolIsClosed, PoolIsSuspended, UnknownPool
from entitlements.examples import (
    NOON,
    close_pool,
    feature,
    issue_grant,
    limit,
    line,
    open_pool,
    provision_pool,
    quota,
    record_usage,
    resume_pool,
    suspend_pool,
)


def test_a_pool_is_opened() -> None:
    (
        given()
        .when(open_pool(organization_id="acme", billing_account_id="acme-account", name="Acme", actor="alice"))
        .then(
            happens(
                "PoolOpened",
                organization_id="acme",
                billing_account_id="acme-account",
                name="Acme",
                actor="alice",
                backfill_from=None,
                originator_version=1,
                timestamp=NOON,
                command_id="a-command",
            )
        )
    )


def test_opening_the_same_pool_again_is_harmless() -> None:
    given(open_pool()).when(hours(1), open_pool(command_id="again")).then_nothing()


def test_opening_another_pool_under_the_same_id_is_refused() -> None:
    given(open_pool()).when(open_pool(organization_id="umbrella")).refused(PoolAlreadyExists)
    given(open_pool()).when(open_pool(billing_account_id="umbrella-account")).refused(PoolAlreadyExists)
    given(open_pool()).when(open_pool(name="Umbrella")).refused(PoolAlreadyExists)


def test_history_cannot_be_brought_in_from_the_future_nor_from_before_there_was_time() -> None:
    given().when(open_pool(backfill_from=NOON + timedelta(milliseconds=1))).refused(InvalidInstant)
    given().when(open_pool(backfill_from=datetime(1969, 12, 31, 23, tzinfo=UTC))).refused(InvalidInstant)


def test_nothing_can_be_asked_of_a_pool_that_was_never_opened() -> None:
    for command in (suspend_pool(), resume_pool(), close_pool(), provision_pool(), issue_grant(), record_usage()):
        given().when(command).refused(UnknownPool)


def test_a_suspended_pool_confers_nothing() -> None:
    (
        given(pool_with(quota("api_calls", 100), feature("sso")))
        .when(suspend_pool(reason="unpaid"))
        .then(
            happens("PoolSuspended", reason="unpaid", actor="alice"),
            entitlements_changed(lost("api_calls"), lost("sso")),
        )
    )


def test_strict_usage_of_a_suspended_pool_is_refused() -> None:
    (
        given(pool_with(quota("api_calls", 100)), suspend_pool())
        .when(used("api_calls", 1))
        .then(happens("UsageRefused", lines=[{"code": "pool_is_suspended", "remaining": -1}]))
        .lines((0, PoolIsSuspended, -1))
    )


def test_reported_usage_of_a_suspended_pool_is_recorded_as_overage() -> None:
    (
        given(pool_with(quota("api_calls", 100)), suspend_pool())
        .when(used("api_calls", 7, "report"))
        .then(recorded("api_calls", 7, overage=7, provision_id=""), happens("QuotaExceeded", limit=0))
    )


def test_suspending_a_suspended_pool_is_harmless() -> None:
    given(pool_with(quota()), suspend_pool()).when(suspend_pool()).then_nothing()


def test_a_closed_pool_can_be_neither_suspended_nor_resumed() -> None:
    given(open_pool(), close_pool()).when(suspend_pool()).refused(PoolIsClosed)
    given(open_pool(), close_pool()).when(resume_pool()).refused(PoolIsClosed)


def test_a_resumed_pool_confers_again_and_goes_on_counting() -> None:
    story = (
        given(pool_with(quota("api_calls", 100)), used("api_calls", 60), suspend_pool())
        .when(resume_pool(reason="paid"))
        .then(happens("PoolResumed", reason="paid"), entitlements_changed(has("api_calls", 100)))
    )
    assert story.consumed("api_calls") == 60


def test_resuming_an_open_pool_is_harmless() -> None:
    given(pool_with(quota())).when(resume_pool()).then_nothing()


def test_provisions_start_and_end_while_the_pool_is_suspended() -> None:
    (
        given(open_pool(), provision_pool("p", feature("sso"), starts_at=NOON + hours(1), ends_at=NOON + hours(2)))
        .when(suspend_pool(), hours(3), resume_pool())
        .then(
            happens("PoolSuspended"),
            happens("ProvisionStarted", timestamp=NOON + hours(1)),
            happens("ProvisionEnded", timestamp=NOON + hours(2)),
            happens("PoolResumed", timestamp=NOON + hours(3)),
        )
    )


def test_closing_a_pool_ends_all_that_it_has() -> None:
    (
        given(
            pool_with(feature("sso")),
            provision_pool("later", limit("seats", 5), starts_at=NOON + days(1)),
            issue_grant("grant-1", feature("sso")),
            provision_pool("over", feature("gone"), ends_at=NOON + hours(1)),
            hours(2),
        )
        .when(close_pool(reason="gone"))
        .then(
            happens("ProvisionEnded", provision_id="over", reason="expired"),
            entitlements_changed(lost("gone")),
            happens("ProvisionEnded", provision_id="subscription-1", reason="pool_closed", actor="alice"),
            happens("ProvisionEnded", provision_id="later", reason="pool_closed"),
            happens("GrantExpired", grant_id="grant-1"),
            happens("ProvisionEnded", provision_id="grant-1", reason="pool_closed"),
            entitlements_changed(lost("sso")),
            happens("PoolClosed", reason="gone", actor="alice"),
        )
    )


def test_closing_a_closed_pool_is_harmless() -> None:
    given(open_pool(), close_pool()).when(days(1), close_pool()).then_nothing()


def test_closing_a_pool_that_does_not_exist_is_refused() -> None:
    given().when(close_pool()).refused(UnknownPool)


def test_nothing_happens_to_a_closed_pool_when_time_passes() -> None:
    story = given(pool_with(quota("api_calls", 10)), used("api_calls", 3), close_pool())
    story.when(days(40), close_pool()).then_nothing()
    assert story.consumed("api_calls") == 3


def test_usage_of_a_closed_pool_is_refused_however_it_is_reported() -> None:
    (
        given(pool_with(quota()), close_pool())
        .when(record_usage(line("api_calls", 1, "strict"), line("api_calls", 1, "report")))
        .lines((0, PoolIsClosed, -1), (1, PoolIsClosed, -1))
    )
