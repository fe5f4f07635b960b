"""Decisions about overrides: what an administrator says a pool or one of its workspaces has, why, and until when."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.errors import (
    CustomerIsNotAssigned,
    InvalidCommand,
    InvalidInstant,
    InvalidRules,
    OverrideAlreadyExists,
    PoolIsClosed,
    TooManyProvisions,
    UnknownKey,
    UnknownOverride,
)
from entitlements.domain.plan_commands import ClearOverride, SetOverride
from entitlements.domain.plan_events import OverrideCleared, OverrideSet
from entitlements.domain.pools import PROVISIONS_MAX, Override, ResourcePool
from entitlements.domain.restack import restack
from entitlements.domain.values import QUANTITY_MAX


def set_override(pool: ResourcePool, command: SetOverride, now: datetime) -> None:
    """Say by hand what the pool, or one of its workspaces, has of a key. Of several for one key the newest holds."""
    if pool.is_closed:
        raise PoolIsClosed
    known = pool.overrides.get(command.override_id)
    if known is not None:
        if known == _override_of(command):
            return
        raise OverrideAlreadyExists(command.override_id)
    _check(pool, command, now)
    pool.happen(
        OverrideSet,
        now,
        override_id=command.override_id,
        resource_key=command.resource_key,
        workspace_id=command.workspace_id,
        allowed=command.allowed,
        amount=command.amount,
        soft_limit=command.soft_limit,
        hard_limit=command.hard_limit,
        reason=command.reason,
        expires_at=command.expires_at,
        actor=command.actor,
    )
    if not command.workspace_id:
        restack(pool, now)


def _check(pool: ResourcePool, command: SetOverride, now: datetime) -> None:
    if not command.reason.strip() or not command.actor.strip():
        raise InvalidCommand("an override needs a reason and an actor")
    if command.expires_at is not None and command.expires_at <= now:
        raise InvalidInstant(f"expires_at {command.expires_at.isoformat()} is in the past")
    if command.workspace_id and command.workspace_id not in pool.assignments:
        raise CustomerIsNotAssigned(command.workspace_id)
    if len(pool.overrides) >= PROVISIONS_MAX:
        raise TooManyProvisions("the same maximum applies to overrides")
    amounts = (command.amount, command.soft_limit, command.hard_limit)
    if any(amount is not None and not 0 <= amount <= QUANTITY_MAX for amount in amounts):
        raise InvalidRules("amounts must be integers from 0 to 2^53")
    if command.hard_limit is not None and (command.amount is None or command.hard_limit < command.amount):
        raise InvalidRules("the hard limit must not be below the amount")
    held = pool.entitlements.get(command.resource_key)
    if command.workspace_id and held is not None and held.entitlement_type == "credit":
        raise InvalidCommand(f"{command.resource_key} pays for other keys: override those for the customer")
    is_number = held is not None and held.entitlement_type != "boolean"
    if amounts != (None, None, None) and not is_number:
        raise UnknownKey(
            f"{command.resource_key} is not an integer key that the pool has had; it cannot have an amount"
        )


def _override_of(command: SetOverride) -> Override:
    return Override(
        override_id=command.override_id,
        resource_key=command.resource_key,
        workspace_id=command.workspace_id,
        allowed=command.allowed,
        amount=command.amount,
        soft_limit=command.soft_limit,
        hard_limit=command.hard_limit,
        reason=command.reason,
        expires_at=command.expires_at,
        actor=command.actor,
    )


def clear_override(pool: ResourcePool, command: ClearOverride, now: datetime) -> None:
    """Take an override back: stacking says again what there is."""
    override = pool.overrides.get(command.override_id)
    if override is None:
        raise UnknownOverride(command.override_id)
    pool.happen(OverrideCleared, now, override_id=command.override_id, reason=command.reason, actor=command.actor)
    if not override.workspace_id:
        restack(pool, now)
