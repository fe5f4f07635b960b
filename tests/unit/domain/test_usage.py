"""Usage: strict is refused whole, report always recorded; what lies above the limit is overage."""

import pytest
from specification import (
    days,
    exceeded,
    given,
    happens,
    hours,
    instant_after_noon,
    pool_with,
    recorded,
    recorded_lines,
    refused_line,
    used,
    warned,
)

from entitlements.domain.decide import decide
from entitlements.domain.errors import (
    InvalidId,
    InvalidInstant,
    InvalidQuantity,
    KeyIsNotMetered,
    NotEntitled,
    PeriodIsClosed,
    QuotaIsExceeded,
    UnknownKey,
    UnknownPool,
)
from entitlements.domain.lines import CLOCK_SKEW_MS_MAX
from entitlements.domain.values import QUANTITY_MAX, UsageLine
from entitlements.examples import (
    NOON,
    NOON_MS,
    end_provision,
    feature,
    limit,
    line,
    provision_pool,
    quota,
    record_usage,
)

MILLISECOND = hours(1) / 3_600_000


def test_strict_usage_that_fits_is_recorded() -> None:
    (
        given(pool_with(quota("api_calls", 100)))
        .when(used("api_calls", 60))
        .then(
            recorded(
                "api_calls",
                60,
                overage=0,
                mode="strict",
                occurred_at=NOON_MS,
                recorded_at=NOON_MS,
                workspace_id="",
                usage_id="",
                provision_id="subscription-1",
                late=False,
            )
        )
        .lines(accepted=1)
    )


def test_strict_usage_above_what_is_left_is_refused_whole() -> None:
    (
        given(pool_with(quota("api_calls", 100)), used("api_calls", 60))
        .when(used("api_calls", 41))
        .then(
            refused_line("api_calls", quantity=41, remaining=40, code="quota_exceeded", recorded_at=NOON_MS),
            exceeded("api_calls", limit=100, consumed=60, requested=41),
        )
        .lines((0, QuotaIsExceeded, 40))
    )


def test_the_last_unit_can_be_used() -> None:
    story = given(pool_with(quota("api_calls", 100)), used("api_calls", 60)).when(used("api_calls", 40))
    story.then(recorded("api_calls", 40, overage=0))
    story.when(used("api_calls", 1)).lines((0, QuotaIsExceeded, 0))


def test_a_refusal_leaves_what_is_left_to_smaller_usage() -> None:
    (
        given(pool_with(quota("api_calls", 100)))
        .when(record_usage(line("api_calls", 101), line("api_calls", 100)))
        .lines((0, QuotaIsExceeded, 100), accepted=1)
    )


def test_lines_are_decided_one_by_one_in_order() -> None:
    (
        given(pool_with(quota("api_calls", 10), quota("exports", 1)))
        .when(
            record_usage(
                line("api_calls", 6), line("exports", 1), line("api_calls", 6), line("exports", 1), line("api_calls", 4)
            )
        )
        .then(
            recorded_lines({"resource_key": "api_calls", "quantity": 6}, {"resource_key": "exports"}),
            refused_line("api_calls", remaining=4),
            exceeded("api_calls"),
            refused_line("exports", remaining=0),
            exceeded("exports"),
            recorded("api_calls", 4),
        )
        .lines((2, QuotaIsExceeded, 4), (3, QuotaIsExceeded, 0), accepted=3)
    )


def test_totals_stand_as_after_the_last_line() -> None:
    midnight = NOON_MS // 86_400_000 * 86_400_000
    (
        given(pool_with(quota("api_calls", 100), limit("seats", 5)), used("seats", 2))
        .when(record_usage(line("api_calls", 30), line("seats", 1), line("api_calls", 12)))
        .then(
            happens(
                "UsageRecorded",
                totals=[
                    {
                        "resource_key": "api_calls",
                        "period_start": midnight,
                        "period_end": midnight + 86_400_000,
                        "consumed": 42,
                    },
                    {"resource_key": "seats", "period_start": None, "period_end": None, "consumed": 3},
                ],
            )
        )
    )


def test_reported_usage_is_recorded_and_its_part_above_the_limit_is_overage() -> None:
    (
        given(pool_with(quota("api_calls", 100)), used("api_calls", 60))
        .when(used("api_calls", 55, "report"), used("api_calls", 5, "report"))
        .then(
            recorded("api_calls", 55, overage=15, mode="report"),
            exceeded("api_calls", limit=100, consumed=115, requested=55),
            recorded("api_calls", 5, overage=5),
        )
    )


