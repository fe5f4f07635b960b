"""Decisions about the pool itself: open, suspend, resume, close."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import EPOCH, begin
from entitlements.domain.commands import ClosePool, OpenPool, ResumePool, SuspendPool
from entitlements.domain.errors import InvalidInstant, PoolAlreadyExists, PoolIsClosed
from entitlements.domain.periods import check_anchor, check_time_zone
from entitlements.domain.pool_events import (
    GrantExpired,
    PoolClosed,
    PoolOpened,
    PoolResumed,
    PoolSuspended,
    ProvisionEnded,
)
from entitlements.domain.pools import ResourcePool
from entitlements.domain.restack import restack
from entitlements.domain.rules import check_rules
from entitlements.domain.usage_events import ReservationReleased


def open_pool(pool: ResourcePool | None, command: OpenPool, now: datetime) -> ResourcePool:
    """Open a pool. With backfill_from its clock starts there, so that history can be brought in."""
    if pool is not None:
        _check_same(pool, command)
        if pool.is_closed:
            raise PoolIsClosed
        return pool
    check_time_zone(command.time_zone)
    check_anchor(command.anchor_at)
    check_rules(command.defaults, empty=True)
    if command.backfill_from is not None and not EPOCH <= command.backfill_from <= now:
        raise InvalidInstant("backfill must start in the past and not before 1970")
    opened = PoolOpened(
        originator_id=command.pool_id,
        originator_version=ResourcePool.INITIAL_VERSION,
        timestamp=command.backfill_from or now,
        command_id=command.command_id,
        organization_id=command.organization_id,
        billing_account_id=command.billing_account_id,
        name=command.name,
        backfill_from=command.backfill_from,
        time_zone=command.time_zone,
        anchor_at=command.anchor_at,
        defaults=command.defaults,
        actor=command.actor,
    )
    pool = begin(opened, ResourcePool)
    if command.defaults:
        restack(pool, opened.timestamp)
    return pool


def _check_same(pool: ResourcePool, command: OpenPool) -> None:
    # Time zone, anchor and defaults have commands of their own since.
    stated = (command.organization_id, command.billing_account_id, command.name, command.backfill_from)
    held = (pool.organization_id, pool.billing_account_id, pool.name, pool.backfill_from)
    if stated != held:
        raise PoolAlreadyExists(pool.id)


def suspend_pool(pool: ResourcePool, command: SuspendPool, now: datetime) -> None:
    """Take everything the pool confers away until it is resumed."""
    if pool.is_closed:
        raise PoolIsClosed
    if pool.status == "suspended":
        return
    pool.happen(PoolSuspended, now, reason=command.reason, actor=command.actor)
    restack(pool, now)


def resume_pool(pool: ResourcePool, command: ResumePool, now: datetime) -> None:
    """Resume a suspended pool."""
    if pool.is_closed:
        raise PoolIsClosed
    if pool.status == "open":
        return
    pool.happen(PoolResumed, now, reason=command.reason, actor=command.actor)
    restack(pool, now)


def close_pool(pool: ResourcePool, command: ClosePool, now: datetime) -> None:
    """End the pool, its provisions and grants for good."""
    if pool.is_closed:
        return
    for held in list(pool.reservations.values()):
        facts = {"reservation_id": held.reservation_id, "quantity": held.quantity, "reason": "the pool was closed"}
        pool.happen(ReservationReleased, now, **facts, actor=command.actor)
    for provision in list(pool.provisions.values()):
        if provision.is_over:
            continue
        if provision.provision_id in pool.grants:
            pool.happen(GrantExpired, now, grant_id=provision.provision_id)
        pool.happen(
            ProvisionEnded,
            now,
            provision_id=provision.provision_id,
            reason="pool_closed",
            note=command.reason,
            actor=command.actor,
        )
    restack(pool, now, ends=True)
    pool.happen(PoolClosed, now, reason=command.reason, actor=command.actor)
