"""What is told when usage reaches a threshold: once in a period each."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import NEVER_MS, from_ms
from entitlements.domain.buckets import UNLIMITED, ClosedPeriod
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.metering_events import QuotaExceeded, QuotaWarned
from entitlements.domain.ondemand import alert_spending
from entitlements.domain.pools import ResourcePool
from entitlements.domain.values import UsagePart


def warn(pool: ResourcePool, entitlement: Entitlement, now_ms: int, workspace_id: str) -> None:
    """Tell that the soft limit is reached, for the first time in the period."""
    period_start, period_end = _period(entitlement, now_ms)
    pool.happen(
        QuotaWarned,
        from_ms(now_ms),
        resource_key=entitlement.resource_key,
        period_start=period_start,
        period_end=period_end,
        soft_limit=entitlement.soft_limit,
        consumed=entitlement.consumed,
        workspace_id=workspace_id,
    )


def exceed(
    pool: ResourcePool,
    entitlement: Entitlement,
    now_ms: int,
    requested: int,
    workspace_id: str,
    closed: ClosedPeriod | None = None,
) -> None:
    """Tell that usage was refused or lies above the limit, for the first time in the period under way, or in one that is closed."""
    counted: Entitlement | ClosedPeriod = entitlement
    period_start, period_end = _period(entitlement, now_ms)
    if closed is not None:
        counted, period_start, period_end = closed, from_ms(closed.start_ms), from_ms(closed.end_ms)
    pool.happen(
        QuotaExceeded,
        from_ms(now_ms),
        resource_key=entitlement.resource_key,
        period_start=period_start,
        period_end=period_end,
        limit=None if counted.limit == UNLIMITED else counted.limit,
        consumed=counted.consumed,
        requested=requested,
        workspace_id=workspace_id,
    )


def tell_payers(
    pool: ResourcePool, entitlement: Entitlement, parts: list[UsagePart], now_ms: int, workspace_id: str
) -> None:
    """Warn of credits that run low, and alert of on-demand spending."""
    for credit in [pool.entitlements[part["credit_key"]] for part in parts if part["bearer"] == "credit"]:
        if credit.consumed >= credit.soft_limit and not credit.was_warned:
            warn(pool, credit, now_ms, workspace_id)
    if any(part["bearer"] == "on_demand" and part["charge"] for part in parts):
        alert_spending(pool, entitlement.resource_key, now_ms)


def _period(entitlement: Entitlement, now_ms: int) -> tuple[datetime | None, datetime | None]:
    start_ms, end_ms = entitlement.period_at(now_ms)
    if entitlement.period is None or end_ms >= NEVER_MS:
        return None, None
    return from_ms(start_ms), from_ms(end_ms)
