"""State at a version, in a compacted topic, so that a new owner need not fold the whole ledger.

A round begins at a valid position, writes every aggregate that has changed since its last snapshot, a slice at a time while
no frame is under way, and ends with a mark that names the position the round began at. Each snapshot is then at least as new
as the mark; the reader folds the ledger from the mark on and passes over events that a snapshot holds already.

Closed chunks of what an aggregate remembers are records of their own (chunks.py): those that are new or changed come first,
then the snapshot that names all of them, and when the broker has all of that, and the mark, those that nothing names any more
are deleted. So wherever a writer dies, the newest snapshot of each aggregate has its chunks. Whatever else is missing or
does not fit is found out, and the ledger is folded instead.

An engine that was stopped and woken may write old snapshots over new ones before it learns of its rival. That shows: the
mark tells how many events there were, every event raises one version by one, so the versions must add up at the end. A chunk cannot be an old one under a new name: its name is made of its content.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, Message, Producer, TopicPartition

from entitlements.domain.aggregate import Aggregate, AggregateType
from entitlements.domain.remembered_chunks import Chunk
from entitlements.ledger import clients
from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.chunks import (
    StateDoesNotFit,
    chunk_key,
    dump_chunk,
    name_of,
    named_by,
    names_in,
    snapshot_key,
)
from entitlements.ledger.frames import wire
from entitlements.ledger.partition import Partition
from entitlements.ledger.states import STATE_FORMAT, closed_chunks, dump_state, load_state, prepare
from entitlements.settings import FRAME_BYTES_MAX, Settings
from entitlements_schemas import WireError

_log = logging.getLogger(__name__)

SNAPSHOT: Final = "entitlements.entities.Snapshot"
CHUNK: Final = "entitlements.entities.SnapshotChunk"
MARK: Final = "entitlements.entities.SnapshotMark"
#: A round begins when so many aggregates have changed, or so many seconds have passed with any changed.
DIRTY_MAX: Final = 20_000
ROUND_EVERY_FOR: Final = 30.0
#: Seconds of snapshots between two frames, which then wait: a slice is felt as latency.
SLICE_FOR: Final = 0.002
#: Bytes of snapshots that the broker has not acknowledged: a frame waits behind them.
UNDER_WAY_BYTES_MAX: Final = 1024 * 1024

Address = tuple[AggregateType, str]


class Snapshots:
    """Writes the rounds of one partition."""

    def __init__(self, settings: Settings, producer: Producer, partition: Partition) -> None:
        prepare()
        self.producer, self.partition = producer, partition
        self._topic = settings.topic("snapshots")
        self._round: Iterator[bool] | None = None
        #: When a round begins, though few have changed; by the monotonic clock.
        self.next_round = time.monotonic() + ROUND_EVERY_FOR
        #: Bytes that the broker has not acknowledged, and whether it refused some of this round.
        self._under_way = 0
        self._has_failed = False
        #: Of this round: what is not written yet, what is, chunks that were, and keys of chunks that nothing names any more.
        self._left: list[Address] = []
        self._written: list[Address] = []
        self._chunks: list[Chunk[Any]] = []
        self._superseded: list[tuple[str, bytes]] = []

    @property
    def is_writing(self) -> bool:
        """Whether a round is under way."""
        return self._round is not None

    def work(self) -> bool:
        """Write a slice, if a round is due or under way; whether one is. Call it only while no frame is under way."""
        if self._round is None:
            dirty = self.partition.dirty
            if not dirty or (len(dirty) < DIRTY_MAX and time.monotonic() < self.next_round):
                return False
            self._round = self._write_round()
        if self._under_way > UNDER_WAY_BYTES_MAX:
            return True
        until = time.monotonic() + SLICE_FOR
        for must_wait in self._round:
            if must_wait or self._under_way > UNDER_WAY_BYTES_MAX or time.monotonic() >= until:
                return True
        self._round = None
        return True

    def _write_round(self) -> Iterator[bool]:
        """The steps of a round, each of a millisecond or so; True: the broker must acknowledge something first."""
        partition = self.partition
        self._left, partition.dirty = list(partition.dirty), set()
        self._written, self._chunks, self._superseded, self._has_failed = [], [], [], False
        mark = {
            "partition": partition.number,
            "position": partition.position.to_json(),
            "state_format": STATE_FORMAT,
            "aggregates": partition.count(),
            "events": partition.events,
        }
        while self._left:
            kind, aggregate_id = address = self._left.pop()
            self._written.append(address)
            yield from self._write_chunks(partition.aggregates[kind][aggregate_id])
            if not (yield from self._write(kind, partition.aggregates[kind][aggregate_id])):
                _log.warning(
                    "The state of %s is too large for a snapshot; this snapshot round is cancelled", "/".join(address)
                )
                self._give_up([address, *self._left], ROUND_EVERY_FOR * 10)
                return
        while self._under_way and not self._has_failed:  # The mark promises that the snapshots are there.
            yield True
        if self._has_failed:
            _log.warning(
                "The broker did not take a snapshot of partition %s; this round is cancelled", partition.number
            )
            for chunk in self._chunks:
                chunk.stored_as = None
            self._give_up(self._written, ROUND_EVERY_FOR)
            return
        self._produce("mark", wire().encode_plain(MARK, mark))
        for key, name in self._superseded:
            partition.stored_chunks[key].discard(name)
            self._produce(chunk_key(key, name), None)
            yield False
        self.next_round = time.monotonic() + ROUND_EVERY_FOR

    def _give_up(self, again: list[Address], wait_for: float) -> None:
        """The round has no mark: a new owner folds more of the ledger."""
        self.partition.dirty.update(again)
        self.next_round = time.monotonic() + wait_for

    def _write_chunks(self, aggregate: Aggregate) -> Iterator[bool]:
        """Write the closed chunks that no snapshot has as they are now. Meanwhile others may change."""
        for chunk in closed_chunks(aggregate):
            if chunk.stored_as is None:
                key = snapshot_key(aggregate.aggregate_type, aggregate.id)
                chunk.stored_as = self._write_chunk(key, dump_chunk(type(chunk), chunk.as_columns()))
                self._chunks.append(chunk)
                yield False

    def _write_chunk(self, key: str, state: bytes) -> bytes:
        name = name_of(state)
        self._produce(chunk_key(key, name), wire().encode_plain(CHUNK, {"state": state}))
        self.partition.stored_chunks.setdefault(key, set()).add(name)
        return name

    def _write(self, kind: AggregateType, aggregate: Aggregate) -> Generator[bool, None, bool]:
        """Write an aggregate as it is at this moment: what changes before all is written is not in it."""
        key, names = snapshot_key(kind, aggregate.id), list[bytes]()
        record = {
            "aggregate_type": kind,
            "aggregate_id": aggregate.id,
            "version": aggregate.version,
            "state_format": STATE_FORMAT,
            "state": dump_state(aggregate),
        }
        # Few of them, if any, have been changed or closed since they were written a moment ago.
        chunks = [chunk.stored_as or (type(chunk), chunk.as_columns()) for chunk in closed_chunks(aggregate)]
        for chunk in chunks:
            if isinstance(chunk, bytes):
                names.append(chunk)
            else:
                names.append(self._write_chunk(key, dump_chunk(*chunk)))
                yield False
        record["chunks"] = b"".join(names) or None
        try:
            value = wire().encode_plain(SNAPSHOT, record)
        except WireError as error:  # Decisions go on without snapshots.
            _log.error("%s", error)
            return False
        if len(value) > FRAME_BYTES_MAX - 4096:  # Room for the key and what Kafka puts around a record.
            return False
        self._produce(key, value)
        if key in self.partition.stored_chunks:
            self._superseded += [(key, name) for name in self.partition.stored_chunks[key].difference(names)]
        yield False
        return True

    def _produce(self, key: str, value: bytes | None) -> None:
        size = len(value or b"")
        self._under_way += size

        def delivered(error: KafkaError | None, _: Message) -> None:
            self._under_way -= size
            self._has_failed = self._has_failed or error is not None

        self.producer.produce(self._topic, value, key=key, partition=self.partition.number, on_delivery=delivered)


class Restored(NamedTuple):
    """Where to fold from, and how many events there were up to there."""

    position: ChainPosition
    events: int


NOTHING: Final = Restored(ChainPosition(), 0)


def restore(settings: Settings, partition: Partition) -> Restored:
    """Fill a new partition from its snapshots and return where to fold from.

    Snapshots that do not fit or have no mark are passed over: the ledger is then folded from its start. Raises
    KafkaException when the broker is away.
    """
    found = _read_newest(settings, partition.number)
    chunks: dict[str, bytes] = {}
    for key in list(found):
        if (named := named_by(key)) is not None:
            partition.stored_chunks.setdefault(named[0], set()).add(named[1])
            chunks[key] = found.pop(key)
    try:
        mark = _decode(found.pop("mark", None), MARK)
        if mark is None or mark["state_format"] != STATE_FORMAT:
            return NOTHING
        restored = [_load(key, found.pop(key), chunks) for key in list(found)]
        if len(restored) < mark["aggregates"]:
            raise StateDoesNotFit(f"{mark['aggregates'] - len(restored)} of {mark['aggregates']} are missing")
        position = ChainPosition.from_json(mark["position"])
    except (StateDoesNotFit, WireError, ValueError) as error:
        _log.warning("Ignoring snapshots of partition %s: %s", partition.number, error)
        return NOTHING
    for kind, aggregate in restored:
        partition.restore(kind, aggregate)
    return Restored(position, mark["events"])


def _decode(value: bytes | None, expected: str) -> dict[str, Any] | None:
    if value is None:
        return None
    name, record = wire().decode_plain(value)
    if name != expected:
        raise StateDoesNotFit(f"a record is a {name}, not a {expected}")
    return record


def _load(key: str, value: bytes, chunks: dict[str, bytes]) -> tuple[AggregateType, Aggregate]:
    record = _decode(value, SNAPSHOT)
    assert record is not None
    if record["state_format"] != STATE_FORMAT:
        raise StateDoesNotFit(f"format {record['state_format']} of {record['aggregate_id']}")
    kind: AggregateType = record["aggregate_type"]
    names = names_in(record)
    aggregate = load_state(kind, record["state"], (_load_chunk(key, name, chunks) for name in names))
    if (aggregate.id, aggregate.version) != (record["aggregate_id"], record["version"]):
        raise StateDoesNotFit(
            f"{record['aggregate_id']} at {record['version']} is {aggregate.id} at {aggregate.version}"
        )
    return kind, aggregate


def _load_chunk(key: str, name: bytes, chunks: dict[str, bytes]) -> bytes:
    record = _decode(chunks.pop(chunk_key(key, name), None), CHUNK)
    if record is None or name_of(record["state"]) != name:
        raise StateDoesNotFit(f"a chunk of {key} is missing or another one")
    state: bytes = record["state"]
    return state


def _read_newest(settings: Settings, number: int) -> dict[str, bytes]:
    """The newest record of each key, without those deleted. Compaction leaves gaps: the end is a position, not a record."""
    consumer = clients.reader(settings, **{"enable.partition.eof": True})
    try:
        start = TopicPartition(settings.topic("snapshots"), number)
        low, high = clients.watermarks(consumer, start)
        found: dict[str, bytes] = {}
        if high <= low:
            return found
        consumer.assign([TopicPartition(start.topic, number, low)])
        while True:
            message: Any = consumer.poll(10)
            if message is None:
                raise TimeoutError("the snapshots cannot be read")
            error = message.error()
            if error is None:
                key, value = (message.key() or b"").decode(errors="replace"), message.value()
                if value is None:
                    found.pop(key, None)
                else:
                    found[key] = value
                if message.offset() + 1 >= high:
                    return found
            elif error.name() == "_PARTITION_EOF":
                return found
    finally:
        consumer.close()
