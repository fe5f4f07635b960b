"""What became of the requests, counted where it is recorded: in the ledger and in entitlements.changes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from confluent_kafka import TopicPartition

from entitlements.errors import LedgerHasAGap
from entitlements.ledger import clients
from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.frames import decode_plain_events
from entitlements.ledger.tail import LedgerTail
from entitlements.settings import Settings
from entitlements_schemas import Wire

#: Seconds without a record after which a topic that should have more is given up.
SILENCE_FOR_MAX: Final = 30.0


@dataclass
class Books:
    """What the ledger says about one resource key, and where it ends."""

    #: Lines and quantity recorded.
    accepted: int = 0
    #: Usage ids that were refused, with workspace and the first reason. When an answer is lost on its way the question comes
    #: again, so the ledger may hold a refusal twice; the ids make it one.
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: Workspaces and the days (UTC) on which something was refused to them.
    exceeded: set[tuple[str, str]] = field(default_factory=set)
    #: Offset of the last valid frame, by partition.
    ends: dict[int, int] = field(default_factory=dict)

    def take(self, name: str, event: dict[str, Any], resource_key: str) -> None:
        """Count one event of the ledger."""
        if name == "UsageRecorded":
            self.accepted += sum(line["resource_key"] == resource_key for line in event["lines"])
        elif name == "UsageRefused":
            for line in event["lines"]:
                if line["resource_key"] == resource_key:
                    self.refused.setdefault(line["usage_id"], (line["workspace_id"], line["code"]))
                    self.exceeded.add((line["workspace_id"], _day(line["occurred_at"])))


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


def read_books(settings: Settings, resource_key: str) -> Books:
    """Read the whole ledger, valid frames only. Raises LedgerError."""
    books = Books()
    start = {partition: ChainPosition() for partition in range(settings.partitions)}
    with closing(LedgerTail(settings, start)) as tail:
        goals = {partition: tail.end_offset(partition) for partition in start}
        heard_at = time.monotonic()
        while any(tail.next_offset(partition) < goal for partition, goal in goals.items()):
            frames = tail.read()
            if frames:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > SILENCE_FOR_MAX:
                raise LedgerHasAGap(f"Its partitions end at {goals}, but reading stopped earlier.")
            for frame in frames:
                books.ends[frame.partition] = frame.position_after.offset
                for name, event in decode_plain_events(frame.value).events:
                    books.take(name, event, resource_key)
    return books


def read_changes(settings: Settings, progress: Callable[[int, int], None]) -> Counter[str]:
    """How many changes entitlements.changes holds, by type; a repeat counts once. Progress hears of records done and in all."""
    topic, wire = settings.topic("changes"), Wire()
    seen: dict[str, str] = {}
    with closing(clients.reader(settings)) as consumer:
        places = [TopicPartition(topic, partition) for partition in range(settings.partitions)]
        goals = {}
        for place in places:
            place.offset, end = clients.watermarks(consumer, place)
            if end > place.offset:
                goals[place.partition] = end
        total, done = sum(goals.values()), 0
        consumer.assign([place for place in places if place.partition in goals])
        heard_at = time.monotonic()
        while goals:
            messages: list[Any] = list(consumer.consume(2_000, 0.2))
            if messages:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > SILENCE_FOR_MAX:
                raise TimeoutError(f"{topic} ends at {goals}, but reading stopped earlier")
            for message in messages:
                if message.error() is not None:
                    continue
                done += 1
                kind = dict(message.headers() or ()).get("ce_type", b"")
                seen[wire.decode_plain(message.value())[1]["change_id"]] = bytes(kind).decode()
                if message.offset() + 1 >= goals.get(message.partition(), 0):
                    goals.pop(message.partition(), None)
            progress(done, total)
    return Counter(seen.values())
