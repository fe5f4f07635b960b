"""Campaigns: a set conferred on many pools for a window, activated and deactivated.

A campaign knows what it wants; the policies issue and revoke the grants on the pools until they are so.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, ClassVar, Final

from entitlements.domain.aggregate import Aggregate, AggregateType, Event, begin
from entitlements.domain.errors import (
    CampaignIsActive,
    InvalidCommand,
    InvalidId,
    InvalidInstant,
    TooManyPools,
    UnknownCampaign,
)
from entitlements.domain.governance_commands import (
    ActivateCampaign,
    ChangeCampaignPools,
    DeactivateCampaign,
    DefineCampaign,
)
from entitlements.domain.rules import check_amounts, check_rules
from entitlements.domain.values import Rule, is_id

#: Between a campaign and the number of its activation in the ids of its grants (~spring#1), which leave room for both. They begin as all
#: ids that we derive do (ids.py), and no other of those has the mark.
GRANT_MARK: Final = "#"
ID_CHARACTERS_MAX: Final = 100
#: Pools of one campaign, and of one command about it.
POOLS_MAX: Final = 50_000
POOLS_PER_COMMAND_MAX: Final = 5_000


class Campaign(Aggregate):
    """What is conferred on whom, and whether it is now."""

    aggregate_type = "campaign"

    def __init__(self, opened: CampaignDefined) -> None:
        super().__init__(opened)
        self.pools: dict[str, None] = {}
        self.is_active = False
        #: How often it was activated: each time its grants are others.
        self.activation = 0
        self.describe(opened)

    def describe(self, defined: CampaignDefined) -> None:
        """Take a definition."""
        self.name, self.reason, self.priority = defined.name, defined.reason, defined.priority
        self.set_id, self.set_version, self.rules = defined.set_id, defined.set_version, defined.rules
        self.quantity, self.starts_at, self.ends_at = defined.quantity, defined.starts_at, defined.ends_at


class CampaignEvent(Event):
    """A fact about one campaign, and the command that caused it."""

    aggregate_type: ClassVar[AggregateType] = "campaign"

    command_id: str


class CampaignDefined(CampaignEvent):
    """A campaign was defined, or redefined."""

    name: str
    set_id: str
    set_version: int
    rules: list[Rule]
    quantity: int
    priority: int
    starts_at: datetime
    ends_at: datetime
    reason: str
    actor: str

    def mutate(self, aggregate: Campaign | None) -> Campaign | None:  # type: ignore[override]
        return Campaign.opened_by(self) if aggregate is None else super().mutate(aggregate)

    def apply(self, aggregate: Campaign) -> None:
        aggregate.describe(self)


class CampaignPoolsChanged(CampaignEvent):
    """Pools were added to a campaign, or removed from it."""

    added: list[str]
    removed: list[str]
    actor: str

    def apply(self, aggregate: Campaign) -> None:
        for pool_id in self.removed:
            del aggregate.pools[pool_id]
        aggregate.pools.update(dict.fromkeys(self.added))


class CampaignActivated(CampaignEvent):
    """The campaign was activated: its set is granted to its pools."""

    activation: int
    actor: str

    def apply(self, aggregate: Campaign) -> None:
        aggregate.is_active, aggregate.activation = True, self.activation


class CampaignDeactivated(CampaignEvent):
    """The campaign was deactivated: its grants are revoked."""

    reason: str
    actor: str

    def apply(self, aggregate: Campaign) -> None:
        aggregate.is_active = False


def define_campaign(held: Campaign | None, command: DefineCampaign, now: datetime) -> Campaign:
    """Define a campaign, or define an inactive one anew."""
    if len(command.campaign_id) > ID_CHARACTERS_MAX or GRANT_MARK in command.campaign_id:
        raise InvalidId(
            f"a campaign id has at most {ID_CHARACTERS_MAX} characters and no {GRANT_MARK}, because grant ids are derived from it"
        )
    if not command.reason.strip():
        raise InvalidCommand("a campaign needs a reason")
    check_rules(command.rules)
    check_amounts(command.rules, command.quantity)
    known_start = held.starts_at if held is not None else now
    starts_at = command.starts_at or known_start
    facts: dict[str, Any] = {
        field.name: getattr(command, field.name)
        for field in fields(DefineCampaign)
        if field.name in ("name", "set_id", "set_version", "rules", "quantity", "priority", "ends_at", "reason")
    } | {"starts_at": starts_at}
    if held is not None and all(getattr(held, name) == fact for name, fact in facts.items()):
        return held
    if command.ends_at <= max(starts_at, now):
        raise InvalidInstant(f"ends_at {command.ends_at.isoformat()} must be after its start and after now")
    if held is None:
        opening = CampaignDefined(
            originator_id=command.campaign_id,
            originator_version=Campaign.INITIAL_VERSION,
            timestamp=now,
            command_id=command.command_id,
            actor=command.actor,
            **facts,
        )
        return begin(opening, Campaign)
    if held.is_active:
        raise CampaignIsActive(command.campaign_id)
    held.happen(CampaignDefined, now, **facts, actor=command.actor)
    return held


def change_campaign_pools(held: Campaign | None, command: ChangeCampaignPools, now: datetime) -> Campaign:
    """Add and take out pools; those of an active campaign get or lose what it confers."""
    if held is None:
        raise UnknownCampaign(command.campaign_id)
    if len(command.add) + len(command.remove) > POOLS_PER_COMMAND_MAX:
        raise TooManyPools(f"the maximum is {POOLS_PER_COMMAND_MAX} pools per command")
    wrong = [pool_id for pool_id in (*command.add, *command.remove) if not is_id(pool_id)]
    if wrong:
        raise InvalidId(f"{wrong[0][:80]} is not a valid pool id")
    if set(command.add) & set(command.remove):
        raise InvalidCommand("a pool can be added or removed, not both")
    added = [pool_id for pool_id in dict.fromkeys(command.add) if pool_id not in held.pools]
    removed = [pool_id for pool_id in dict.fromkeys(command.remove) if pool_id in held.pools]
    if len(held.pools) + len(added) - len(removed) > POOLS_MAX:
        raise TooManyPools(f"the maximum is {POOLS_MAX} pools")
    if added or removed:
        held.happen(CampaignPoolsChanged, now, added=added, removed=removed, actor=command.actor)
    return held


def activate_campaign(held: Campaign | None, command: ActivateCampaign, now: datetime) -> Campaign:
    """Confer it, unless its window is over."""
    if held is None:
        raise UnknownCampaign(command.campaign_id)
    if held.is_active:
        return held
    if held.ends_at <= now:
        raise InvalidInstant(f"it ended at {held.ends_at.isoformat()}")
    held.happen(CampaignActivated, now, activation=held.activation + 1, actor=command.actor)
    return held


def deactivate_campaign(held: Campaign | None, command: DeactivateCampaign, now: datetime) -> Campaign:
    """Take it back."""
    if held is None:
        raise UnknownCampaign(command.campaign_id)
    if held.is_active:
        held.happen(CampaignDeactivated, now, reason=command.reason, actor=command.actor)
    return held
