"""Decisions about usage of a period that is over: it counts there while its grace lasts, against the limits it ended with."""

from __future__ import annotations

from entitlements.domain.aggregate import from_ms
from entitlements.domain.buckets import UNLIMITED, ClosedPeriod
from entitlements.domain.closed_periods import closed_within_grace
from entitlements.domain.cover import payer_of
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import CommandRefused, NotEntitled, PeriodIsClosed, PoolIsSuspended, QuotaIsExceeded
from entitlements.domain.lines import UsageAnswer, recorded, refuse, take
from entitlements.domain.members import caps_that_hold, override_of
from entitlements.domain.owing import pay
from entitlements.domain.pools import ResourcePool
from entitlements.domain.suspension import why_not_entitled
from entitlements.domain.thresholds import exceed
from entitlements.domain.values import LineDetails, UsageLine, UsagePart, admitted_part, part_of


def decide_late(
    pool: ResourcePool, entitlement: Entitlement, line: UsageLine, now_ms: int, answer: UsageAnswer, index: int
) -> None:
    """Usage of a period that is over: it counts there while its grace lasts, else it is recorded and changes nothing."""
    closed = closed_within_grace(pool, entitlement, line["occurred_at"], now_ms)
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
    refusal = _what_refuses_strictly(pool, entitlement, line) if line["mode"] == "strict" else None
    if refusal is not None:
        refuse(pool, line, now_ms, answer, index, refusal)
        return
    parts = included_late(pool, closed, line["quantity"])
    overage = line["quantity"] - sum(part["quantity"] for part in parts)
    may_be = closed.overage_left
    if line["mode"] == "strict" and overage > may_be:
        refuse(pool, line, now_ms, answer, index, QuotaIsExceeded, min(UNLIMITED, closed.included_left + may_be))
        if not closed.was_exceeded:
            exceed(pool, entitlement, now_ms, line["quantity"], line["workspace_id"], closed)
        return
    _record(pool, entitlement, closed, line, parts, now_ms)
    answer.accepted += 1


def _record(
    pool: ResourcePool,
    entitlement: Entitlement,
    closed: ClosedPeriod,
    line: UsageLine,
    parts: list[UsagePart],
    now_ms: int,
) -> None:
    overage = line["quantity"] - sum(part["quantity"] for part in parts)
    bearer = parts[0]["provision_id"] if parts else closed.bearer
    is_simple = not parts or (len(parts) == 1 and not parts[0]["admitted"])
    if overage and not is_simple:
        parts.append(part_of("overage", "", overage))
    details: LineDetails = {
        "subject_id": line["subject_id"],
        "counted_in": closed.start_ms,
        "reservation_id": "",
        "parts": [] if is_simple else parts,
    }
    entitlement.closed[closed.start_ms] = closed
    pool.counted_late[entitlement.resource_key, closed.start_ms] = entitlement, closed
    is_owed = overage > 0 and closed.preserves
    if is_owed:  # By the period under way.
        entitlement.enter(*entitlement.period_at(now_ms), pool.turn)
        pool.counted[entitlement.resource_key] = entitlement
    take(pool, recorded(line, now_ms, overage, bearer, details, late=True))
    if overage and not closed.was_exceeded:
        exceed(pool, entitlement, now_ms, line["quantity"], line["workspace_id"], closed)
    if is_owed:
        pay(pool, entitlement, from_ms(now_ms))


def included_late(pool: ResourcePool, closed: ClosedPeriod, quantity: int) -> list[UsagePart]:
    """Who bears late usage: whoever had more left than was carried over, in burn order; then an override of then."""
    parts: list[UsagePart] = []
    left = min(quantity, closed.included_left)
    for rest in closed.rests:
        part = min(left, rest.lapsed) if rest.in_force else 0
        if part:
            payer = payer_of(pool, rest.provision_id)
            parts.append(part_of("included", rest.provision_id, part, payer=payer))
            left -= part
    if left:
        parts.append(admitted_part("included", left))
    return parts


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
    is_capped = caps_that_hold(pool, line["workspace_id"], line["subject_id"], line["resource_key"])
    return PeriodIsClosed if is_capped else None
