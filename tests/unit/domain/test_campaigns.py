"""Campaigns: what they confer and on whom; the grants on the pools follow."""

from __future__ import annotations

from specification import Happens, days, given

from entitlements.domain import campaigns
from entitlements.domain.errors import CampaignIsActive, InvalidId, InvalidInstant, InvalidRules, TooManyPools
from entitlements.examples import NOON
from entitlements.examples_of_governance import (
    activate_campaign,
    change_campaign_pools,
    deactivate_campaign,
    define_campaign,
)


def test_each_activation_has_a_number_of_its_own() -> None:
    story = given(define_campaign(), activate_campaign(), deactivate_campaign()).when(activate_campaign())
    story.then(Happens("CampaignActivated", {"activation": 2}))


def test_pools_come_and_go_while_it_is_active() -> None:
    story = given(define_campaign(), change_campaign_pools(["a", "b"]), activate_campaign())
    story.when(change_campaign_pools(["b", "c", "c"], remove=["a", "unheard-of"])).then(
        Happens("CampaignPoolsChanged", {"added": ["c"], "removed": ["a"]})
    )


def test_what_is_active_stays_as_it_is() -> None:
    given(define_campaign(), activate_campaign()).when(define_campaign(priority=3)).refused(CampaignIsActive)
    story = given(define_campaign(), activate_campaign(), deactivate_campaign()).when(define_campaign(priority=3))
    story.then(Happens("CampaignDefined", {"priority": 3, "starts_at": NOON}))


def test_a_campaign_that_is_over_is_not_activated() -> None:
    given(define_campaign()).when(days(31), activate_campaign()).refused(InvalidInstant)
    given().when(define_campaign(ends_at=NOON)).refused(InvalidInstant)


def test_what_cannot_be_conferred_is_refused_at_once() -> None:
    given().when(define_campaign(rules=[])).refused(InvalidRules)


def test_its_id_leaves_room_for_the_names_of_its_grants() -> None:
    given().when(define_campaign(campaign_id="c" * 101)).refused(InvalidId)
    given().when(define_campaign(campaign_id="spring#1")).refused(InvalidId)


def test_pools_are_named_by_ids_and_not_without_bound() -> None:
    given(define_campaign()).when(change_campaign_pools([""])).refused(InvalidId)
    many = [f"p-{at}" for at in range(campaigns.POOLS_PER_COMMAND_MAX + 1)]
    given(define_campaign()).when(change_campaign_pools(many)).refused(TooManyPools)
