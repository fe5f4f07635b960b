"""Lines of usage: what becomes of one is taken down here, whoever decided it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from entitlements.domain.buckets import UNLIMITED
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import CommandRefused, IdempotencyKeyReused, InvalidQuantity
from entitlements.domain.ids import derived_id
from entitlements.domain.pools import RememberedLine, ResourcePool, body_of
from entitlements.domain.taking import take_line
from entitlements.domain.values import ID_CHARACTERS_MAX, LineDetails, RecordedLine, RefusedLine, UsageLine, is_id

#: How far ahead of the log's clock a reported instant may be: clocks of callers differ. Milliseconds.
CLOCK_SKEW_MS_MAX: Final = 300_000


@dataclass(slots=True)
class UsageAnswer:
    """What became of the lines of one command: (index, code, remaining) of those refused; all others were accepted.

    usage_ids: the ids of the lines of a command with an idempotency key, in order; else empty: whoever sent them knows them.
    """

    accepted: int = 0
    repeated: int = 0
    refused: list[tuple[int, str, int]] = field(default_factory=list)
    usage_ids: list[str] = field(default_factory=list)


def lines_under_key(idempotency_key: str | None, lines: list[UsageLine], first: int) -> list[UsageLine]:
    """The lines of a command with an idempotency key: each that has no id of its own gets one that follows from the key.

    So a repeat finds every line that was accepted, and a line that was refused is free again, as a key is (docs/architecture.md 3.7).
    """
    if idempotency_key is None:
        return lines
    return [
        line if line["usage_id"] else line | {"usage_id": id_under_key(idempotency_key, index)}
        for index, line in enumerate(lines, first)
    ]


def id_under_key(idempotency_key: str, index: int) -> str:
    """The id of a line under a key: the first has the key itself, further ones have ids that no caller can choose."""
    return derived_id("line", idempotency_key, index) if index else idempotency_key


def take(pool: ResourcePool, recorded: RecordedLine) -> None:
    """Take a line into the state and among those that the next event tells."""
    take_line(pool, recorded)
    pool.clock_ms = recorded["recorded_at"]
    pool.recorded.append(recorded)


def recorded(
    line: UsageLine, now_ms: int, overage: int, bearer: str, details: LineDetails | None, *, late: bool
) -> RecordedLine:
    """A line as it is recorded."""
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


def refuse(
    pool: ResourcePool,
    line: UsageLine,
    now_ms: int,
    answer: UsageAnswer,
    index: int,
    reason: type[CommandRefused],
    remaining: int = -1,
) -> None:
    """Refuse a line whole; remaining: how much of it would be taken, -1: that is not the reason."""
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
        "subject_id": _as_told(line["subject_id"]),
    }
    pool.clock_ms = now_ms
    pool.refused.append(refused)
    answer.refused.append((index, reason.code, remaining))


def _as_told(text: str) -> str:
    """What was given for an id, as far as an event can hold it."""
    return text if is_id(text, 0) else text[:ID_CHARACTERS_MAX].replace("\0", "�")


def repeat(
    pool: ResourcePool, line: UsageLine, known: RememberedLine, now_ms: int, answer: UsageAnswer, index: int
) -> None:
    """A line whose id was recorded before: the original answer, or a refusal if the body is another one.

    Every field of a line is part of its body. One without an instant occurred when it was decided; one that was committed from a
    reservation is no repeat of one that was not.
    """
    body = body_of(line, line["occurred_at"] or known.recorded_at)
    if (body, line["subject_id"], "") == (known.body, known.subject_id, known.reservation_id):
        answer.accepted += 1
        answer.repeated += 1
    else:
        refuse(pool, line, now_ms, answer, index, IdempotencyKeyReused)


def check_countable(entitlement: Entitlement, quantity: int) -> None:
    """Whether so much more can still be counted. Raises InvalidQuantity."""
    if entitlement.consumed + entitlement.reserved + quantity >= UNLIMITED:
        raise InvalidQuantity(f"{quantity} would overflow the counter")
