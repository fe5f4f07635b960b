"""What was accepted under an idempotency key: remembered by the aggregate for its window, and compared with what is asked under it again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from entitlements.domain.aggregate import Aggregate, to_ms
from entitlements.domain.commands import Command, RecordUsage, RecordUsageBatch
from entitlements.domain.errors import IdempotencyKeyReused, TooManyIdempotencyKeys
from entitlements.domain.pool_events import AnswerRemembered
from entitlements.domain.pools import ResourcePool
from entitlements.domain.remembering import REMEMBERED_BY

#: Idempotency keys that an aggregate remembers at a time, beside the ids of usage (usage.USAGE_IDS_MAX).
KEYS_MAX: Final = 1_000_000


def is_repeat(aggregate: Aggregate, command: Command, now_ms: int) -> bool:
    """Whether a command was accepted before under its key. Raises IdempotencyKeyReused: another was, or usage was recorded under it.

    Of a request that travels as several commands also what was accepted under the request's key has to be of the same request.
    """
    batch_key: str = getattr(command, "batch_key", "")
    if batch_key and not _is_known(aggregate, batch_key, _batch_digest(command), now_ms):
        _require_unused(aggregate, batch_key, now_ms)
    key = command.idempotency_key
    if key is None:
        return False
    if _is_known(aggregate, key, digest_of(command), now_ms):
        return True
    if not names_its_line(command):
        _require_unused(aggregate, key, now_ms)
        _require_room(aggregate, now_ms)
    return False


def _is_known(aggregate: Aggregate, key: str, digest: str, now_ms: int) -> bool:
    """Whether this was accepted under a key. Raises IdempotencyKeyReused: something else was."""
    remembered = aggregate.answers.get(key)
    if remembered is None or not aggregate.is_remembered(remembered.at_ms, now_ms):
        return False
    if remembered.body_digest != digest:
        raise IdempotencyKeyReused(key)
    return True


def _require_unused(aggregate: Aggregate, key: str, now_ms: int) -> None:
    """One line of usage is remembered under its id alone, which is the key. Raises IdempotencyKeyReused."""
    line = aggregate.usage_ids.get(key) if isinstance(aggregate, ResourcePool) else None
    if line is not None and aggregate.is_remembered(line.recorded_at, now_ms):
        raise IdempotencyKeyReused(key)


def _require_room(aggregate: Aggregate, now_ms: int) -> None:
    """Raises TooManyIdempotencyKeys: as many as there may be are remembered, and the window of the oldest is not over."""
    if aggregate.answers.rows >= KEYS_MAX and aggregate.keeps_all(aggregate.answers, now_ms):
        raise TooManyIdempotencyKeys


def names_its_line(command: Command) -> bool:
    """Whether it is usage of one line whose id is the key: remembered under its id, it needs no answer beside it."""
    if isinstance(command, RecordUsage):
        lines = command.lines
    elif isinstance(command, RecordUsageBatch):
        lines = [line for group in command.groups for line in group["lines"]]
    else:
        return False
    return len(lines) == 1 and lines[0]["usage_id"] in ("", command.idempotency_key)


def remember(aggregate: Aggregate, command: Command, now: datetime) -> None:
    """Remember that a command was accepted under its key, if it has one, and under that of the request it is part of."""
    if command.idempotency_key is not None and not names_its_line(command):
        _remember(aggregate, command.idempotency_key, digest_of(command), now)
    batch_key: str = getattr(command, "batch_key", "")
    if batch_key and not _is_known(aggregate, batch_key, _batch_digest(command), to_ms(now)):
        _remember(aggregate, batch_key, _batch_digest(command), now)


def _remember(aggregate: Aggregate, key: str, digest: str, now: datetime) -> None:
    kind = REMEMBERED_BY.get(aggregate.aggregate_type, AnswerRemembered)
    aggregate.happen(kind, now, idempotency_key=key, body_digest=digest)


def _batch_digest(command: Command) -> str:
    # Hashed once more: what a sender hashes is no digest of a command.
    return hashlib.sha256(f"batch {getattr(command, 'batch_digest', '')}".encode()).digest()[:16].hex()


#: The actor follows from who asks: after a key was rotated a retry is sent by another one, and is the same request.
_ENVELOPE: Final = frozenset(field.name for field in fields(Command)) | {"looked_up", "batch_key", "batch_digest"}


def digest_of(command: Command) -> str:
    """SHA-256 over what is asked, without who asks, who waits for it and when, and what the sender looked up: the first 16 bytes in hex.

    Of usage how many lines it has and the ids they were given: what each of them says is remembered under its own id, and one that was
    refused is free again.
    """
    body: Any
    if isinstance(command, RecordUsage):
        body = [len(command.lines), [line["usage_id"] for line in command.lines]]
    elif isinstance(command, RecordUsageBatch):
        body = [[group["pool_id"], [line["usage_id"] for line in group["lines"]]] for group in command.groups]
    else:
        left_out = _ENVELOPE.union(getattr(command, "looked_up", ()))
        body = {field.name: getattr(command, field.name) for field in fields(command) if field.name not in left_out}
    text = json.dumps([type(command).__name__, body], sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).digest()[:16].hex()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else vars(value)
