"""What happens because time passes: driven by the log, stamped with the instant it was due, in the order of time."""

from datetime import UTC, datetime, timedelta

import pytest
from specification import (
    days,
    entitlements_changed,
    given,
    happens,
    has,
    hours,
    instants,
    pool_with,
    recorded,
    reset,
    used,
)

from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.errors import KeyIsNotMetered, QuotaIsExceeded, UnknownPool
from entitlements.domain.periods import period_bounds
from entitlements.domain.values import PeriodName
from entitlements.examples import (
    NOON,
    NOON_MS,
    advance_clock,
    close_pool,
    feature,
    issue_grant,
    limit,
    open_pool,
    provision_pool,
    quota,
    suspend_pool,
    suspend_provision,
)

MIDNIGHT = NOON + hours(12)


@pytest.mark.parametrize(
    ("period", "at", "start", "end"),
    [
        ("hour", "2026-03-02T12:00:00", "2026-03-02T12:00:00", "2026-03-02T13:00:00"),
        ("hour", "2026-03-02T12:59:59.999", "2026-03-02T12:00:00", "2026-03-02T13:00:00"),
        ("day", "2026-03-02T00:00:00", "2026-03-02T00:00:00", "2026-03-03T00:00:00"),
        ("day", "2026-03-02T23:59:59.999", "2026-03-02T00:00:00", "2026-03-03T00:00:00"),
        ("day", "2016-12-31T23:59:59.999", "2016-12-31T00:00:00", "2017-01-01T00:00:00"),  # A leap second followed.
        ("month", "2026-02-28T23:59:59.999", "2026-02-01T00:00:00", "2026-03-01T00:00:00"),
        ("month", "2028-02-29T12:00:00", "2028-02-01T00:00:00", "2028-03-01T00:00:00"),
        ("month", "2026-12-31T23:59:59.999", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("month", "2027-01-01T00:00:00", "2027-01-01T00:00:00", "2027-02-01T00:00:00"),
    ],
)
def test_periods_follow_the_calendar_in_utc_and_do_not_contain_their_end(
    period: PeriodName, at: str, start: str, end: str
) -> None:
    def ms(text: str) -> int:
        return to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))

    assert period_bounds(period, ms(at)) == (ms(start), ms(end))


def test_without_a_period_all_of_time_is_one() -> None:
    assert period_bounds(None, NOON_MS) == (0, NEVER_MS)


def test_a_quota_resets_at_the_end_of_its_period() -> None:
    (
        given(pool_with(quota("api_calls", 10)), used("api_calls", 10))
        .when(days(3), used("api_calls", 10))
        .then(
            reset(
                "api_calls",
                period_start=MIDNIGHT - days(1),
                period_end=MIDNIGHT,
                consumed=10,
                timestamp=MIDNIGHT,
            ),
            recorded("api_calls", 10),
        )
    )


def test_the_last_millisecond_belongs_to_the_period_and_its_end_to_the_next() -> None:
    last = MIDNIGHT - NOON - timedelta(milliseconds=1)
    story = given(pool_with(quota("api_calls", 10)), used("api_calls", 10))
    story.when(last, used("api_calls", 1)).lines((0, QuotaIsExceeded, 0))
    story.when(timedelta(milliseconds=1), used("api_calls", 1)).lines(accepted=1)


def test_a_period_in_which_nothing_was_used_ends_unnoticed() -> None:
    given(pool_with(quota("api_calls", 10))).when(days(40), advance_clock()).then_nothing()


def test_a_period_in_which_usage_was_only_refused_is_reset() -> None:
    (
        given(pool_with(quota("api_calls", 10)), suspend_provision())
        .when(used("api_calls", 1), days(1), advance_clock())
        .happened_so(happens("UsageRefused"))  # Not entitled: no quota was exceeded.
    )
    given(pool_with(quota("api_calls", 10))).when(used("api_calls", 11), days(1), advance_clock()).happened_so(
        happens("UsageRefused"), happens("QuotaExceeded"), reset("api_calls", consumed=0, timestamp=MIDNIGHT)
    )


def test_a_quota_that_is_conferred_no_more_still_resets() -> None:
    story = given(pool_with(quota("api_calls", 10), ends_at=NOON + hours(1)), used("api_calls", 10))
    story.when(days(1), provision_pool("again", quota("api_calls", 10)), used("api_calls", 10))
    assert dict(instants(story.happened))["QuotaReset"] == MIDNIGHT
    assert story.consumed("api_calls") == 10


def test_a_quota_regained_within_its_period_goes_on_counting() -> None:
    story = given(
        pool_with(quota("api_calls", 10), ends_at=NOON + hours(1)),
        used("api_calls", 8),
        provision_pool("again", quota("api_calls", 10), starts_at=NOON + hours(2)),
        hours(3),
    )
    story.when(used("api_calls", 3)).lines((0, QuotaIsExceeded, 2))


