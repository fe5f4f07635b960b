"""What happens because time passes, stamped with the instant it was due (DESIGN 3.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from entitlements.domain.aggregate import from_ms, to_ms
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.metering_events import QuotaReset
from entitlements.domain.plan_events import ContributionRecurred, OverrideExpired
from entitlements.domain.pool_events import GrantExpired, ProvisionEnded, ProvisionStarted
from entitlements.domain.pools import ResourcePool
from entitlements.domain.restack import restack
from entitlements.domain.rolling import rolled_over
from entitlements.domain.usage_events import ReservationExpired
from entitlements.domain.values import Contribution

_BY_CALENDAR: Final = {"manual": False, "anchor_at": None, "continues_until": None, "note": "", "actor": ""}


def let_due_happen(pool: ResourcePool, now_ms: int) -> None:
    """Let everything due up to and at an instant happen, in the order of time.

    At one instant quotas reset first, then reservations and overrides expire, then provisions end, then others start, so that a successor finds its ladder free
    and a new period is counted against what holds in it. Every step makes the next due instant later: it ends.
    """
    while pool.due_ms <= now_ms:
        due_ms = pool.due_ms
        _happen_at(pool, due_ms, from_ms(max(due_ms, pool.clock_ms)))
        assert pool.due_ms > due_ms, "what was due is due again"


def _happen_at(pool: ResourcePool, due_ms: int, at: datetime) -> None:
    has_changed = False
    for entitlement in list(pool.entitlements.values()):
        if entitlement.resets_at_ms <= due_ms:
            has_changed |= reset(pool, entitlement, at, entitlement.period_at(due_ms - 1))
        has_changed |= _recur(pool, entitlement, due_ms, at)
    for reservation in [held for held in pool.reservations.values() if to_ms(held.expires_at) <= due_ms]:
        name, quantity = reservation.reservation_id, reservation.quantity
        pool.happen(ReservationExpired, at, reservation_id=name, quantity=quantity)
    for override in list(pool.overrides.values()):
        if override.expires_at is not None and to_ms(override.expires_at) <= due_ms:
            pool.happen(OverrideExpired, at, override_id=override.override_id)
            has_changed = True
    has_changed |= _turn_provisions(pool, due_ms, at)
    if has_changed:
        restack(pool, at)
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


def reset(pool: ResourcePool, entitlement: Entitlement, at: datetime, period: tuple[int, int], **by_hand: Any) -> bool:
    """End a period of a key, from start until before end in epoch milliseconds; by_hand: what its event says of that.

    Gives whether its contributions are others in the next one, so that they must be stacked anew.
    """
    contributions = _next_contributions(pool, entitlement)
    pool.happen(
        QuotaReset,
        at,
        resource_key=entitlement.resource_key,
        period_start=from_ms(period[0]),
        period_end=from_ms(period[1]),
        consumed=entitlement.consumed,
        contributions=contributions,
        **_BY_CALENDAR | by_hand,
    )
    return bool(contributions)


def _next_contributions(pool: ResourcePool, entitlement: Entitlement) -> list[Contribution]:
    """What the next period begins with, if that is not simply the same again with nothing consumed."""
    value, buckets = entitlement.value, [bucket for bucket in entitlement.buckets if not bucket.kept]
    preserved = 0
    if value is not None and value.overage_at_reset == "preserve":
        preserved = max(0, entitlement.charged - entitlement.limit)
    rolled = rolled_over(pool, entitlement)
    if not preserved and not any(rolled.values()) and not any(b.kept or b.carried for b in entitlement.buckets):
        return []
    stated = []
    for at, bucket in enumerate(buckets):
        carried = rolled[bucket.provision_id]
        moved = carried - bucket.carried
        limit = None if bucket.limit is None else bucket.limit + moved
        is_last = at == len(buckets) - 1 or entitlement.stacking != "sum"
        share = preserved if limit is None or is_last else min(preserved, limit)
        preserved -= share
        stated.append(
            replace(
                bucket.stated(),
                limit=limit,
                soft_limit=None if bucket.soft_limit is None else bucket.soft_limit + moved,
                hard_limit=None if bucket.hard_limit is None else bucket.hard_limit + moved,
                carried=carried,
                consumed=share,
            )
        )
    return stated


def _recur(pool: ResourcePool, entitlement: Entitlement, due_ms: int, at: datetime) -> bool:
    has_recurred = False
    # Overage of before does not eat what comes anew.
    over = max(0, entitlement.charged - sum(bucket.consumed for bucket in entitlement.buckets))
    for bucket in entitlement.buckets:
        if bucket.recurs_at_ms <= due_ms:
            pool.happen(
                ContributionRecurred,
                at,
                resource_key=entitlement.resource_key,
                provision_id=bucket.provision_id,
                lapsed=0 if bucket.limit is None else bucket.left,
                carried=bucket.consumed + over,
            )
            over, has_recurred = 0, True
    return has_recurred
