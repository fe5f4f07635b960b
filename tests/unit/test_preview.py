"""Preview: a changed set over real histories. Who would gain, who would lose, and does an unchanged one change nothing?"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "domain"))
from generated_whole import whole_history
from specification import given, hours, pool_with, used
from test_properties import Life

from entitlements import examples as ask
from entitlements import examples_of_terms as terms
from entitlements.domain.aggregate import Event
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pools import ResourcePool
from entitlements.domain.values import Rule
from entitlements.scenarios.preview import KeyOutcome, Preview

CALLS = ask.quota("api_calls", 100)


def previewed(history: list[Event], *rules: Rule, set_id: str = "free") -> Preview:
    preview = Preview(set_id, list(rules))
    for event in history:
        preview.take([event])
    return preview


def outcome(history: list[Event], *rules: Rule) -> KeyOutcome:
    (found,) = previewed(history, *rules).outcomes()
    return found


def story(*steps: Any) -> list[Event]:
    return given(pool_with(CALLS, set_id="free"), *steps).history


def test_a_larger_amount_is_a_gain_and_what_was_refused_is_not_any_more() -> None:
    found = outcome(story(used("api_calls", 90), used("api_calls", 20)), replace(CALLS, amount=120))
    assert (found.gains, found.loses) == (True, False)
    assert (found.limit_before, found.limit_after) == (100, 120)
    assert (found.before.refused, found.after.refused) == (20, 0)


def test_a_smaller_amount_is_a_loss_although_nothing_was_refused_then() -> None:
    found = outcome(story(used("api_calls", 60), used("api_calls", 30, "report")), replace(CALLS, amount=70))
    assert (found.gains, found.loses) == (False, True)
    assert (found.before.overage, found.after.overage) == (0, 20)


def test_who_gains_a_limit_and_loses_by_a_longer_period_does_both() -> None:
    """150 in a week are more than 100 in a day, and less than 100 on each of two days."""
    history = story(used("api_calls", 90), hours(24), used("api_calls", 90))
    found = outcome(history, replace(CALLS, amount=150, period="week"))
    assert (found.gains, found.loses) == (True, True)


def test_a_feature_that_is_added_is_a_gain_and_one_that_goes_a_loss() -> None:
    added = outcome(story(), CALLS, ask.feature("sso"))
    assert (added.resource_key, added.gains, added.loses) == ("sso", True, False)
    history = given(pool_with(CALLS, ask.feature("sso"), set_id="free")).history
    gone = outcome(history, CALLS)
    assert (gone.resource_key, gone.gains, gone.loses) == ("sso", False, True)


def test_pools_without_the_set_are_not_spoken_of() -> None:
    preview = previewed(story(), replace(CALLS, amount=1), set_id="pro")
    assert (preview.count(), list(preview.outcomes())) == (0, [])


def test_a_revision_is_previewed_as_the_set_would_be() -> None:
    revised = terms.revise_provision(replace(CALLS, amount=10), set_version=2)
    found = outcome(story(revised), replace(CALLS, amount=120))
    assert (found.limit_before, found.limit_after) == (10, 120)


def test_what_cannot_be_is_said() -> None:
    """The other provision has api_calls by the day; the changed set has it as something that is held."""
    history = story(ask.provision_pool("other", CALLS, source="purchase", set_id="add-on"))
    preview = previewed(history, ask.limit("api_calls", 5))
    assert preview.refusals() == {ask.POOL: {"rules_conflict": 1}}


def _counts(held: Entitlement) -> Any:
    return held.consumed, held.elsewhere, held.reserved, held.limit, held.hard_limit, held.value


@pytest.mark.parametrize("seed", range(60))
def test_deciding_anew_what_was_asked_leads_to_what_is(seed: int) -> None:
    """A history that is replayed unchanged leads to the same limits and counts: so a difference is the set's."""
    life = Life()
    for logged in whole_history(Random(seed), 40):
        life.decide(logged)
    preview = Preview("free", [])
    preview.take(life.events)
    pool = life.pool
    assert isinstance(pool, ResourcePool)
    replayed = preview._histories[pool.id].actual.pool
    assert replayed is not None
    assert {key: _counts(held) for key, held in replayed.entitlements.items()} == {
        key: _counts(held) for key, held in pool.entitlements.items()
    }