def test_strict_usage_between_limit_and_hard_limit_is_recorded_as_overage() -> None:
    (
        given(pool_with(quota("api_calls", 100, hard_limit=120)), used("api_calls", 95))
        .when(used("api_calls", 20), used("api_calls", 6))
        .then(
            recorded("api_calls", 20, overage=15),
            exceeded("api_calls", consumed=115),
            refused_line("api_calls", remaining=5),
        )
    )


def test_unlimited_usage_is_never_refused_nor_overage() -> None:
    (
        given(pool_with(quota("api_calls", None)))
        .when(used("api_calls", QUANTITY_MAX), used("api_calls", QUANTITY_MAX, "report"))
        .then(recorded("api_calls", QUANTITY_MAX, overage=0), recorded("api_calls", QUANTITY_MAX, overage=0))
    )


def test_what_is_not_conferred_any_more_is_refused() -> None:
    (
        given(pool_with(quota("api_calls", 100)), end_provision())
        .when(used("api_calls", 1))
        .then(refused_line("api_calls", code="not_entitled", remaining=-1))
        .lines((0, NotEntitled, -1))
    )


def test_a_quota_of_nothing_refuses_everything() -> None:
    given(pool_with(quota("api_calls", 0))).when(used("api_calls", 1)).lines((0, QuotaIsExceeded, 0))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (line("unheard_of", 1), UnknownKey),
        (line("", 1), UnknownKey),
        (line("sso", 1), KeyIsNotMetered),
        (line("api_calls", 0), InvalidQuantity),
        (line("api_calls", -1), InvalidQuantity),
        (line("api_calls", QUANTITY_MAX + 1), InvalidQuantity),
        (line("api_calls", -(2**63)), InvalidQuantity),
        (line("api_calls", 1, usage_id="x" * 129), InvalidId),
        (line("api_calls", 1, usage_id="a\0b"), InvalidId),
        (line("api_calls", 1) | {"occurred_at": -1}, InvalidInstant),
        (line("api_calls", 1) | {"occurred_at": 2**62}, InvalidInstant),
        (line("api_calls", 1, occurred_at=NOON + hours(1)), InvalidInstant),
    ],
)
@pytest.mark.parametrize("mode", ["strict", "report"])
def test_a_line_that_is_invalid_is_refused_and_the_others_count(bad: UsageLine, reason: type, mode: str) -> None:
    bad = bad | {"mode": mode}  # type: ignore[assignment]
    story = given(pool_with(quota("api_calls", None), feature("sso"))).when(record_usage(line(), bad, line()))
    story.lines((1, reason, -1), accepted=2)
    assert story.consumed("api_calls") == 2


def test_refused_lines_can_be_stored_whatever_they_held() -> None:
    bad = line("a\0b" * 100, 1, workspace_id="\0" * 500, usage_id="y" * 200) | {"occurred_at": 2**62}
    story = given(pool_with(quota())).when(record_usage(bad))
    (event,) = story.happened
    (told,) = event.lines  # type: ignore[attr-defined]
    assert all(
        "\0" not in told[name] and len(told[name]) <= 128 for name in ("resource_key", "workspace_id", "usage_id")
    )
    assert told["occurred_at"] == NOON_MS


def test_sums_that_could_not_be_counted_are_refused() -> None:
    largest = line("bytes", QUANTITY_MAX, "report")
    story = given(pool_with(limit("bytes", None))).when(record_usage(*[largest] * 600))
    story.lines(*((at, InvalidQuantity, -1) for at in range(511, 600)), accepted=511)
    assert story.consumed("bytes") == 511 * QUANTITY_MAX < 2**62


def test_usage_of_an_unknown_pool_is_refused() -> None:
    given().when(record_usage()).refused(UnknownPool)


# --- When it occurred ----------------------------------------------------------------------------------------------------


def test_callers_clocks_may_be_ahead_by_a_little() -> None:
    ahead = CLOCK_SKEW_MS_MAX * MILLISECOND
    story = given(pool_with(quota()))
    story.when(used("api_calls", 1, occurred_at=NOON + ahead)).lines(accepted=1)
    story.when(used("api_calls", 1, occurred_at=NOON + ahead + MILLISECOND)).lines((0, InvalidInstant, -1))


def test_usage_ahead_of_the_clock_counts_in_the_period_of_the_decision() -> None:
    story = given(pool_with(quota("api_calls", 10)), hours(12) - MILLISECOND)
    story.when(used("api_calls", 4, occurred_at=NOON + hours(12) + MILLISECOND)).lines(accepted=1)
    story.when(used("api_calls", 7)).lines((0, QuotaIsExceeded, 6))


