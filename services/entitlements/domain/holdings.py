"""Decisions about what is held of a limit: seats, storage. By a named holder, or by nobody in particular."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import to_ms
from entitlements.domain.commands import ReleaseUsage
from entitlements.domain.cover import affordable, cover, fits
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import (
    CustomerIsNotAssigned,
    InvalidCommand,
    InvalidQuantity,
    KeyIsNotHeld,
    MoreThanIsHeld,
    PoolIsClosed,
    PoolIsSuspended,
    QuotaIsExceeded,
    UnknownKey,
)
from entitlements.domain.lines import check_countable
from entitlements.domain.members import what_narrows
from entitlements.domain.metering_events import UsageReleased
from entitlements.domain.pools import ResourcePool
from entitlements.domain.restack import tell_over_allocation
from entitlements.domain.suspension import why_not_entitled
from entitlements.domain.thresholds import warn
from entitlements.domain.usage_commands import AllocateLimit, SetAllocation
from entitlements.domain.usage_events import HoldingChanged
from entitlements.domain.values import QUANTITY_MAX, UsageTotal


def allocate_limit(pool: ResourcePool, command: AllocateLimit, now: datetime) -> None:
    """Hold some of a limit. A named holder has just that quantity afterwards, so that a seat is taken once."""
    entitlement = _limit(pool, command.resource_key, command.workspace_id)
    if command.holder_id:
        change = command.quantity - held_by(pool, command.resource_key, command.holder_id)
    else:
        change = command.quantity
    _change(pool, entitlement, command, change, now)


def set_allocation(pool: ResourcePool, command: SetAllocation, now: datetime) -> None:
    """Say how much is held, altogether by nobody in particular or by a named holder. Less always goes, more must fit."""
    entitlement = _limit(pool, command.resource_key, command.workspace_id)
    if not 0 <= command.held <= QUANTITY_MAX:
        raise InvalidQuantity(str(command.held))
    before = held_by(pool, command.resource_key, command.holder_id)
    _change(pool, entitlement, command, command.held - before, now)


def held_by(pool: ResourcePool, resource_key: str, holder_id: str) -> int:
    """What a named holder has of a limit; without a name what nobody in particular has."""
    holders = pool.holders.get(resource_key, {})
    if holder_id:
        return holders[holder_id].held if holder_id in holders else 0
    return pool.entitlements[resource_key].consumed - sum(holding.held for holding in holders.values())


def workspace_of(pool: ResourcePool, command: AllocateLimit | SetAllocation | ReleaseUsage) -> str:
    """For which workspace it is held: that of a named holder who has something already. Raises InvalidCommand: of another one."""
    holding = pool.holders.get(command.resource_key, {}).get(command.holder_id)
    if holding is None:
        return command.workspace_id
    if command.workspace_id not in ("", holding.workspace_id):
        of = holding.workspace_id or "no customer"
        raise InvalidCommand(f"{command.holder_id} holds {command.resource_key} for {of}: set that customer, or none")
    return holding.workspace_id


def _limit(pool: ResourcePool, resource_key: str, workspace_id: str) -> Entitlement:
    if pool.is_closed:
        raise PoolIsClosed
    entitlement = pool.entitlements.get(resource_key)
    if entitlement is None:
        raise UnknownKey(resource_key)
    if entitlement.entitlement_type != "limit":
        raise KeyIsNotHeld(resource_key)
    if workspace_id and workspace_id not in pool.assignments:
        raise CustomerIsNotAssigned(workspace_id)
    return entitlement


def _change(
    pool: ResourcePool, entitlement: Entitlement, command: AllocateLimit | SetAllocation, change: int, now: datetime
) -> None:
    workspace_id = workspace_of(pool, command)
    if change == 0:
        return  # Already so: a repeat is harmless.
    if change > 0:
        check_countable(entitlement, change)
        _check_room(pool, entitlement, workspace_id, change, now)
    pool.happen(
        HoldingChanged,
        now,
        resource_key=command.resource_key,
        holder_id=command.holder_id,
        held=held_by(pool, command.resource_key, command.holder_id) + change,
        change=change,
        workspace_id=workspace_id,
        total=_total(entitlement, change),
        actor=command.actor,
    )
    if change > 0 and entitlement.consumed >= entitlement.soft_limit and not entitlement.was_warned:
        warn(pool, entitlement, to_ms(now), workspace_id)
    tell_over_allocation(pool, entitlement, now)


def _check_room(pool: ResourcePool, entitlement: Entitlement, workspace_id: str, quantity: int, now: datetime) -> None:
    if pool.status == "suspended":
        raise PoolIsSuspended
    if entitlement.value is None:
        raise why_not_entitled(pool, entitlement.resource_key, workspace_id)(entitlement.resource_key)
    narrowed = what_narrows(pool, entitlement, workspace_id, "", quantity, to_ms(now))
    if narrowed is not None:
        reason, left = narrowed
        raise reason(f"{left} remaining", left)
    found = cover(pool, entitlement, quantity)
    if found.credit_units or found.charge or not fits(entitlement, found):
        left = affordable(pool, entitlement)
        raise QuotaIsExceeded(f"{left} remaining", left)


def _total(entitlement: Entitlement, change: int) -> UsageTotal:
    return UsageTotal(
        resource_key=entitlement.resource_key,
        period_start=None,
        period_end=None,
        consumed=entitlement.consumed + change,
        elsewhere=entitlement.elsewhere,
        owed=0,
    )


def release_usage(pool: ResourcePool, command: ReleaseUsage, now: datetime) -> None:
    """Give back what is held of a limit, by a named holder or by nobody in particular."""
    entitlement = _limit(pool, command.resource_key, command.workspace_id)
    held = held_by(pool, command.resource_key, command.holder_id)
    if command.quantity > held:
        raise MoreThanIsHeld(f"{held} of {command.resource_key} allocated")
    if command.holder_id:
        pool.happen(
            HoldingChanged,
            now,
            resource_key=command.resource_key,
            holder_id=command.holder_id,
            held=held - command.quantity,
            change=-command.quantity,
            workspace_id=workspace_of(pool, command),
            total=_total(entitlement, -command.quantity),
            actor=command.actor,
        )
    else:
        pool.happen(
            UsageReleased,
            now,
            resource_key=command.resource_key,
            quantity=command.quantity,
            workspace_id=command.workspace_id,
            subject_id=command.subject_id,
            total=_total(entitlement, -command.quantity),
            actor=command.actor,
        )
    tell_over_allocation(pool, entitlement, now)
