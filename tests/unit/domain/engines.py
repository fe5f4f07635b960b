"""Engines without Kafka: a log of commands, a ledger, and whoever decides. What Kafka does to them is a list of choices.

An engine here keeps to the contract of entitlements.ledger.engine: it writes on what it last knew, takes its own frame when
it hears that it stands right behind the one it continues or reads it as valid, and starts over from the log when it reads a
valid frame of somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import pytest
from generated import Logged
from specification import state_of

from entitlements.domain import remembered
from entitlements.domain.aggregate import Aggregate
from entitlements.ledger.chain import ChainPosition, ChainReader, Verdict
from entitlements.ledger.chunks import dump_chunk
from entitlements.ledger.frames import decode_plain_events, read_head, wire
from entitlements.ledger.partition import LoggedCommand, Partition, results_of
from entitlements.ledger.records import aggregate_type_of, name_of_command, shape_of
from entitlements.ledger.states import closed_chunks, dump_state, load_state


@contextmanager
def small_chunks() -> Iterator[None]:
    """What is remembered is closed, written apart and forgotten all the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remembered, "CHUNK_ROWS", 3)
        patch.setattr(remembered, "SPREAD_FROM_CHUNKS", 5)
        yield


def as_logged(log: Sequence[Logged], gaps: Random | None = None) -> list[LoggedCommand]:
    """The log as Kafka has it; between two offsets there may be a gap."""
    offset, logged = 0, []
    for timestamp_ms, command in log:
        value = wire().encode_plain(name_of_command(command), shape_of(type(command)).to_record(command))
        logged.append(LoggedCommand(offset, timestamp_ms, value))
        offset += 1 if gaps is None else gaps.choice((1, 1, 1, 3))
    return logged


def stored(aggregate: Aggregate) -> tuple[bytes, list[bytes]]:
    """What snapshots hold of an aggregate: its state, and the closed chunks of what it remembers."""
    chunks = [dump_chunk(type(chunk), chunk.as_columns()) for chunk in closed_chunks(aggregate)]
    return dump_state(aggregate), chunks


def states_of(partition: Partition) -> dict[tuple[str, str], tuple[bytes, list[bytes]]]:
    """What snapshots would hold of each aggregate of a partition, by its kind and name."""
    return {
        (kind, name): stored(aggregate)
        for kind, of_kind in partition.aggregates.items()
        for name, aggregate in of_kind.items()
    }


def start_over_from_snapshots(*partitions: Partition) -> None:
    """They go on from snapshots of what they have, as whoever takes over does."""
    for partition in partitions:
        for (kind, _), snapshot in states_of(partition).items():
            partition.restore(kind, load_state(kind, *snapshot))  # type: ignore[arg-type]


class Snapshot(NamedTuple):
    """The state of a partition at a position, as bytes."""

    position: str
    states: list[tuple[Any, bytes, list[bytes]]]


@dataclass
class Ledger:
    """What was written, by whomever, in the order of the log."""

    records: list[tuple[bytes, bytes]] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)

    def valid_frames(self) -> list[bytes]:
        chain = ChainReader(0, ChainPosition())
        return [
            value for at, (value, digest) in enumerate(self.records) if chain.read(at, value, digest) is Verdict.VALID
        ]


