"""What narrows a pool for one of its members: caps, and overrides of one workspace."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.cover import affordable
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import (
    CommandRefused,
    CustomerIsNotAssigned,
    InvalidCommand,
    InvalidQuantity,
    KeyIsNotMetered,
    MemberCapIsReached,
    NotEntitled,
    PoolIsClosed,
    UnknownKey,
)
from entitlements.domain.periods import check_period
from entitlements.domain.plan_commands import CapMember
from entitlements.domain.plan_events import MemberCapped
from entitlements.domain.pools import Cap, Override, ResourcePool
from entitlements.domain.values import QUANTITY_MAX


def what_narrows(
    pool: ResourcePool, entitlement: Entitlement, workspace_id: str, subject_id: str, quantity: int, now_ms: int
) -> tuple[type[CommandRefused], int] | None:
    """Why a member may not draw a quantity although the pool has it, and how much it could draw.

    What is reserved counts as drawn. An override of the workspace outranks its cap, with an amount or without.
    """
    if not entitlement.is_narrowed:
        return None
    override = override_of(pool, workspace_id, entitlement.resource_key)
    if override is not None and not override.allowed:
        return NotEntitled, -1
    lefts = []
    for cap, subject in caps_that_hold(pool, workspace_id, subject_id, entitlement.resource_key):
        is_current = cap.is_current(entitlement, now_ms)
        held = reserved_by(pool, entitlement.resource_key, workspace_id, subject)
        lefts.append(max(0, cap.amount - held - (cap.consumed if is_current else 0)))
    if lefts and quantity > min(lefts):
        return MemberCapIsReached, min(*lefts, affordable(pool, entitlement))
    return None


def caps_that_hold(pool: ResourcePool, workspace_id: str, subject_id: str, resource_key: str) -> list[tuple[Cap, str]]:
    """The caps under which a member draws a key now, and of which subject each is (empty: of the workspace)."""
    members = pool.caps.get(workspace_id, {})
    override = override_of(pool, workspace_id, resource_key)
    of_workspace = members.get("", {}).get(resource_key) if override is None else override.cap
    of_subject = members.get(subject_id, {}).get(resource_key) if subject_id else None
    return [(cap, subject) for cap, subject in ((of_workspace, ""), (of_subject, subject_id)) if cap is not None]


def override_of(pool: ResourcePool, workspace_id: str, resource_key: str) -> Override | None:
    """The newest override of one workspace for a key."""
    found = None
    for override in pool.overrides.values():
        if workspace_id and (override.workspace_id, override.resource_key) == (workspace_id, resource_key):
            found = override
    return found


def reserved_by(pool: ResourcePool, resource_key: str, workspace_id: str, subject_id: str = "") -> int:
    """What a workspace, or one subject in it, has reserved of a key."""
    return sum(
        held.quantity
        for held in pool.reservations.values()
        if held.resource_key == resource_key
        and held.workspace_id == workspace_id
        and subject_id in ("", held.subject_id)
    )


def cap_member(pool: ResourcePool, command: CapMember, now: datetime) -> None:
    """Cap what a workspace, or one subject in it, can draw; it counts from now on. No amount lifts the cap."""
    if pool.is_closed:
        raise PoolIsClosed
    if command.workspace_id not in pool.assignments:
        raise CustomerIsNotAssigned(command.workspace_id)
    entitlement = pool.entitlements.get(command.resource_key)
    if entitlement is None:
        raise UnknownKey(command.resource_key)
    if entitlement.entitlement_type == "boolean":
        raise KeyIsNotMetered(command.resource_key)
    if entitlement.entitlement_type == "credit":
        raise InvalidCommand(f"{command.resource_key} pays for other keys: cap those")
    if command.amount is not None and not 0 <= command.amount <= QUANTITY_MAX:
        raise InvalidQuantity(str(command.amount))
    if command.period is not None:
        check_period(command.period)
    known = pool.caps.get(command.workspace_id, {}).get(command.subject_id, {}).get(command.resource_key)
    if _says(known) == (command.amount, command.period if command.amount is not None else None):
        return
    pool.happen(
        MemberCapped,
        now,
        workspace_id=command.workspace_id,
        subject_id=command.subject_id,
        resource_key=command.resource_key,
        amount=command.amount,
        period=command.period,
        actor=command.actor,
    )


def _says(cap: Cap | None) -> tuple[int | None, str | None]:
    return (None, None) if cap is None else (cap.amount, cap.period)
