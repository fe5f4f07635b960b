"""The decision about ForgiveOverage: an administrator forgives what is owed of a key (docs/rules/what-is-owed.md)."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.errors import (
    InvalidCommand,
    InvalidQuantity,
    KeyIsNotMetered,
    MoreThanIsOwed,
    PoolIsClosed,
    UnknownKey,
)
from entitlements.domain.owing import forgive
from entitlements.domain.plan_commands import ForgiveOverage
from entitlements.domain.pools import ResourcePool
from entitlements.domain.restack import restack
from entitlements.domain.values import QUANTITY_MAX


def forgive_overage(pool: ResourcePool, command: ForgiveOverage, now: datetime) -> None:
    """Forgive all that is owed of a key, or an amount. Nothing happens if nothing is owed.

    Raises PoolIsClosed, UnknownKey, KeyIsNotMetered, InvalidCommand (no reason or actor), InvalidQuantity, MoreThanIsOwed.
    """
    if pool.is_closed:
        raise PoolIsClosed
    entitlement = pool.entitlements.get(command.resource_key)
    if entitlement is None:
        raise UnknownKey(command.resource_key)
    if entitlement.entitlement_type not in ("quota", "credit"):
        raise KeyIsNotMetered(command.resource_key)
    if not command.reason.strip() or not command.actor.strip():
        raise InvalidCommand("a reason and an actor are required")
    if command.amount is not None and not 0 < command.amount <= QUANTITY_MAX:
        raise InvalidQuantity(str(command.amount))
    pool.seal()
    owed = entitlement.owed
    if (command.amount or 0) > owed:
        raise MoreThanIsOwed(f"{owed} of {command.resource_key} owed", owed)
    if not owed:
        return
    forgive(pool, entitlement, now, command.amount or owed, reason=command.reason, actor=command.actor)
    restack(pool, now)  # What was used in this period takes nothing from the limit any more.
