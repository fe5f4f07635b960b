"""One batch of the topic as rows: what can be read and is still kept, and what goes to the quarantine."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message

from entitlements.access.log.entries import ACCESS_DECIDED, AHEAD_MS_MAX, DAY_MS, Entry
from entitlements.access.log.rules import LogRules
from entitlements_schemas import Wire, WireError


@dataclass(slots=True)
class Batch:
    """Records of the topic, read."""

    entries: list[tuple[Message, Entry]] = field(default_factory=list)
    #: (record, code, reason)
    unreadable: list[tuple[Message, str, str]] = field(default_factory=list)
    expired: int = 0
    #: The offset after the last record, by partition.
    following: dict[int, int] = field(default_factory=dict)


def read(messages: Iterable[Message], wire: Wire, rules: LogRules) -> Batch:
    """Read records. A decision that is older than its key is kept is left out; one from the future is somebody's mistake."""
    batch = Batch()
    now_ms = time.time_ns() // 1_000_000
    for message in messages:
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        batch.following[partition] = offset + 1
        try:
            name, entry = wire.decode_plain(message.value())
        except WireError as error:
            batch.unreadable.append((message, error.code, str(error)))
            continue
        if name != ACCESS_DECIDED:
            batch.unreadable.append((message, "not_a_decision", f"{name} is no decision."))
        elif reason := _why_not(entry, now_ms):
            batch.unreadable.append((message, "invalid_decision", reason))
        elif entry["occurred_at"] < now_ms - rules.of(entry["resource_key"]).keep_for_days * DAY_MS:
            batch.expired += 1
        else:
            batch.entries.append((message, entry))
    return batch


def _why_not(entry: Entry, now_ms: int) -> str | None:
    """What keeps a well-formed record from being a row. Whoever writes to the topic may be no writer of ours."""
    if entry["occurred_at"] > now_ms + AHEAD_MS_MAX:
        return "It occurs in the future."
    if entry["occurred_at"] < 0:
        return "It occurred before 1970."
    if entry["result"] not in {"allowed", "denied"} or entry["count"] < 1:
        return "result is allowed or denied, count 1 or more."
    return next((f"{name} has a zero character." for name, value in entry.items() if _has_zero(value)), None)


def _has_zero(value: Any) -> bool:
    return isinstance(value, str) and "\0" in value
