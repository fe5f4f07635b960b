"""What was accepted under an idempotency key: remembered by the aggregate for its window, and compared with what is asked under it again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from entitlements.domain.aggregate import Aggregate
from entitlements.domain.commands import Command, RecordUsage, RecordUsageBatch
from entitlements.domain.errors import IdempotencyKeyReused
from entitlements.domain.pool_events import AnswerRemembered
from entitlements.domain.remembering import REMEMBERED_BY


def is_repeat(aggregate: Aggregate, command: Command, now_ms: int) -> bool:
    """Whether a command was accepted before under its key. Raises IdempotencyKeyReused: another was."""
    key = command.idempotency_key
    remembered = aggregate.answers.get(key) if key is not None else None
    if remembered is None or not aggregate.is_remembered(remembered.at_ms, now_ms):
        return False
    if remembered.body_digest != digest_of(command):
        raise IdempotencyKeyReused(str(key))
    return True


def remember(aggregate: Aggregate, command: Command, now: datetime) -> None:
    """Remember that a command was accepted under its key, if it has one."""
    if command.idempotency_key is not None:
        digest = digest_of(command)
        kind = REMEMBERED_BY.get(aggregate.aggregate_type, AnswerRemembered)
        aggregate.happen(kind, now, idempotency_key=command.idempotency_key, body_digest=digest)


#: The actor follows from who asks: after a key was rotated a retry is sent by another one, and is the same request.
_ENVELOPE: Final = frozenset(field.name for field in fields(Command)) | {"looked_up"}


def digest_of(command: Command) -> str:
    """SHA-256 over what is asked, without who asks, who waits for it and when, and what the sender looked up: the first 16 bytes in hex.

    Of usage how many lines it has and the ids they were given: what each of them says is remembered under its own id, and one that was
    refused is free again.
    """
    body: Any
    if isinstance(command, RecordUsage):
        # Where they travel one by one their ids follow from their places.
        ids = [] if command.lines_in_all else [line["usage_id"] for line in command.lines]
        body = [count_of(command), ids]
    elif isinstance(command, RecordUsageBatch):
        body = [[group["pool_id"], [line["usage_id"] for line in group["lines"]]] for group in command.groups]
    else:
        left_out = _ENVELOPE.union(getattr(command, "looked_up", ()))
        body = {field.name: getattr(command, field.name) for field in fields(command) if field.name not in left_out}
    text = json.dumps([type(command).__name__, body], sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).digest()[:16].hex()


def count_of(usage: RecordUsage) -> int:
    """How many lines there are under the key of a command of usage."""
    return usage.lines_in_all or len(usage.lines)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else vars(value)
