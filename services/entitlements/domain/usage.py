"""Decisions about usage: every line by itself, in order. This is the hot path: plain dicts, ints and one pass.

A strict line is refused whole when it does not fit under the hard limit; a reported line already happened and is always
recorded, and what lies above the limit is marked overage (docs/architecture.md 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from entitlements.domain.aggregate import from_ms
from entitlements.domain.buckets import UNLIMITED
from entitlements.domain.cover import Cover, affordable, cover, fits
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import (
    CommandRefused,
    CustomerIsNotAssigned,
    InvalidId,
    InvalidInstant,
    InvalidQuantity,
    KeyIsNotMetered,
    PoolIsClosed,
    PoolIsSuspended,
    QuotaIsExceeded,
    TooManyUsageIds,
    UnknownKey,
)
from entitlements.domain.late_usage import decide_late
from entitlements.domain.lines import CLOCK_SKEW_MS_MAX, UsageAnswer, recorded, refuse, repeat, take
from entitlements.domain.members import what_narrows
from entitlements.domain.owing import pay
from entitlements.domain.pool_parts import LineBody
from entitlements.domain.pools import ResourcePool, body_of
from entitlements.domain.restack import tell_over_allocation
from entitlements.domain.suspension import why_not_entitled
from entitlements.domain.taking import count_usual, is_usual
from entitlements.domain.thresholds import exceed, tell_payers, warn
from entitlements.domain.values import (
    QUANTITY_MAX,
    LineDetails,
    UsageLine,
    is_id,
)

#: Ids of usage that a pool remembers at a time.
USAGE_IDS_MAX: Final = 10_000_000


def record_lines(pool: ResourcePool, lines: Sequence[UsageLine], now_ms: int, answer: UsageAnswer, first: int) -> None:
    """Decide lines at an instant to which time has advanced already; `first` is the index of the first line."""
    closed = pool.status == "closed"
    for index, line in enumerate(lines, first):
        if not closed and _record_usual(pool, line, now_ms):
            answer.accepted += 1
            continue
        usage_id = line["usage_id"]
        known = pool.usage_ids.get(usage_id) if usage_id else None
        if known is not None and pool.is_remembered(known.recorded_at, now_ms):
            repeat(pool, line, known, now_ms, answer, index)
            continue
        if usage_id and _is_full(pool, now_ms):
            refuse(pool, line, now_ms, answer, index, TooManyUsageIds)
            continue
        entitlement = pool.entitlements.get(line["resource_key"])
        if entitlement is None or closed:
            refuse(pool, line, now_ms, answer, index, PoolIsClosed if closed else UnknownKey)
            continue
        invalid = _what_is_invalid(pool, entitlement, line, now_ms)
        if invalid is not None:
            refuse(pool, line, now_ms, answer, index, invalid)
            continue
        _decide(pool, entitlement, line, now_ms, answer, index)


def _is_full(pool: ResourcePool, now_ms: int) -> bool:
    """Whether a pool remembers as many ids as it may, and the window of the oldest is not over."""
    remembered = pool.usage_ids
    return remembered.rows >= USAGE_IDS_MAX and pool.keeps_all(remembered, now_ms)


def refuse_lines(
    pool: ResourcePool,
    lines: Sequence[UsageLine],
    now_ms: int,
    answer: UsageAnswer,
    first: int,
    reason: type[CommandRefused],
) -> None:
    """Refuse lines for what their command says; those that were recorded before get their original answer."""
    for index, line in enumerate(lines, first):
        known = pool.usage_ids.get(line["usage_id"]) if line["usage_id"] else None
        if known is not None and pool.is_remembered(known.recorded_at, now_ms):
            repeat(pool, line, known, now_ms, answer, index)
        else:
            refuse(pool, line, now_ms, answer, index, reason)


def _record_usual(pool: ResourcePool, line: UsageLine, now_ms: int) -> bool:
    """Record a line if it is usual. False: nothing is done yet."""
    usage_id, body = line["usage_id"], body_of(line, line["occurred_at"] or now_ms)
    bearer = None if line["subject_id"] else take_if_usual(pool, body, usage_id, now_ms)
    if bearer is None:
        return False
    resource_key, quantity, mode, workspace_id, occurred_at = body
    pool.recorded.append(
        {
            "resource_key": resource_key,
            "quantity": quantity,
            "overage": 0,
            "mode": mode,
            "occurred_at": occurred_at,
            "recorded_at": now_ms,
            "workspace_id": workspace_id,
            "usage_id": usage_id,
            "provision_id": bearer,
            "late": False,
            "details": None,
        }
    )
    return True


def take_if_usual(pool: ResourcePool, body: LineBody, usage_id: str, now_ms: int) -> str | None:
    """Take a line of no subject into the state of a pool that is not closed if nothing special applies to it, as to most: borne by one
    contribution, in the current period, of nobody's own. Who bears it; whoever asks is to write it down.

    None: nothing is done yet, and the long way decides; it would have done the same with this line.
    """
    resource_key, quantity, _, workspace_id, occurred_at = body
    entitlement = pool.entitlements.get(resource_key)
    if entitlement is None or not (
        # With something consumed the end of the period is scheduled already.
        is_usual(entitlement, quantity)
        and quantity <= QUANTITY_MAX
        and entitlement.period_start_ms <= occurred_at <= now_ms + CLOCK_SKEW_MS_MAX
        and now_ms < entitlement.period_end_ms
        and (not workspace_id or workspace_id in pool.assignments)
        and (
            not usage_id or (usage_id not in pool.usage_ids and pool.usage_ids.rows < USAGE_IDS_MAX and is_id(usage_id))
        )
    ):
        return None
    bearer = count_usual(entitlement, quantity)
    pool.clock_ms = now_ms
    pool.counted[resource_key] = entitlement
    if usage_id:
        pool.remember_usual(usage_id, now_ms, body, bearer)
    return bearer


def _what_is_invalid(
    pool: ResourcePool, entitlement: Entitlement, line: UsageLine, now_ms: int
) -> type[CommandRefused] | None:
    """What is wrong with a line whatever the limits are."""
    if not 0 < line["quantity"] <= QUANTITY_MAX or entitlement.consumed + line["quantity"] >= UNLIMITED:
        return InvalidQuantity
    if (line["usage_id"] and not is_id(line["usage_id"])) or (line["subject_id"] and not is_id(line["subject_id"])):
        return InvalidId
    workspace_id = line["workspace_id"]
    if workspace_id and workspace_id not in pool.assignments:
        return CustomerIsNotAssigned
    if entitlement.entitlement_type == "boolean":
        return KeyIsNotMetered
    if line["occurred_at"] > now_ms + CLOCK_SKEW_MS_MAX or line["occurred_at"] < 0:
        return InvalidInstant
    return None


def _decide(
    pool: ResourcePool, entitlement: Entitlement, line: UsageLine, now_ms: int, answer: UsageAnswer, index: int
) -> None:
    start_ms, end_ms = entitlement.period_at(now_ms)
    occurred_at = line["occurred_at"] or now_ms
    if occurred_at < start_ms:
        decide_late(pool, entitlement, line, now_ms, answer, index)
        return
    found = cover(pool, entitlement, line["quantity"])
    if line["mode"] == "strict":
        refusal = what_refuses(pool, entitlement, line, found, now_ms)
        if refusal is not None:
            _refuse_strict(pool, entitlement, line, now_ms, answer, index, refusal)
            return
    if now_ms >= entitlement.period_end_ms:
        entitlement.enter(start_ms, end_ms, pool.turn)
    record(pool, entitlement, line, found, now_ms)
    answer.accepted += 1


def what_refuses(
    pool: ResourcePool, entitlement: Entitlement, line: UsageLine, found: Cover, now_ms: int
) -> tuple[type[CommandRefused], int] | None:
    """Why strict usage is refused, and how much would be taken; -1: the reason is no matter of how much."""
    if pool.status == "suspended":
        return PoolIsSuspended, -1
    if entitlement.value is None:
        return why_not_entitled(pool, entitlement.resource_key, line["workspace_id"]), -1
    refusal = what_narrows(pool, entitlement, line["workspace_id"], line["subject_id"], line["quantity"], now_ms)
    if refusal is not None:
        return refusal
    return None if fits(entitlement, found) else (QuotaIsExceeded, affordable(pool, entitlement))


def record(
    pool: ResourcePool,
    entitlement: Entitlement,
    line: UsageLine,
    found: Cover,
    now_ms: int,
    reservation_id: str = "",
) -> None:
    """Record a line in the period under way, and tell whoever is to be told."""
    overage, simple = found.overage, found.is_simple
    bearer = found.parts[0]["provision_id"] if simple and found.parts else entitlement.bearer
    details: LineDetails | None = None
    if not simple or line["subject_id"] or reservation_id:
        parts = [] if simple else found.parts
        details = {
            "subject_id": line["subject_id"],
            "counted_in": 0,
            "reservation_id": reservation_id,
            "parts": parts,
        }
    for credit_key in sorted({part["credit_key"] for part in found.parts if part["credit_key"]}):
        credit = pool.entitlements[credit_key]
        credit.enter(*credit.period_at(now_ms), pool.turn)
        pool.counted[credit.resource_key] = credit
    take(pool, recorded(line, now_ms, overage, bearer, details, late=False))
    pool.counted[entitlement.resource_key] = entitlement
    if entitlement.consumed >= entitlement.soft_limit and not entitlement.was_warned:
        warn(pool, entitlement, now_ms, line["workspace_id"])
    if overage and not entitlement.was_exceeded:
        exceed(pool, entitlement, now_ms, line["quantity"], line["workspace_id"])
    if overage:
        tell_over_allocation(pool, entitlement, from_ms(now_ms))
        if entitlement.debts:
            pay(pool, entitlement, from_ms(now_ms))
    if not simple:
        tell_payers(pool, entitlement, found.parts, now_ms, line["workspace_id"])


def _refuse_strict(
    pool: ResourcePool,
    entitlement: Entitlement,
    line: UsageLine,
    now_ms: int,
    answer: UsageAnswer,
    index: int,
    refusal: tuple[type[CommandRefused], int],
) -> None:
    reason, remaining = refusal
    refuse(pool, line, now_ms, answer, index, reason, remaining)
    if reason is QuotaIsExceeded and not entitlement.was_exceeded:
        exceed(pool, entitlement, now_ms, line["quantity"], line["workspace_id"])
