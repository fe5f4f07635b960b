"""What happens because time passes, stamped with the instant it was due (docs/architecture.md 3.2)."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import from_ms, to_ms
from entitlements.domain.owing import expire, pay_what_is_owed, reset
from entitlements.domain.plan_events import ContributionRecurred, OverrideExpired
from entitlements.domain.pool_events import GrantExpired, ProvisionEnded, ProvisionStarted
from entitlements.domain.pools import ResourcePool
from entitlements.domain.restack import stack_anew
from entitlements.domain.rolling import own_left
from entitlements.domain.usage_events import ReservationExpired


def let_due_happen(pool: ResourcePool, now_ms: int) -> None:
    """Let everything due up to and at an instant happen, in the order of time.

    At one instant what is owed for too long ends, quotas reset, reservations and overrides expire, provisions end, then others start, so that a
    successor finds its ladder free and a new period is counted against what holds in it; then contributions come anew, and last what
    is owed is paid. Every step makes the next due instant later: it ends.
    """
    while pool.due_ms <= now_ms:
        due_ms = pool.due_ms
        _happen_at(pool, due_ms, from_ms(max(due_ms, pool.clock_ms)))
        assert pool.due_ms > due_ms, "what was due is due again"


def _happen_at(pool: ResourcePool, due_ms: int, at: datetime) -> None:
    has_changed = False
    for entitlement in list(pool.entitlements.values()):
        is_over = entitlement.resets_at_ms <= due_ms
        expire(pool, entitlement, due_ms, at)
        if is_over:
            has_changed |= reset(pool, entitlement, at, entitlement.period_at(due_ms - 1))
    for reservation in [held for held in pool.reservations.values() if to_ms(held.expires_at) <= due_ms]:
        name, quantity = reservation.reservation_id, reservation.quantity
        pool.happen(ReservationExpired, at, reservation_id=name, quantity=quantity)
    for override in list(pool.overrides.values()):
        if override.expires_at is not None and to_ms(override.expires_at) <= due_ms:
            pool.happen(OverrideExpired, at, override_id=override.override_id)
            has_changed = True
    has_changed |= _turn_provisions(pool, due_ms, at)
    if has_changed:
        stack_anew(pool, at)
        _recur_who_return(pool, due_ms)
    if _recur(pool, due_ms, at):
        stack_anew(pool, at)
    pay_what_is_owed(pool, at)
    pool.find_due()


def _turn_provisions(pool: ResourcePool, due_ms: int, at: datetime) -> bool:
    due = [provision for provision in pool.provisions.values() if provision.due_ms() <= due_ms]
    for provision in due:
        if provision.status != "scheduled":
            if provision.provision_id in pool.grants:
                pool.happen(GrantExpired, at, grant_id=provision.provision_id)
            pool.happen(ProvisionEnded, at, provision_id=provision.provision_id, reason="expired", note="", actor="")
    for provision in due:
        if provision.status == "scheduled":
            pool.happen(ProvisionStarted, at, provision_id=provision.provision_id)
    return bool(due)


def _recur_who_return(pool: ResourcePool, due_ms: int) -> None:
    """Starts come before recurrences: who contributes again from the instant of one comes anew with it."""
    for entitlement in pool.entitlements.values():
        for bucket in entitlement.buckets if entitlement.is_recurring else ():
            if bucket.recurs is None or bucket.is_as_anew or bucket.recurs_at_ms <= due_ms:
                continue
            if entitlement.period_at(due_ms)[0] < due_ms == entitlement.recurrence_at(bucket.recurs, due_ms)[0]:
                bucket.recurs_at_ms = due_ms  # It comes anew at once, which events take down.


def _recur(pool: ResourcePool, due_ms: int, at: datetime) -> bool:
    has_recurred = False
    for entitlement in list(pool.entitlements.values()):
        for bucket in entitlement.buckets:
            if bucket.recurs_at_ms <= due_ms:
                pool.happen(
                    ContributionRecurred,
                    at,
                    resource_key=entitlement.resource_key,
                    provision_id=bucket.provision_id,
                    lapsed=own_left(pool, entitlement, bucket),
                    carried=bucket.consumed,
                )
                has_recurred = True
    return has_recurred
