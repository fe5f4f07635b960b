"""Figures and proofs read off the log after the fact: nothing is measured by asking the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message, TopicPartition

from bench.place import ends
from entitlements.ledger import clients
from entitlements.ledger.chain import HASH_HEADER, ChainPosition, ChainReader, Verdict
from entitlements.ledger.frames import decode_plain_events, wire
from entitlements.settings import Settings


@dataclass(frozen=True)
class WrittenFrame:
    """A valid frame: when the engine wrote it (milliseconds) and what it recorded."""

    partition: int
    offset: int
    at_ms: int
    #: Events other than of usage recorded; their lines are counted apart.
    events: int
    lines: int
    commands: int
    quantity: int


@dataclass
class Ledger:
    """What a ledger says, from some offsets on."""

    frames: list[WrittenFrame] = field(default_factory=list)
    #: Consumed by pool as the newest event of each states it.
    totals: dict[str, int] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        return sum(frame.lines for frame in self.frames)

    @property
    def quantity(self) -> int:
        return sum(frame.quantity for frame in self.frames)


@dataclass
class Outcomes:
    """What the callers were told, from some offsets on."""

    commands: int = 0
    accepted_lines: int = 0
    refused: int = 0
    last_at_ms: int = 0


class Chain:
    """Reads a ledger bit by bit and proves that it is one chain from its first frame on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._readers = {number: ChainReader(number, ChainPosition()) for number in range(settings.partitions)}
        self._next = dict.fromkeys(self._readers, 0)
        self._totals: dict[str, int] = {}

    def read_on(self) -> Ledger:
        """All frames written since the last call. Raises AssertionError for one that does not count."""
        ledger = Ledger(totals=self._totals)
        for message in records(self._settings, "ledger", self._next):
            number: Any = message.partition()
            stated = next((value for name, value in message.headers() or () if name == HASH_HEADER), None)
            verdict = self._readers[number].read(message.offset(), message.value(), stated)  # type: ignore[arg-type]
            assert verdict is Verdict.VALID, f"frame {message.offset()} of partition {number} is {verdict}"
            ledger.frames.append(self._written(message))
            self._next[number] = message.offset() + 1  # type: ignore[operator]
        return ledger

    def _written(self, message: Message) -> WrittenFrame:
        body = decode_plain_events(message.value())  # type: ignore[arg-type]
        lines = quantity = 0
        for name, event in body.events:
            if name == "UsageRecorded":
                lines += len(event["lines"])
                quantity += sum(line["quantity"] for line in event["lines"])
                for total in event["totals"]:
                    self._totals[event["originator_id"]] = total["consumed"]
        others = sum(name != "UsageRecorded" for name, _ in body.events)
        commands = body.last_command - body.first_command + 1
        at: Any = message
        return WrittenFrame(at.partition(), at.offset(), at.timestamp()[1], others, lines, commands, quantity)


def outcomes_since(settings: Settings, start: Mapping[int, int]) -> Outcomes:
    """What callers were told since these offsets."""
    found = Outcomes()
    for message in records(settings, "outcomes", start):
        at_ms = message.timestamp()[1]
        found.last_at_ms = max(found.last_at_ms, at_ms)
        for result in wire().decode_plain(message.value()).record["results"]:
            found.commands += 1
            found.accepted_lines += result["accepted_lines"]
            found.refused += result["status"] != "accepted"
    return found


def records(settings: Settings, topic: str, start: Mapping[int, int]) -> Iterator[Message]:
    """The records of a topic from these offsets to its ends as they are now."""
    left = {number: end for number, end in ends(settings, topic).items() if end > start[number]}
    consumer = clients.reader(settings)
    try:
        consumer.assign([TopicPartition(settings.topic(topic), number, start[number]) for number in left])
        while left:
            message = consumer.poll(30)
            assert message is not None, f"{topic} cannot be read to its end"
            assert message.error() is None, message.error()
            number: Any = message.partition()
            if number not in left:
                continue  # Written meanwhile.
            if message.offset() + 1 >= left[number]:  # type: ignore[operator]
                del left[number]
            yield message
    finally:
        consumer.close()