def test_usage_earlier_in_the_period_counts_in_it() -> None:
    (
        given(pool_with(quota("api_calls", 10)))
        .when(used("api_calls", 4, occurred_at=NOON - hours(12)))
        .then(recorded("api_calls", 4, late=False, occurred_at=NOON_MS - 43_200_000, recorded_at=NOON_MS))
    )


def test_reported_usage_of_a_closed_period_is_recorded_late_and_changes_no_total() -> None:
    story = (
        given(pool_with(quota("api_calls", 10)), used("api_calls", 9))
        .when(used("api_calls", 400, "report", occurred_at=NOON - hours(13)))
        .then(happens("UsageRecorded", lines=[{"quantity": 400, "late": True, "overage": 0}], totals=[]))
    )
    assert story.consumed("api_calls") == 9


def test_strict_usage_of_a_closed_period_is_refused() -> None:
    (
        given(pool_with(quota("api_calls", 10)))
        .when(used("api_calls", 1, occurred_at=NOON - hours(13)))
        .then(refused_line("api_calls", code="period_is_closed"))
        .lines((0, PeriodIsClosed, -1))
    )


def test_what_is_held_has_no_period_and_is_never_late() -> None:
    (
        given(pool_with(limit("seats", 5)))
        .when(used("seats", 1, occurred_at=NOON - days(700)))
        .then(recorded("seats", 1, late=False))
    )


# --- Told once per period ------------------------------------------------------------------------------------------------


def test_the_soft_limit_warns_once_in_a_period_when_it_is_reached() -> None:
    (
        given(pool_with(quota("api_calls", 100, soft_limit=80)))
        .when(used("api_calls", 79), used("api_calls", 1), used("api_calls", 5), used("api_calls", 5))
        .then(
            recorded("api_calls", 79),
            recorded("api_calls", 1),
            warned(
                "api_calls",
                soft_limit=80,
                consumed=80,
                period_start=instant_after_noon(hours(-12)),
                period_end=instant_after_noon(hours(12)),
            ),
            recorded("api_calls", 5),
            recorded("api_calls", 5),
        )
    )


def test_one_line_may_warn_and_exceed() -> None:
    (
        given(pool_with(quota("api_calls", 100, soft_limit=80)))
        .when(used("api_calls", 130, "report"))
        .then(recorded("api_calls", 130, overage=30), warned(consumed=130), exceeded(consumed=130))
    )


def test_exceeding_is_told_once_in_a_period() -> None:
    (
        given(pool_with(quota("api_calls", 10)))
        .when(used("api_calls", 11), used("api_calls", 12), used("api_calls", 11, "report"))
        .then(
            refused_line("api_calls"),
            exceeded("api_calls", consumed=0, requested=11),
            refused_line("api_calls"),
            recorded("api_calls", 11, overage=1),
        )
    )


def test_warning_and_exceeding_are_told_anew_in_the_next_period() -> None:
    story = given(pool_with(quota("api_calls", 10, soft_limit=8)), used("api_calls", 10), used("api_calls", 1))
    story.when(days(1), used("api_calls", 9), used("api_calls", 2)).happened_so(
        happens("QuotaReset", consumed=10),
        recorded("api_calls", 9),
        warned(consumed=9),
        refused_line("api_calls", remaining=1),
        exceeded(consumed=9),
    )


def test_a_raised_quota_is_not_told_again_in_the_same_period() -> None:
    (
        given(pool_with(quota("api_calls", 10)), used("api_calls", 10), used("api_calls", 1, "report"))
        .when(provision_pool("extra", quota("api_calls", 5)), used("api_calls", 9))
        .happened_so(
            happens("ProvisionScheduled"),
            happens("ProvisionStarted"),
            happens("EntitlementsChanged"),
            happens("OveragePaid"),
            refused_line(),
        )
    )


def test_lines_of_one_event_have_one_actor() -> None:
    """Commands decided at one go share an event of lines only as far as one actor sent them."""
    pool = given(pool_with(quota("api_calls", 100))).pool
    for actor, quantity in (("ann", 1), ("ann", 2), ("bob", 3), ("ann", 1_000), ("ann", 4)):
        decide(pool, record_usage(line("api_calls", quantity), actor=actor), NOON_MS)
    told = [
        (type(e).__name__, e.actor, [each["quantity"] for each in e.lines])
        for e in pool.take_events()
        if hasattr(e, "lines")
    ]  # type: ignore[attr-defined]
    assert told == [
        ("UsageRecorded", "ann", [1, 2]),
        ("UsageRecorded", "bob", [3]),
        ("UsageRefused", "ann", [1_000]),
        ("UsageRecorded", "ann", [4]),
    ]
