"""Plan ladders: at most one provision of a pool occupies a ladder at any time."""

from typing import Any

import pytest
from specification import days, entitlements_changed, given, happens, has, hours, used

from entitlements.domain.commands import ProvisionPool
from entitlements.domain.errors import InvalidId, LadderIsOccupied
from entitlements.examples import (
    NOON,
    end_provision,
    open_pool,
    provision_pool,
    quota,
    resume_provision,
    suspend_provision,
)


def plan(name: str, amount: int = 100, **more: Any) -> ProvisionPool:
    facts: dict[str, Any] = {"ladder": "plans", "rung": 1}
    return provision_pool(name, quota("api_calls", amount), **(facts | more))


def test_a_second_plan_on_a_ladder_is_refused() -> None:
    given(open_pool(), plan("free")).when(plan("pro")).refused(LadderIsOccupied)


def test_plans_on_different_ladders_and_on_none_stand_side_by_side() -> None:
    (
        given(
            open_pool(), plan("free", 1), plan("addon", 10, ladder="addons"), plan("gift", 100, ladder=None, rung=None)
        )
        .when(plan("another gift", 1000, ladder=None, rung=None))
        .then(happens("ProvisionScheduled"), happens("ProvisionStarted"), entitlements_changed(has("api_calls", 1111)))
    )


@pytest.mark.parametrize(
    ("starts_after", "ends_after", "occupied"),
    [
        (1, 10, False),  # Up to it.
        (1, 11, True),  # Into it.
        (12, 13, True),  # Within.
        (5, 25, True),  # Around it.
        (19, 21, True),  # Out of it.
        (15, None, True),
        (20, 21, False),  # From its end on.
        (20, None, False),
        (0, None, True),
    ],
)
def test_a_scheduled_plan_occupies_its_ladder_for_its_period(
    starts_after: int,
    ends_after: int | None,
    occupied: bool,  # noqa: FBT001  A column of the table above.
) -> None:
    story = given(open_pool(), plan("booked", starts_at=NOON + days(10), ends_at=NOON + days(20)))
    ends_at = None if ends_after is None else NOON + days(ends_after)
    story.when(plan("another", starts_at=NOON + days(starts_after), ends_at=ends_at))
    assert isinstance(story.refusal, LadderIsOccupied) == occupied
    assert (story.refusal is None) == (not occupied)


def test_a_suspended_plan_still_occupies_its_ladder() -> None:
    given(open_pool(), plan("free"), suspend_provision("free")).when(plan("pro")).refused(LadderIsOccupied)


def test_a_plan_that_is_over_leaves_its_ladder() -> None:
    (
        given(open_pool(), plan("free", ends_at=NOON + hours(1)), hours(1))
        .when(plan("pro", 500))
        .then(
            happens("ProvisionEnded", provision_id="free", timestamp=NOON + hours(1)),
            entitlements_changed({"resource_key": "api_calls", "after": None}),
            happens("ProvisionScheduled", provision_id="pro"),
            happens("ProvisionStarted", provision_id="pro"),
            entitlements_changed(has("api_calls", 500)),
        )
    )


def test_a_plan_follows_another_without_a_gap() -> None:
    upgrade = NOON + hours(3)
    (
        given(open_pool(), plan("free", 100, ends_at=upgrade), plan("pro", 500, rung=2, starts_at=upgrade))
        .when(hours(4), used("api_calls", 200))
        .then(
            happens("ProvisionEnded", provision_id="free", timestamp=upgrade),
            happens("ProvisionStarted", provision_id="pro", timestamp=upgrade),
            entitlements_changed(has("api_calls", 500), timestamp=upgrade),
            happens("UsageRecorded"),
        )
    )


def test_what_was_consumed_stays_consumed_over_an_upgrade() -> None:
    story = given(
        open_pool(), plan("free", 100), used("api_calls", 90), end_provision("free"), plan("pro", 500, rung=2)
    )
    story.when(used("api_calls", 411)).happened_so(
        happens("UsageRefused", lines=[{"remaining": 410}]), happens("QuotaExceeded", consumed=90, limit=500)
    )


def test_a_plan_cannot_be_prolonged_into_its_successor() -> None:
    story = given(open_pool(), plan("free", ends_at=NOON + days(10)), plan("pro", starts_at=NOON + days(12)))
    story.when(end_provision("free", ends_at=NOON + days(13))).refused(LadderIsOccupied)
    story.when(end_provision("free", ends_at=NOON + days(12))).then(happens("ProvisionEndScheduled"))


def test_a_plan_can_be_prolonged_when_its_successor_is_called_off() -> None:
    (
        given(open_pool(), plan("free", ends_at=NOON + days(10)), plan("pro", starts_at=NOON + days(12)))
        .when(end_provision("pro"), end_provision("free", ends_at=NOON + days(13)))
        .then(happens("ProvisionEnded"), happens("ProvisionEndScheduled"))
    )


def test_a_resumed_plan_has_its_ladder_to_itself() -> None:
    (
        given(open_pool(), plan("free", 100), suspend_provision("free"))
        .when(resume_provision("free"))
        .then(happens("ProvisionResumed"), entitlements_changed(has("api_calls", 100)))
    )


def test_a_ladder_has_a_name() -> None:
    given(open_pool()).when(plan("free", ladder="")).refused(InvalidId)