class Engine:
    """Decides the commands of one partition."""

    def __init__(self, name: str, commands: Sequence[LoggedCommand], ledger: Ledger) -> None:
        self.name, self.commands, self.ledger = name, commands, ledger
        self.answers: dict[str, dict[str, Any]] = {}
        #: A frame that was decided and is on its way: in the ledger, or not yet.
        self.on_its_way: tuple[bytes, bytes] | None = None
        self.recover(None)

    def recover(self, snapshot: Snapshot | None) -> None:
        """Forget everything and learn it from the log."""
        self.partition, position = Partition(0, 1), ChainPosition()
        if snapshot is not None:
            position = ChainPosition.from_json(snapshot.position)
            for kind, *stored in snapshot.states:
                self.partition.restore(kind, load_state(kind, *stored))
        self.partition.position = position
        self.chain = ChainReader(0, position)
        self.next_offset = self.chain.starts_at
        self.mine: bytes | None = None
        #: Where the log says that the frame stands; None: it has not said.
        self.stands_at: int | None = None
        self.results: list[tuple[str, dict[str, Any]]] = []
        while self.next_offset < len(self.ledger.records):
            value, verdict = self._read_one()
            if verdict is Verdict.VALID:
                self.partition.fold(value, self.chain.position)

    def read(self) -> None:
        """Read what is new. A valid frame of somebody else: start over (docs/architecture.md 3.6)."""
        while self.next_offset < len(self.ledger.records):
            _, verdict = self._read_one()
            if verdict is not Verdict.VALID:
                continue
            if self.mine is None or self.chain.position.hash != self.mine:
                self.recover(None)
                return
            self.partition.position, self.mine, self.stands_at = self.chain.position, None, None
            self.answers |= {result["command_id"]: result for _, result in self.results}

    def hear(self) -> None:
        """What was acknowledged at the very next offset counts, unread; anything else is read."""
        before = self.partition.position
        if self.mine is None or self.stands_at is None:
            return
        if self.stands_at != before.offset + 1:
            self.read()
            return
        value, digest = self.ledger.records[self.stands_at]
        head = read_head(value)
        assert head is not None and digest == self.mine  # noqa: PT018
        position = ChainPosition(self.stands_at, head.last_command, digest, before.tips)
        self.partition.position, self.mine, self.stands_at = position, None, None
        self.answers |= {result["command_id"]: result for _, result in self.results}
        self.chain, self.next_offset = ChainReader(0, position), position.offset

    def _read_one(self) -> tuple[bytes, Verdict]:
        value, digest = self.ledger.records[self.next_offset]
        verdict = self.chain.read(self.next_offset, value, digest)
        self.next_offset += 1
        return value, verdict

    def decide(self, at_most: int) -> bool:
        """Decide the next commands, unless a frame is under way. Whether there was anything to decide."""
        position = self.partition.position
        done = position.last_command if position.offset >= 0 else -1
        batch_of = [logged for logged in self.commands if logged.offset > done][:at_most]
        if self.mine is not None or not batch_of:
            return False
        batch = self.partition.decide(batch_of, frozenset())
        assert batch.unreadable == []
        self.on_its_way = self.partition.to_frame(batch, self.name)
        self.mine, self.results = self.on_its_way[1], results_of(batch)
        return True

    def write(self) -> None:
        """The frame that is on its way arrives."""
        if self.on_its_way is not None:
            if self.on_its_way[1] == self.mine:
                self.stands_at = len(self.ledger.records)
            self.ledger.records.append(self.on_its_way)
            self.on_its_way = None

    def give_up(self) -> None:
        """The frame that is on its way is lost, and the engine asks the log what became of it."""
        self.on_its_way = None
        self.recover(None)

    def take_snapshot(self) -> None:
        """Note the state while no frame is under way."""
        if self.mine is None:
            states = [
                (kind, *stored(aggregate))
                for kind, of_kind in self.partition.aggregates.items()
                for aggregate in of_kind.values()
            ]
            self.ledger.snapshots.append(Snapshot(self.partition.position.to_json(), states))


class Story(NamedTuple):
    """What a ledger tells, however it was cut into frames."""

    streams: dict[str, tuple[list[Any], list[Any]]]
    refusals: list[tuple[int, str, str, str]]


def story_of(frames: Sequence[bytes]) -> Story:
    """Per aggregate the events beside recorded lines and beside refused lines, each in order; lines that share a frame share an event."""
    streams: dict[str, tuple[list[Any], list[Any]]] = {}
    refusals = []
    for value in frames:
        body = decode_plain_events(value)
        refusals += [(r["offset"], r["aggregate_id"], r["code"], r["message"]) for r in body.refusals]
        for name, record in body.events:
            beside = streams.setdefault(f"{aggregate_type_of(name)}/{record['originator_id']}", ([], []))
            if name == "UsageRecorded":
                beside[0].extend(("recorded", line) for line in record["lines"])
            elif name == "UsageRefused":
                beside[1].extend(("refused", line) for line in record["lines"])
            else:
                told = (name, {key: value for key, value in record.items() if key != "originator_version"})
                beside[0].append(told)
                beside[1].append(told)
    return Story(streams, refusals)


def final_states(partition: Partition) -> dict[str, dict[str, Any]]:
    """All states without their versions, which count how lines were grouped."""
    return {
        f"{kind}/{name}": {key: value for key, value in state_of(aggregate).items() if key != "_version"}
        for kind, of_kind in partition.aggregates.items()
        for name, aggregate in of_kind.items()
    }


def answers_of(answers: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Answers without versions."""
    return {name: {key: value for key, value in result.items() if key != "version"} for name, result in answers.items()}


def undisturbed(commands: Sequence[LoggedCommand]) -> Engine:
    """One engine that nothing ever happens to, with one command a frame."""
    engine = Engine("undisturbed", commands, Ledger())
    while engine.decide(1):
        engine.write()
        engine.read()
    return engine
