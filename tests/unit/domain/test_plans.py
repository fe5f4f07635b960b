"""Plans: each change is one decision. Whatever would be refused in it is refused before anything has happened."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from specification import Happens, days, given, hours, used

from entitlements.domain.errors import (
    InvalidCommand,
    InvalidPeriod,
    InvalidQuantity,
    InvalidRules,
    LadderIsOccupied,
    RulesConflict,
    TooManyProvisions,
)
from entitlements.domain.pools import PROVISIONS_MAX
from entitlements.domain.values import QUANTITY_MAX
from entitlements.examples import NOON, end_provision, limit, open_pool, provision_pool, quota
from entitlements.examples_of_terms import allocate_limit, change_defaults, change_plan, start_trial

PRO = quota("api_calls", 200)
OLD = [open_pool(), provision_pool("old", quota("api_calls", 10), ladder="plans", rung=1, billing_period="month")]


@pytest.mark.parametrize("when", ["now", "period_end"])
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"billing_period": "nonsense"}, InvalidPeriod),
        ({"rules": []}, InvalidRules),
        ({"rules": [limit("exports")]}, RulesConflict),
    ],
)
def test_a_plan_that_cannot_be_leaves_the_present_one_alone(when: str, wrong: dict[str, Any], reason: Any) -> None:
    """A purchase that stays holds exports as a quota."""
    bought = provision_pool("bought", quota("exports", 1), source="purchase")
    plan = change_plan("new", **{"rules": [PRO], "ladder": "plans", "rung": 2, "when": when} | wrong)
    given(OLD, bought).when(plan).refused(reason)


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 2**62])
def test_a_number_that_its_event_cannot_hold_is_refused(number: int) -> None:
    """Avro's writer takes it in a command: it would be found out only when the frame of the decision is written, or by its readers.

    Postgres' takes it too, and keeps another.
    """
    started = given(open_pool())
    started.when(change_plan("new", ladder="plans", rung=number)).refused(InvalidCommand)
    started.when(change_plan("new", ladder="plans", rung=1, set_version=number)).refused(InvalidCommand)
    started.when(start_trial(then_rung=number)).refused(InvalidCommand)
    started.when(start_trial(then_set_version=number)).refused(InvalidCommand)
    started.when(provision_pool("p", set_version=number)).refused(InvalidCommand)
    started.when(provision_pool("p", priority=number)).refused(InvalidCommand)


def test_what_is_scheduled_does_not_hide_what_runs() -> None:
    """Whoever comes beside must agree with all that have the key, not with the next plan alone."""
    monthly = change_plan("next", quota("api_calls", 9, period="month"), ladder="plans", rung=2, when="period_end")
    add_on = provision_pool("add-on", quota("api_calls", 30, period="month"), source="purchase")
    given(OLD, monthly).when(add_on).refused(RulesConflict)


def test_defaults_are_of_the_same_kind_as_what_is_conferred() -> None:
    given(OLD).when(change_defaults(limit("api_calls"))).refused(RulesConflict)
    given(open_pool(defaults=[limit("api_calls")])).when(OLD[1]).refused(RulesConflict)


def test_what_was_held_of_a_limit_is_forgotten_when_the_key_is_something_else() -> None:
    seats = [
        open_pool(),
        provision_pool("one", limit("seats", 5)),
        allocate_limit(3, holder_id="ann"),
        end_provision("one"),
    ]
    story = given(seats, provision_pool("two", quota("seats", 10)), end_provision("two")).when(
        provision_pool("three", limit("seats", 5)), allocate_limit(5)
    )
    assert (story.consumed("seats"), story.pool.holders) == (5, {})


def test_the_plan_that_ends_first_burns_first_as_soon_as_that_is_known() -> None:
    add_on = provision_pool("add-on", quota("api_calls", 9), source="purchase", ends_at=NOON + days(60))
    down = change_plan("down", quota("api_calls", 5), ladder="plans", rung=0, when="period_end")
    story = given(OLD, add_on, down).when(used("api_calls", 1))
    assert [b.consumed for b in story.pool.entitlements["api_calls"].buckets if b.provision_id == "old"] == [1]


def test_why_a_plan_was_changed_is_told() -> None:
    up = change_plan("up", PRO, ladder="plans", rung=2, when="now", reason="the team has grown")
    given(OLD).when(up).happened_so(
        Happens("ProvisionEnded", {"reason": "replaced", "note": "the team has grown"}),
        *(Happens(name, {}) for name in ("ProvisionScheduled", "ProvisionStarted", "EntitlementsChanged")),
    )


def test_a_downgrade_takes_effect_when_the_billing_period_ends() -> None:
    down = change_plan("down", quota("api_calls", 5), ladder="plans", rung=0, when="period_end")
    story = given(OLD, used("api_calls", 8)).when(down)
    assert [p.ends_at for p in story.pool.provisions.values() if p.provision_id == "old"] != [None]
    assert story.pool.entitlements["api_calls"].limit == 10
    story.when(timedelta(days=31), used("api_calls", 5), used("api_calls", 1))
    assert story.consumed("api_calls") == 5


def test_an_upgrade_keeps_what_was_consumed() -> None:
    story = given(OLD, used("api_calls", 8)).when(change_plan("up", PRO, ladder="plans", rung=2, when="now"))
    assert [type(event).__name__ for event in story.happened] == [
        "ProvisionEnded", "ProvisionScheduled", "ProvisionStarted", "EntitlementsChanged",
    ]  # fmt: skip
    assert story.pool.entitlements["api_calls"].included_left == 192


def test_a_trial_that_cannot_be_followed_does_not_begin() -> None:
    later = provision_pool("later", PRO, ladder="plans", rung=3, starts_at=NOON + days(60))
    trial = start_trial(ends_at=NOON + days(14))
    given(open_pool(), later).when(trial).refused(LadderIsOccupied)


@pytest.mark.parametrize("quantity", [0, -1, QUANTITY_MAX + 1])
def test_a_trial_is_followed_by_some_of_a_plan(quantity: int) -> None:
    """The read models hold no other: their projector would stop at it, for everybody."""
    given(open_pool()).when(start_trial(then_quantity=quantity)).refused(InvalidQuantity)


def test_a_trial_needs_room_for_both() -> None:
    many = [
        provision_pool(f"p-{at}", quota("exports", 1), source="purchase", starts_at=NOON + days(400))
        for at in range(PROVISIONS_MAX - 1)
    ]
    given(open_pool(), many).when(start_trial(ends_at=NOON + days(14))).refused(TooManyProvisions)


def test_a_trial_and_what_follows_it_confer_a_key_in_the_same_way() -> None:
    trial = start_trial(rules=[quota("exports", 1)], then_rules=[limit("exports")], ends_at=NOON + days(14))
    given(open_pool()).when(trial).refused(RulesConflict)


def test_a_trial_ends_in_the_next_rung_by_itself() -> None:
    trial = start_trial(
        rules=[quota("api_calls", 50)], then_rules=[quota("api_calls", 5)], ends_at=NOON + hours(1),
    )  # fmt: skip
    story = given(open_pool(), trial, used("api_calls", 3)).when(hours(2), used("api_calls", 2), used("api_calls", 1))
    story.happened_so(
        Happens("ProvisionEnded", {"reason": "expired"}),
        Happens("ProvisionStarted", {}),
        Happens("EntitlementsChanged", {}),
        Happens("UsageRecorded", {}),
        Happens("UsageRefused", {}),
        Happens("QuotaExceeded", {"limit": 5, "consumed": 5}),
    )
