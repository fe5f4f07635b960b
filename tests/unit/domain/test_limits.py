"""Limits: what is held at once, and given back."""

import pytest
from specification import days, exceeded, given, happens, pool_with, recorded, refused_line, used, warned

from entitlements.domain.errors import (
    InvalidQuantity,
    KeyIsNotHeld,
    MoreThanIsHeld,
    PoolIsClosed,
    QuotaIsExceeded,
    UnknownKey,
    UnknownPool,
)
from entitlements.examples import (
    close_pool,
    end_provision,
    feature,
    limit,
    provision_pool,
    quota,
    release_usage,
    resume_pool,
    suspend_pool,
)
from entitlements.examples_of_terms import commit_reservation, reserve_usage, revise_provision


def test_what_is_held_is_given_back_and_can_be_used_again() -> None:
    story = (
        given(pool_with(limit("seats", 5)), used("seats", 5))
        .when(release_usage("seats", 2))
        .then(
            happens(
                "UsageReleased",
                resource_key="seats",
                quantity=2,
                total={"resource_key": "seats", "period_start": None, "period_end": None, "consumed": 3},
                actor="alice",
            )
        )
    )
    story.when(used("seats", 3)).lines((0, QuotaIsExceeded, 2))
    story.when(used("seats", 2)).lines(accepted=1)


def test_what_is_held_is_held_for_ever() -> None:
    story = given(pool_with(limit("seats", 5)), used("seats", 4))
    story.when(days(400), used("seats", 2)).lines((0, QuotaIsExceeded, 1))


def test_a_repeat_of_a_release_under_its_key_is_harmless() -> None:
    release = release_usage("seats", 2, idempotency_key="r-1")
    story = given(pool_with(limit("seats", 5)), used("seats", 5), release)
    story.when(release).then_repeated()
    assert story.consumed("seats") == 3


def test_more_than_is_held_cannot_be_given_back() -> None:
    given(pool_with(limit("seats", 5)), used("seats", 2)).when(release_usage("seats", 3)).refused(MoreThanIsHeld)
    given(pool_with(limit("seats", 5))).when(release_usage("seats", 1)).refused(MoreThanIsHeld)


def test_only_what_is_held_can_be_given_back() -> None:
    story = given(pool_with(quota("api_calls", 5), feature("sso")), used("api_calls", 2))
    story.when(release_usage("api_calls", 1)).refused(KeyIsNotHeld)
    story.when(release_usage("sso", 1)).refused(KeyIsNotHeld)
    story.when(release_usage("unheard_of", 1)).refused(UnknownKey)


@pytest.mark.parametrize("quantity", [0, -1, 2**53 + 1])
def test_no_and_too_large_quantities_cannot_be_given_back(quantity: int) -> None:
    given(pool_with(limit("seats", 5)), used("seats", 2)).when(release_usage("seats", quantity)).refused(
        InvalidQuantity
    )


def test_nothing_is_given_back_to_a_closed_or_unknown_pool() -> None:
    given(pool_with(limit("seats", 5)), used("seats", 2), close_pool()).when(release_usage()).refused(PoolIsClosed)
    given().when(release_usage()).refused(UnknownPool)


def test_what_is_held_can_be_given_back_after_it_is_conferred_no_more() -> None:
    story = given(pool_with(limit("seats", 5)), used("seats", 2), end_provision())
    story.when(release_usage("seats", 2)).then(happens("UsageReleased"), happens("OverAllocationEnded"))
    given(pool_with(limit("seats", 5)), used("seats", 2), suspend_pool()).when(release_usage("seats", 2)).then(
        happens("UsageReleased"), happens("OverAllocationEnded")
    )


def test_a_limit_regained_still_holds_what_was_held() -> None:
    story = given(
        pool_with(limit("seats", 5)), used("seats", 4), end_provision(), provision_pool("p-2", limit("seats", 6))
    )
    story.when(used("seats", 3)).lines((0, QuotaIsExceeded, 2))


def test_thresholds_of_a_limit_are_told_without_a_period() -> None:
    (
        given(pool_with(limit("seats", 5, soft_limit=4)))
        .when(used("seats", 4), used("seats", 2))
        .then(
            recorded("seats", 4),
            warned("seats", period_start=None, period_end=None),
            refused_line("seats", remaining=1),
            exceeded("seats", period_start=None, period_end=None, consumed=4, requested=2),
        )
    )


def test_whoever_gave_back_is_told_again_when_a_threshold_is_reached_again() -> None:
    (
        given(pool_with(limit("seats", 5, soft_limit=4)), used("seats", 6, "report"))
        .when(
            used("seats", 1, "report"), release_usage("seats", 4), used("seats", 1), used("seats", 1), used("seats", 1)
        )
        .then(
            recorded("seats", 1, overage=1),  # Told already.
            happens("UsageReleased"),
            happens("OverAllocationEnded", held=3),
            recorded("seats", 1),
            warned("seats", consumed=4),
            recorded("seats", 1),
            refused_line("seats"),
            exceeded("seats", consumed=5),
        )
    )


def test_that_more_is_held_than_there_is_is_told_when_it_begins_and_not_when_some_is_given_back() -> None:
    story = given(pool_with(limit("seats", 5)), reserve_usage(3, resource_key="seats"), used("seats", 2))
    story.when(revise_provision(limit("seats", 4)), commit_reservation(3)).then(
        happens("ProvisionRevised"),
        happens("EntitlementsChanged"),
        happens("ReservationCommitted"),
        recorded("seats", 3, overage=1),
        exceeded("seats", limit=4, consumed=5),
        happens("LimitOverAllocated", held=5, limit=4),
    )
    story.when(used("seats", 2, "report")).then(recorded("seats", 2, overage=2))
    story.when(release_usage("seats", 2)).then(happens("UsageReleased"))
    story.when(release_usage("seats", 1)).then(happens("UsageReleased"), happens("OverAllocationEnded", held=4))


def test_whoever_is_given_more_is_told_when_that_is_reached() -> None:
    (
        given(pool_with(limit("seats", 5)), used("seats", 6, "report"), provision_pool("extra", limit("seats", 5)))
        .when(used("seats", 5))
        .then(refused_line("seats", remaining=4), exceeded("seats", limit=10, consumed=6))
    )


def test_whoever_is_above_the_limit_is_not_told_again_because_the_pool_was_suspended() -> None:
    (
        given(pool_with(limit("seats", 5)), used("seats", 6, "report"), suspend_pool(), resume_pool())
        .when(used("seats", 1))
        .then(refused_line("seats", remaining=0))
    )