def test_limits_never_reset() -> None:
    story = given(pool_with(limit("seats", 5)), used("seats", 5)).when(days(800), advance_clock()).then_nothing()
    assert story.consumed("seats") == 5


def test_at_one_instant_quotas_reset_then_provisions_end_then_others_start() -> None:
    (
        given(
            open_pool(),
            provision_pool("starts", quota("api_calls", 7), ladder="plans", starts_at=MIDNIGHT),
            provision_pool("ends", quota("api_calls", 5), ladder="plans", ends_at=MIDNIGHT),
            issue_grant("expires", quota("api_calls", 1), ends_at=MIDNIGHT),
            used("api_calls", 6),
        )
        .when(days(1), advance_clock())
        .then(
            reset("api_calls", consumed=6, timestamp=MIDNIGHT),
            happens("ProvisionEnded", provision_id="ends", reason="expired", timestamp=MIDNIGHT),
            happens("GrantExpired", grant_id="expires", timestamp=MIDNIGHT),
            happens("ProvisionEnded", provision_id="expires", timestamp=MIDNIGHT),
            happens("ProvisionStarted", provision_id="starts", timestamp=MIDNIGHT),
            entitlements_changed(has("api_calls", 7), timestamp=MIDNIGHT),
        )
    )


def test_all_that_became_due_happens_in_the_order_of_time_before_the_command() -> None:
    story = (
        given(
            pool_with(quota("hourly", 5, period="hour"), feature("sso"), ends_at=NOON + hours(3)),
            provision_pool("later", feature("sso"), starts_at=NOON + hours(2), ends_at=NOON + hours(4)),
            used("hourly", 5),
        )
        .when(days(1), used("sso", 1, "report"))
        .lines((0, KeyIsNotMetered, -1))
    )
    times = list(instants(story.happened))
    assert times == [
        ("QuotaReset", NOON + hours(1)),
        ("ProvisionStarted", NOON + hours(2)),
        ("EntitlementsChanged", NOON + hours(2)),
        ("ProvisionEnded", NOON + hours(3)),
        ("EntitlementsChanged", NOON + hours(3)),
        ("ProvisionEnded", NOON + hours(4)),
        ("EntitlementsChanged", NOON + hours(4)),
        ("UsageRefused", NOON + days(1)),
    ]


def test_a_period_that_passed_entirely_starts_and_ends() -> None:
    (
        given(pool_with(feature("sso"), starts_at=NOON + hours(1), ends_at=NOON + hours(2)))
        .when(days(1), advance_clock())
        .then(
            happens("ProvisionStarted", timestamp=NOON + hours(1)),
            entitlements_changed(has("sso"), timestamp=NOON + hours(1)),
            happens("ProvisionEnded", timestamp=NOON + hours(2)),
            entitlements_changed({"after": None}, timestamp=NOON + hours(2)),
        )
    )


def test_what_is_due_at_the_commands_own_instant_happens_first() -> None:
    (
        given(pool_with(feature("sso"), starts_at=NOON + hours(1)))
        .when(hours(1), suspend_pool())
        .then(
            happens("ProvisionStarted", timestamp=NOON + hours(1)),
            entitlements_changed(has("sso")),
            happens("PoolSuspended"),
            entitlements_changed({"after": None}),
        )
    )


def test_the_ticker_lets_happen_what_is_due_and_nothing_else() -> None:
    story = given(pool_with(feature("sso"), ends_at=NOON + hours(1)))
    story.when(advance_clock(command_id="tick")).then_nothing()
    story.when(hours(1), advance_clock(command_id="tick")).then(
        happens("ProvisionEnded", command_id="tick"), entitlements_changed({"after": None}, command_id="tick")
    )
    story.when(advance_clock(command_id="tock")).then_nothing()


def test_the_ticker_asks_in_vain_for_a_pool_that_does_not_exist() -> None:
    given().when(advance_clock()).refused(UnknownPool)


def test_the_clock_of_a_pool_never_goes_back_when_the_logs_does() -> None:
    story = given(pool_with(quota("api_calls", 10)), days(1), used("api_calls", 4))
    story.when(-days(1), used("api_calls", 7)).lines((0, QuotaIsExceeded, 6))
    assert {at for _, at in instants(story.happened)} == {NOON + days(1)}


def test_a_closed_pool_has_nothing_due() -> None:
    story = given(pool_with(quota("api_calls", 10), ends_at=NOON + days(3)), used("api_calls", 4), close_pool())
    assert story.pool.due_ms == NEVER_MS


def test_due_is_the_next_start_end_or_reset() -> None:
    story = given(pool_with(quota("api_calls", 10), ends_at=NOON + days(3)))
    assert from_ms(story.pool.due_ms) == NOON + days(3)
    story.when(used("api_calls", 1))
    assert from_ms(story.pool.due_ms) == MIDNIGHT
    story.when(provision_pool("p-2", feature("sso"), starts_at=NOON + hours(1)))
    assert from_ms(story.pool.due_ms) == NOON + hours(1)
