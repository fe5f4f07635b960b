"""Decisions about usage: every line by itself, in order. This is the hot path: plain dicts, ints and one pass.

A strict line is refused whole when it does not fit under the hard limit; a reported line already happened and is always
recorded, and what lies above the limit is marked overage (DESIGN 5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from entitlements.domain.aggregate import NEVER_MS, from_ms
from entitlements.domain.cover import Cover, affordable, cover, fits
from entitlements.domain.entitlement import UNLIMITED, ClosedPeriod, Entitlement
from entitlements.domain.errors import (
    CommandRefused,
    IdempotencyKeyReused,
    InvalidId,
    InvalidInstant,
    InvalidQuantity,
    KeyIsNotMetered,
    NotEntitled,
    PeriodIsClosed,
    PoolIsClosed,
    PoolIsSuspended,
    QuotaIsExceeded,
    UnknownKey,
    WorkspaceIsNotAssigned,
)
from entitlements.domain.members import what_narrows
from entitlements.domain.ondemand import alert_spending
from entitlements.domain.periods import period_bounds
from entitlements.domain.pool_events import QuotaExceeded, QuotaWarned
from entitlements.domain.pools import IDEMPOTENCY_WINDOW_MS, RememberedLine, ResourcePool, body_of
from entitlements.domain.taking import take_line
from entitlements.domain.values import (
    ID_CHARACTERS_MAX,
    QUANTITY_MAX,
    LineDetails,
    RecordedLine,
    RefusedLine,
    UsageLine,
    UsagePart,
    is_id,
)

#: How far ahead of the log's clock a reported instant may be: clocks of callers differ. Milliseconds.
CLOCK_SKEW_MS_MAX: Final = 300_000


@dataclass(slots=True)
class UsageAnswer:
    """What became of the lines of one command: (index, code, remaining) of those refused; all others were accepted."""

    accepted: int = 0
    repeated: int = 0
    refused: list[tuple[int, str, int]] = field(default_factory=list)


def lines_under_key(idempotency_key: str | None, lines: list[UsageLine], first: int) -> list[UsageLine]:
    """The lines of a command with an idempotency key: each that has no id of its own gets one that follows from the key.

    So a repeat finds every line that was accepted, and a line that was refused is free again, as a key is (DESIGN 3.7).
    """
    if idempotency_key is None:
        return lines
    return [
        line if line["usage_id"] else line | {"usage_id": _id_under_key(idempotency_key, index)}
        for index, line in enumerate(lines, first)
    ]


def _id_under_key(idempotency_key: str, index: int) -> str:
    usage_id = f"{idempotency_key}/{index}" if index else idempotency_key
    # Longer than an id may be: a digest stands for it.
    return usage_id if len(usage_id) <= ID_CHARACTERS_MAX else hashlib.sha256(usage_id.encode()).hexdigest()


def record_lines(pool: ResourcePool, lines: Sequence[UsageLine], now_ms: int, answer: UsageAnswer, first: int) -> None:
    """Decide lines at an instant to which time has advanced already; `first` is the index of the first line."""
    closed = pool.status == "closed"
    for index, line in enumerate(lines, first):
        if not closed and _record_usual(pool, line, now_ms):
            answer.accepted += 1
            continue
        usage_id = line["usage_id"]
        if usage_id and usage_id in pool.usage_ids:
            known = pool.usage_ids[usage_id]
            if known.recorded_at > now_ms - IDEMPOTENCY_WINDOW_MS:
                _repeat(pool, line, known, now_ms, answer, index)
                continue
        entitlement = pool.entitlements.get(line["resource_key"])
        if entitlement is None or closed:
            _refuse(pool, line, now_ms, answer, index, PoolIsClosed if closed else UnknownKey)
            continue
        invalid = _what_is_invalid(pool, entitlement, line, now_ms)
        if invalid is not None:
            _refuse(pool, line, now_ms, answer, index, invalid)
            continue
        _decide(pool, entitlement, line, now_ms, answer, index)


def _record_usual(pool: ResourcePool, line: UsageLine, now_ms: int) -> bool:
    """Record a line to which nothing special applies, as most are: borne by one contribution, in the current period, without ids.

    False: nothing is done yet, and the long way decides; it would have done the same with this line.
    """
    entitlement = pool.entitlements.get(line["resource_key"])
    if entitlement is None or line["usage_id"] or line["subject_id"]:
        return False
    before, quantity, workspace_id = entitlement.consumed, line["quantity"], line["workspace_id"]
    after, occurred_at = before + quantity, line["occurred_at"] or now_ms
    if not (
        # With something consumed the end of the period is scheduled already.
        0 < before < after <= entitlement.usual_until
        and quantity <= QUANTITY_MAX
        and entitlement.period_start_ms <= occurred_at <= now_ms + CLOCK_SKEW_MS_MAX
        and now_ms < entitlement.period_end_ms
        and (not workspace_id or workspace_id in pool.assignments)
    ):
        return False
    burning = entitlement.burning
    assert burning is not None, "with no contribution nothing is usual"
    burning.consumed += quantity
    entitlement.consumed = after
    pool.clock_ms = now_ms
    pool.recorded.append(
        {
            "resource_key": line["resource_key"],
            "quantity": quantity,
            "overage": 0,
            "mode": line["mode"],
            "occurred_at": occurred_at,
            "recorded_at": now_ms,
            "workspace_id": workspace_id,
            "usage_id": "",
            "provision_id": burning.provision_id,
            "late": False,
            "details": None,
        }
    )
    pool.counted[entitlement.resource_key] = entitlement
    return True


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
        return WorkspaceIsNotAssigned
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
        return NotEntitled, -1
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
    if found.credit_units and entitlement.value is not None and entitlement.value.credit_key:
        credit = pool.entitlements[entitlement.value.credit_key]
        credit.enter(*credit.period_at(now_ms), pool.turn)
        pool.counted[credit.resource_key] = credit
    take(pool, _recorded(line, now_ms, overage, bearer, details, late=False))
    pool.counted[entitlement.resource_key] = entitlement
    if entitlement.consumed >= entitlement.soft_limit and not entitlement.was_warned:
        warn(pool, entitlement, now_ms, line["workspace_id"])
    if overage and not entitlement.was_exceeded:
        exceed(pool, entitlement, now_ms, line["quantity"], line["workspace_id"])
    if not simple:
        tell_payers(pool, entitlement, found.parts, now_ms, line["workspace_id"])


def tell_payers(
    pool: ResourcePool, entitlement: Entitlement, parts: list[UsagePart], now_ms: int, workspace_id: str
) -> None:
    """Warn of credits that run low, and alert of on-demand spending."""
    for credit in [pool.entitlements[part["credit_key"]] for part in parts if part["bearer"] == "credit"]:
        if credit.consumed >= credit.soft_limit and not credit.was_warned:
            warn(pool, credit, now_ms, workspace_id)
    if any(part["bearer"] == "on_demand" and part["charge"] for part in parts):
        alert_spending(pool, entitlement.resource_key, now_ms)


def take(pool: ResourcePool, recorded: RecordedLine) -> None:
    """Take a line into the state and among those that the next event tells."""
    take_line(pool, recorded)
    pool.clock_ms = recorded["recorded_at"]
    pool.recorded.append(recorded)


def _recorded(
    line: UsageLine, now_ms: int, overage: int, bearer: str, details: LineDetails | None, *, late: bool
) -> RecordedLine:
    return {
        "resource_key": line["resource_key"],
        "quantity": line["quantity"],
        "overage": overage,
        "mode": line["mode"],
        "occurred_at": line["occurred_at"] or now_ms,
        "recorded_at": now_ms,
        "workspace_id": line["workspace_id"],
        "usage_id": line["usage_id"],
        "provision_id": bearer,
        "late": late,
        "details": details,
    }


def decide_late(
    pool: ResourcePool, entitlement: Entitlement, line: UsageLine, now_ms: int, answer: UsageAnswer, index: int
) -> None:
    """Usage of a period that is over: it counts there while its grace lasts, else it is recorded and changes nothing."""
    closed = _within_grace(entitlement, line["occurred_at"], now_ms, pool.turn)
    if closed is None:
        if line["mode"] == "strict":
            reason = PoolIsSuspended if pool.status == "suspended" else PeriodIsClosed
            _refuse(pool, line, now_ms, answer, index, reason)
            return
        details: LineDetails | None = None
        if line["subject_id"]:
            details = {"subject_id": line["subject_id"], "counted_in": 0, "reservation_id": "", "parts": []}
        take(pool, _recorded(line, now_ms, 0, entitlement.bearer, details, late=True))
        answer.accepted += 1
        return
    counted = closed.consumed - closed.elsewhere
    overage = max(0, min(line["quantity"], counted + line["quantity"] - closed.limit))
    if line["mode"] == "strict" and overage and counted + line["quantity"] > closed.hard_limit:
        _refuse(pool, line, now_ms, answer, index, QuotaIsExceeded, max(0, closed.hard_limit - counted))
        return
    details = {
        "subject_id": line["subject_id"],
        "counted_in": closed.start_ms,
        "reservation_id": "",
        "parts": [],
    }
    entitlement.closed[closed.start_ms] = closed
    pool.counted_late[entitlement.resource_key, closed.start_ms] = entitlement, closed
    take(pool, _recorded(line, now_ms, overage, closed.bearer, details, late=True))
    answer.accepted += 1
    if overage and not closed.was_exceeded:
        pool.happen(
            QuotaExceeded,
            from_ms(now_ms),
            resource_key=entitlement.resource_key,
            period_start=from_ms(closed.start_ms),
            period_end=from_ms(closed.end_ms),
            limit=None if closed.limit == UNLIMITED else closed.limit,
            consumed=closed.consumed,
            requested=line["quantity"],
            workspace_id=line["workspace_id"],
        )


def _within_grace(entitlement: Entitlement, occurred_at: int, now_ms: int, turn: int) -> ClosedPeriod | None:
    """The period that usage occurred in, while its grace lasts: one that is remembered, or one in which nothing was used yet."""
    value, closed = entitlement.value, entitlement.closed_at(occurred_at)
    if closed is not None:
        return closed if now_ms < closed.until_ms else None
    if value is None or not value.grace_for or value.period is None:
        return None
    start_ms, end_ms = period_bounds(entitlement.period, occurred_at, entitlement.calendar)
    is_final = start_ms < entitlement.final_until_ms or now_ms >= end_ms + value.grace_for * 1_000
    # After a change of the calendar it may lie across periods that were counted by the old one.
    is_counted = any(start_ms < known.end_ms and known.start_ms < end_ms for known in entitlement.closed.values())
    if is_final or is_counted or end_ms > entitlement.period_at(now_ms)[0]:
        return None
    return entitlement.closed_period(start_ms, end_ms, turn, consumed=False)


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
    _refuse(pool, line, now_ms, answer, index, reason, remaining)
    if reason is QuotaIsExceeded and not entitlement.was_exceeded:
        exceed(pool, entitlement, now_ms, line["quantity"], line["workspace_id"])


def _refuse(
    pool: ResourcePool,
    line: UsageLine,
    now_ms: int,
    answer: UsageAnswer,
    index: int,
    reason: type[CommandRefused],
    remaining: int = -1,
) -> None:
    refused: RefusedLine = {
        "resource_key": _as_told(line["resource_key"]),
        "quantity": line["quantity"],
        # An instant that nobody can mean is not taken into the log: readers would stumble over it for ever.
        "occurred_at": line["occurred_at"] if 0 < line["occurred_at"] <= now_ms + CLOCK_SKEW_MS_MAX else now_ms,
        "recorded_at": now_ms,
        "workspace_id": _as_told(line["workspace_id"]),
        "usage_id": _as_told(line["usage_id"]),
        "code": reason.code,
        "remaining": remaining,
    }
    pool.clock_ms = now_ms
    pool.refused.append(refused)
    answer.refused.append((index, reason.code, remaining))


def _as_told(text: str) -> str:
    """What was given for an id, as far as an event can hold it."""
    return text if is_id(text, 0) else text[:ID_CHARACTERS_MAX].replace("\0", "�")


def _repeat(
    pool: ResourcePool, line: UsageLine, known: RememberedLine, now_ms: int, answer: UsageAnswer, index: int
) -> None:
    """A line whose id was recorded before: the original answer, or a refusal if the body is another one."""
    occurred_at = line["occurred_at"] or known.body[-1]
    if body_of(line, occurred_at) == known.body:
        answer.accepted += 1
        answer.repeated += 1
    else:
        _refuse(pool, line, now_ms, answer, index, IdempotencyKeyReused)


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


def exceed(pool: ResourcePool, entitlement: Entitlement, now_ms: int, requested: int, workspace_id: str) -> None:
    """Tell that usage was refused or lies above the limit, for the first time in the period."""
    period_start, period_end = _period(entitlement, now_ms)
    pool.happen(
        QuotaExceeded,
        from_ms(now_ms),
        resource_key=entitlement.resource_key,
        period_start=period_start,
        period_end=period_end,
        limit=None if entitlement.limit == UNLIMITED else entitlement.limit,
        consumed=entitlement.consumed,
        requested=requested,
        workspace_id=workspace_id,
    )


def _period(entitlement: Entitlement, now_ms: int) -> tuple[datetime | None, datetime | None]:
    start_ms, end_ms = entitlement.period_at(now_ms)
    if entitlement.period is None or end_ms >= NEVER_MS:
        return None, None
    return from_ms(start_ms), from_ms(end_ms)
