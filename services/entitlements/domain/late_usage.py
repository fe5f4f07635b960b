"""Decisions about usage of a period that is over: it counts there while its grace lasts, against the limits it ended with."""

from __future__ import annotations

from entitlements.domain.buckets import ClosedPeriod
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import CommandRefused, NotEntitled, PeriodIsClosed, PoolIsSuspended, QuotaIsExceeded
from entitlements.domain.lines import UsageAnswer, recorded, refuse, take
from entitlements.domain.members import override_of
from entitlements.domain.periods import period_bounds
from entitlements.domain.pools import ResourcePool
from entitlements.domain.suspension import why_not_entitled
from entitlements.domain.thresholds import exceed
from entitlements.domain.values import LineDetails, UsageLine


def decide_late(
    pool: ResourcePool, entitlement: Entitlement, line: UsageLine, now_ms: int, answer: UsageAnswer, index: int
) -> None:
    """Usage of a period that is over: it counts there while its grace lasts, else it is recorded and changes nothing."""
    closed = _within_grace(entitlement, line["occurred_at"], now_ms, pool.turn)
    if closed is None:
        if line["mode"] == "strict":
            reason = PoolIsSuspended if pool.status == "suspended" else PeriodIsClosed
            refuse(pool, line, now_ms, answer, index, reason)
            return
        details: LineDetails | None = None
        if line["subject_id"]:
            details = {"subject_id": line["subject_id"], "counted_in": 0, "reservation_id": "", "parts": []}
        take(pool, recorded(line, now_ms, 0, entitlement.bearer, details, late=True))
        answer.accepted += 1
        return
    counted = closed.consumed - closed.elsewhere
    overage = max(0, min(line["quantity"], counted + line["quantity"] - closed.limit))
    refusal = _what_refuses_strictly(pool, entitlement, line) if line["mode"] == "strict" else None
    if refusal is not None:
        refuse(pool, line, now_ms, answer, index, refusal)
        return
    if line["mode"] == "strict" and overage and counted + line["quantity"] > closed.hard_limit:
        refuse(pool, line, now_ms, answer, index, QuotaIsExceeded, max(0, closed.hard_limit - counted))
        if not closed.was_exceeded:
            exceed(pool, entitlement, now_ms, line["quantity"], line["workspace_id"], closed)
        return
    details = {
        "subject_id": line["subject_id"],
        "counted_in": closed.start_ms,
        "reservation_id": "",
        "parts": [],
    }
    entitlement.closed[closed.start_ms] = closed
    pool.counted_late[entitlement.resource_key, closed.start_ms] = entitlement, closed
    take(pool, recorded(line, now_ms, overage, closed.bearer, details, late=True))
    answer.accepted += 1
    if overage and not closed.was_exceeded:
        exceed(pool, entitlement, now_ms, line["quantity"], line["workspace_id"], closed)


def _what_refuses_strictly(
    pool: ResourcePool, entitlement: Entitlement, line: UsageLine
) -> type[CommandRefused] | None:
    """Nobody gets strictly for the past what is not to be had now; what a capped member drew then is not known any more."""
    if pool.status == "suspended":
        return PoolIsSuspended
    override = override_of(pool, line["workspace_id"], line["resource_key"])
    if override is not None and not override.allowed:
        return NotEntitled
    if entitlement.value is None:
        return why_not_entitled(pool, entitlement.resource_key)
    is_capped = pool.caps_of(line["workspace_id"], line["subject_id"], line["resource_key"])
    return PeriodIsClosed if is_capped else None


def _within_grace(entitlement: Entitlement, occurred_at: int, now_ms: int, turn: int) -> ClosedPeriod | None:
    """The period that usage occurred in, while its grace lasts: one that is remembered, or one in which nothing was used yet."""
    value, closed = entitlement.value, entitlement.closed_at(occurred_at)
    if closed is not None:
        return closed if now_ms < closed.until_ms else None
    if value is None or not value.grace_for or value.period is None:
        return None
    start_ms, end_ms = period_bounds(entitlement.period, occurred_at, entitlement.calendar)
    is_final = start_ms < entitlement.final_until_ms or now_ms >= end_ms + value.grace_for * 1_000
    # Nobody knows any more what it was worth then.
    is_final = is_final or entitlement.valued_since_ms >= end_ms
    # After a change of the calendar it may lie across periods that were counted by the old one.
    is_counted = any(start_ms < known.end_ms and known.start_ms < end_ms for known in entitlement.closed.values())
    if is_final or is_counted or end_ms > entitlement.period_at(now_ms)[0]:
        return None
    return entitlement.closed_period(start_ms, end_ms, turn, consumed=False)
