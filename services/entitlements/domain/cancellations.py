"""Decisions about the end of a provision: now, when its billing period ends, or at an instant; and about taking that back.

A provision may be sold with an end (`planned_ends_at`; None: open-ended). An earlier end that is scheduled is a cancellation and can be
withdrawn. A later one prolongs the provision and becomes its planned end.
"""

from __future__ import annotations

from datetime import UTC, datetime

from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.commands import EndProvision, UncancelProvision
from entitlements.domain.errors import (
    InvalidCommand,
    InvalidInstant,
    LadderIsOccupied,
    NoBillingPeriod,
    ProvisionIsOver,
)
from entitlements.domain.periods import Calendar, period_bounds
from entitlements.domain.pool_events import (
    GrantExpired,
    ProvisionEnded,
    ProvisionEndScheduled,
    ProvisionEndWithdrawn,
)
from entitlements.domain.pools import Provision, ResourcePool
from entitlements.domain.provisions import find
from entitlements.domain.restack import restack

_FAR = datetime.max.replace(tzinfo=UTC)


def end_provision(pool: ResourcePool, command: EndProvision, now: datetime) -> None:
    """End a provision now, or let it end later. What has ended stays as it is; an instant that is over means now."""
    if (command.when == "at") != (command.ends_at is not None):
        raise InvalidCommand("ends_at is required with `when: at` and not allowed otherwise")
    provision = find(pool, command.provision_id)
    if provision.is_over:
        if command.when == "now" or (command.ends_at is not None and command.ends_at <= now):
            return
        raise ProvisionIsOver(command.provision_id)
    ends_at = command.ends_at or now
    if command.when == "period_end":
        ends_at = end_of_period(pool, provision, now)
    if ends_at > now:
        _end_later(pool, provision, command, ends_at, now)
    else:
        _end_now(pool, command, now)


def _end_now(pool: ResourcePool, command: EndProvision, now: datetime) -> None:
    if command.provision_id in pool.grants:
        pool.happen(GrantExpired, now, grant_id=command.provision_id)
    pool.happen(
        ProvisionEnded,
        now,
        provision_id=command.provision_id,
        reason="ended",
        note=command.reason,
        actor=command.actor,
    )
    restack(pool, now)


def end_of_period(pool: ResourcePool, provision: Provision, now: datetime) -> datetime:
    """The end of the billing period under way, or the planned end if that is earlier.

    Before its start that is the end of its first billing period. Raises NoBillingPeriod: it has neither.
    """
    planned = provision.planned_ends_at
    if planned is not None and provision.billing_period is None:
        return planned
    ends_at = end_of_billing_period(pool, provision, max(now, provision.starts_at))
    return ends_at if planned is None else min(ends_at, planned)


def end_of_billing_period(pool: ResourcePool, provision: Provision, at: datetime) -> datetime:
    """The end of its billing period at an instant, counted from the pool's anchor, else from its start. Raises NoBillingPeriod."""
    if provision.billing_period is None:
        raise NoBillingPeriod(provision.provision_id)
    calendar = Calendar(pool.time_zone, to_ms(pool.anchor_at or provision.starts_at))
    end_ms = period_bounds(provision.billing_period, to_ms(at), calendar)[1]
    if end_ms >= NEVER_MS:
        raise NoBillingPeriod(f"{provision.provision_id} is billed once")
    return from_ms(end_ms)


def _end_later(
    pool: ResourcePool, provision: Provision, command: EndProvision, ends_at: datetime, now: datetime
) -> None:
    if provision.ends_at == ends_at:
        return
    if ends_at <= provision.starts_at:
        raise InvalidInstant(f"the provision starts later, at {provision.starts_at.isoformat()}")
    _check_followers(pool, provision, ends_at)
    planned = provision.planned_ends_at
    pool.happen(
        ProvisionEndScheduled,
        now,
        provision_id=command.provision_id,
        ends_at=ends_at,
        planned_ends_at=None if planned is None else max(planned, ends_at),
        reason=command.reason,
        actor=command.actor,
    )
    restack(pool, now)  # Another may be the first to burn now.


def uncancel_provision(pool: ResourcePool, command: UncancelProvision, now: datetime) -> None:
    """Withdraw a cancellation: the planned end holds again. Raises ProvisionIsOver, LadderIsOccupied (another plan follows)."""
    provision = find(pool, command.provision_id)
    if provision.is_over:
        raise ProvisionIsOver(command.provision_id)
    if not provision.is_cancelled:
        return
    _check_followers(pool, provision, provision.planned_ends_at)
    pool.happen(
        ProvisionEndWithdrawn,
        now,
        provision_id=command.provision_id,
        ends_at=provision.planned_ends_at,
        reason=command.reason,
        actor=command.actor,
    )
    restack(pool, now)  # Another may be the first to burn now.


def _check_followers(pool: ResourcePool, provision: Provision, ends_at: datetime | None) -> None:
    """A provision that lasts longer does not run into the one that follows it on its ladder."""
    for other in pool.provisions.values():
        is_rival = other is not provision and other.ladder == provision.ladder and not other.is_over
        if provision.ladder is not None and is_rival and provision.starts_at < other.starts_at < (ends_at or _FAR):
            raise LadderIsOccupied(f"{other.provision_id} is scheduled next on ladder {provision.ladder}")
