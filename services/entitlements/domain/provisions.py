"""Decisions about provisions: schedule, start, suspend, resume. At most one per ladder at any time; ends are in cancellations.py."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from entitlements.domain.commands import ProvisionPool, ResumeProvision, SuspendProvision
from entitlements.domain.errors import (
    InvalidInstant,
    LadderIsOccupied,
    PoolIsClosed,
    ProvisionAlreadyExists,
    ProvisionIsOver,
    UnknownProvision,
)
from entitlements.domain.periods import check_period as check_billing_period
from entitlements.domain.pool_events import (
    ProvisionResumed,
    ProvisionScheduled,
    ProvisionStarted,
    ProvisionSuspended,
)
from entitlements.domain.pools import Provision, ResourcePool
from entitlements.domain.restack import restack
from entitlements.domain.rules import check_amounts, check_rules, check_rules_beside

_FAR = datetime.max.replace(tzinfo=UTC)


def provision_pool(pool: ResourcePool, command: ProvisionPool, now: datetime) -> None:
    """Connect a billing source to the pool; it starts at once if its time has come."""
    if pool.is_closed:
        raise PoolIsClosed
    if is_known(pool, command):
        return
    check_new(pool, command, now)
    schedule(pool, command, now)


def check_new(
    pool: ResourcePool, command: ProvisionPool, now: datetime, besides: Collection[str] = (), room: int = 1
) -> None:
    """All that may refuse a provision that the pool does not know yet.

    A decision of several events asks before the first. besides: who leaves for it; room: how many come at once.
    """
    starts_at = command.starts_at or now
    check_rules(command.rules)
    check_amounts(command.rules, command.quantity)
    check_period(starts_at, command.ends_at, now)
    check_rules_beside(pool, command.rules, besides, room)
    if command.billing_period is not None:
        check_billing_period(command.billing_period)
    _check_ladder(pool, command, starts_at, besides)


def schedule(pool: ResourcePool, command: ProvisionPool, now: datetime) -> None:
    """Schedule a provision of which everything was checked, and start it if its time has come."""
    starts_at = command.starts_at or now
    pool.happen(
        ProvisionScheduled,
        now,
        provision_id=command.provision_id,
        source=command.source,
        source_id=command.source_id,
        billing_account_id=command.billing_account_id or pool.billing_account_id,
        set_id=command.set_id,
        set_version=command.set_version,
        ladder=command.ladder,
        rung=command.rung,
        quantity=command.quantity,
        rules=command.rules,
        starts_at=starts_at,
        ends_at=command.ends_at,
        priority=command.priority,
        follows=command.follows,
        billing_period=command.billing_period,
        actor=command.actor,
    )
    if starts_at <= now:
        pool.happen(ProvisionStarted, now, provision_id=command.provision_id)
        restack(pool, now)


def check_period(starts_at: datetime, ends_at: datetime | None, now: datetime) -> None:
    """A period ends after it starts, and is not over already."""
    if ends_at is None:
        return
    if ends_at <= starts_at:
        raise InvalidInstant(f"ends_at {ends_at.isoformat()} must be after starts_at {starts_at.isoformat()}")
    if ends_at <= now:
        raise InvalidInstant(f"ends_at {ends_at.isoformat()} is in the past")


def _check_ladder(pool: ResourcePool, command: ProvisionPool, starts_at: datetime, besides: Collection[str]) -> None:
    ladder = command.ladder
    for other in pool.provisions.values():
        if ladder is None or other.ladder != ladder or other.is_over or other.provision_id in besides:
            continue
        if starts_at < (other.ends_at or _FAR) and other.starts_at < (command.ends_at or _FAR):
            raise LadderIsOccupied(f"{other.provision_id} is on ladder {ladder}")


def is_known(pool: ResourcePool, command: ProvisionPool) -> bool:
    """Whether the pool has this very provision already, so that a repeat is harmless.

    Raises ProvisionIsOver, ProvisionAlreadyExists: an id is given once, for ever.
    """
    known = pool.provisions.get(command.provision_id)
    if known is None:
        return False
    if known.is_over:
        raise ProvisionIsOver(command.provision_id)
    if not is_same(pool, known, command):
        raise ProvisionAlreadyExists(command.provision_id)
    return True


def is_same(pool: ResourcePool, known: Provision, command: ProvisionPool) -> bool:
    """Whether a command asks for a provision that the pool has already."""
    payer = command.billing_account_id or pool.billing_account_id
    return known == Provision(
        provision_id=command.provision_id,
        source=command.source,
        source_id=command.source_id,
        billing_account_id=payer,
        set_id=command.set_id,
        set_version=command.set_version,
        ladder=command.ladder,
        rung=command.rung,
        quantity=command.quantity,
        rules=command.rules,
        starts_at=command.starts_at or known.starts_at,
        ends_at=command.ends_at,
        planned_ends_at=known.planned_ends_at,
        priority=command.priority,
        follows=command.follows,
        billing_period=command.billing_period,
        status=known.status,
        started=known.started,
        ended=known.ended,
    )


def find(pool: ResourcePool, provision_id: str) -> Provision:
    """The provision, or a refusal that names it."""
    provision = pool.provisions.get(provision_id)
    if provision is None:
        raise UnknownProvision(provision_id)
    return provision


def suspend_provision(pool: ResourcePool, command: SuspendProvision, now: datetime) -> None:
    """Stop what an active provision confers. Its ladder stays occupied and its end stays due."""
    provision = find(pool, command.provision_id)
    if provision.status == "suspended":
        return
    if provision.is_over:
        raise ProvisionIsOver(command.provision_id)
    if provision.status == "scheduled":
        raise InvalidInstant(f"{command.provision_id} has not started yet")
    pool.happen(ProvisionSuspended, now, provision_id=command.provision_id, reason=command.reason, actor=command.actor)
    restack(pool, now)


def resume_provision(pool: ResourcePool, command: ResumeProvision, now: datetime) -> None:
    """Resume a suspended provision."""
    provision = find(pool, command.provision_id)
    if provision.is_over:
        raise ProvisionIsOver(command.provision_id)
    if provision.status != "suspended":
        return
    pool.happen(ProvisionResumed, now, provision_id=command.provision_id, reason=command.reason, actor=command.actor)
    restack(pool, now)
