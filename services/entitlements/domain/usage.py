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

from entitlements.domain.aggregate import from_ms
from entitlements.domain.commands import ReleaseUsage
from entitlements.domain.entitlement import UNLIMITED, Entitlement
from entitlements.domain.errors import (
    CommandRefused,
    IdempotencyKeyReused,
    InvalidId,
    InvalidInstant,
    InvalidQuantity,
    KeyIsNotHeld,
    KeyIsNotMetered,
    MoreThanIsHeld,
    NotEntitled,
    PeriodIsClosed,
    PoolIsClosed,
    PoolIsSuspended,
    QuotaIsExceeded,
    UnknownKey,
    WorkspaceIsNotAssigned,
)
from entitlements.domain.pool_events import QuotaExceeded, QuotaWarned, UsageReleased, take_line
from entitlements.domain.pools import IDEMPOTENCY_WINDOW_MS, RememberedLine, ResourcePool, body_of
from entitlements.domain.values import (
    ID_CHARACTERS_MAX,
    QUANTITY_MAX,
    RecordedLine,
    RefusedLine,
    UsageLine,
    UsageTotal,
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
    """Record a line to which nothing special applies, as most are: within every limit, in the current period, without an id.

    False: nothing is done yet, and the long way decides; it would have done the same with this line.
    """
    entitlement = pool.entitlements.get(line["resource_key"])
    if entitlement is None or entitlement.entitlement_type == "boolean" or line["usage_id"]:
        return False
    before, quantity, workspace_id = entitlement.consumed, line["quantity"], line["workspace_id"]
    after, occurred_at = before + quantity, line["occurred_at"] or now_ms
    if not (
        # With something consumed the end of the period is scheduled already.
        0 < before < after < entitlement.soft_limit
        and after <= entitlement.limit
        and after <= entitlement.hard_limit
        and quantity <= QUANTITY_MAX
        and entitlement.period_start_ms <= occurred_at <= now_ms + CLOCK_SKEW_MS_MAX
        and now_ms < entitlement.period_end_ms
        and (not workspace_id or workspace_id in pool.assignments)
    ):
        return False
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
            "provision_id": entitlement.bearer,
            "late": False,
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
    if line["usage_id"] and not is_id(line["usage_id"]):
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
    quantity, occurred_at = line["quantity"], line["occurred_at"] or now_ms
    if now_ms < entitlement.period_end_ms:
        start_ms, consumed = entitlement.period_start_ms, entitlement.consumed
    else:
        start_ms, consumed = entitlement.period_at(now_ms)[0], entitlement.consumed
    late = occurred_at < start_ms
    after = consumed + quantity
    strict = line["mode"] == "strict"
    if strict and (late or after > entitlement.hard_limit or entitlement.value is None):
        _refuse_strict(pool, entitlement, line, now_ms, answer, index, late=late)
        return
    over = after - entitlement.limit
    overage = 0 if over <= 0 or late else min(over, quantity)
    recorded: RecordedLine = {
        "resource_key": line["resource_key"],
        "quantity": quantity,
        "overage": overage,
        "mode": line["mode"],
        "occurred_at": occurred_at,
        "recorded_at": now_ms,
        "workspace_id": line["workspace_id"],
        "usage_id": line["usage_id"],
        "provision_id": entitlement.bearer,
        "late": late,
    }
    take_line(pool, recorded)
    pool.clock_ms = now_ms
    pool.recorded.append(recorded)
    answer.accepted += 1
    if late:
        return
    pool.counted[entitlement.resource_key] = entitlement
    if after >= entitlement.soft_limit and not entitlement.was_warned:
        _warn(pool, entitlement, now_ms, line["workspace_id"])
    if overage and not entitlement.was_exceeded:
        _exceed(pool, entitlement, now_ms, quantity, line["workspace_id"])


def _refuse_strict(
    pool: ResourcePool,
    entitlement: Entitlement,
    line: UsageLine,
    now_ms: int,
    answer: UsageAnswer,
    index: int,
    *,
    late: bool,
) -> None:
    if pool.status == "suspended":
        _refuse(pool, line, now_ms, answer, index, PoolIsSuspended)
    elif late:
        _refuse(pool, line, now_ms, answer, index, PeriodIsClosed)
    elif entitlement.value is None:
        _refuse(pool, line, now_ms, answer, index, NotEntitled)
    else:
        remaining = max(0, entitlement.hard_limit - entitlement.consumed)
        _refuse(pool, line, now_ms, answer, index, QuotaIsExceeded, remaining)
        if not entitlement.was_exceeded:
            _exceed(pool, entitlement, now_ms, line["quantity"], line["workspace_id"])


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


def _warn(pool: ResourcePool, entitlement: Entitlement, now_ms: int, workspace_id: str) -> None:
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


def _exceed(pool: ResourcePool, entitlement: Entitlement, now_ms: int, requested: int, workspace_id: str) -> None:
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
    if entitlement.entitlement_type != "quota":
        return None, None
    start_ms, end_ms = entitlement.period_at(now_ms)
    return from_ms(start_ms), from_ms(end_ms)


def release_usage(pool: ResourcePool, command: ReleaseUsage, now: datetime) -> None:
    """Give back what is held of a limit."""
    if pool.is_closed:
        raise PoolIsClosed
    entitlement = pool.entitlements.get(command.resource_key)
    if entitlement is None:
        raise UnknownKey(command.resource_key)
    if entitlement.entitlement_type != "limit":
        raise KeyIsNotHeld(command.resource_key)
    if command.workspace_id and command.workspace_id not in pool.assignments:
        raise WorkspaceIsNotAssigned(command.workspace_id)
    if command.quantity > entitlement.consumed:
        raise MoreThanIsHeld(f"{entitlement.consumed} of {command.resource_key} are held")
    pool.happen(
        UsageReleased,
        now,
        resource_key=command.resource_key,
        quantity=command.quantity,
        workspace_id=command.workspace_id,
        total=UsageTotal(
            resource_key=command.resource_key,
            period_start=None,
            period_end=None,
            consumed=entitlement.consumed - command.quantity,
        ),
        actor=command.actor,
    )
