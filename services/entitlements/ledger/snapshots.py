"""State at a version, in a compacted topic, so that a new owner need not fold the whole ledger.

A round begins at a valid position, writes every aggregate that has changed since its last snapshot, a slice at a time while
no frame is under way, and ends with a mark that names the position the round began at. Each snapshot is then at least as new
as the mark; the reader folds the ledger from the mark on and passes over events that a snapshot holds already.

An engine that was stopped and woken may write old snapshots over new ones before it learns of its rival. That shows: the
mark tells how many events there were, every event raises one version by one, so the versions must add up at the end.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from confluent_kafka import Producer, TopicPartition

from entitlements.domain.aggregate import Aggregate, AggregateType
from entitlements.ledger import clients
from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.frames import wire
from entitlements.ledger.partition import Partition
from entitlements.ledger.states import STATE_FORMAT, StateDoesNotFit, dump_state, load_state
from entitlements.settings import FRAME_BYTES_MAX, Settings
from entitlements_schemas import WireError

_log = logging.getLogger(__name__)

SNAPSHOT: Final = "entitlements.entities.Snapshot"
MARK: Final = "entitlements.entities.SnapshotMark"
#: A round begins when so many aggregates have changed, or so many seconds have passed with any changed.
DIRTY_MAX: Final = 20_000
ROUND_EVERY_FOR: Final = 30.0
#: Seconds of snapshots between two frames, which then wait: a slice is felt as latency.
SLICE_FOR: Final = 0.002


@dataclass
class Snapshots:
    """Writes the rounds of one partition."""

    settings: Settings
    producer: Producer
    partition: Partition
    _mark: dict[str, Any] | None = None
    _left: list[tuple[AggregateType, str]] = field(default_factory=list)
    _next_round: float = field(default_factory=lambda: time.monotonic() + ROUND_EVERY_FOR)

    def work(self) -> None:
        """Write a slice, if a round is due or under way. Call it only while no frame is under way."""
        if self._mark is None:
            dirty = self.partition.dirty
            if not dirty or (len(dirty) < DIRTY_MAX and time.monotonic() < self._next_round):
                return
            self._left, self.partition.dirty = sorted(dirty), set()
            self._mark = {
                "partition": self.partition.number,
                "position": self.partition.position.to_json(),
                "state_format": STATE_FORMAT,
                "aggregates": self.partition.count(),
                "events": self.partition.count_events(),
            }
        until = time.monotonic() + SLICE_FOR
        while self._left and time.monotonic() < until:
            kind, aggregate_id = self._left.pop()
            if not self._write(kind, self.partition.aggregates[kind][aggregate_id]):
                self._give_up((kind, aggregate_id))
                return
        if not self._left:
            self.producer.flush(30)  # The mark promises that the snapshots are there.
            self._produce("mark", wire().encode_plain(MARK, self._mark))
            self._mark, self._next_round = None, time.monotonic() + ROUND_EVERY_FOR

    def _give_up(self, unfit: tuple[AggregateType, str]) -> None:
        """One state does not fit into a record: the round has no mark, and a new owner folds more of the ledger."""
        _log.warning("The state of %s is too large for a snapshot; this snapshot round is cancelled", "/".join(unfit))
        self.partition.dirty.update(self._left, [unfit])
        self._mark, self._left, self._next_round = None, [], time.monotonic() + ROUND_EVERY_FOR * 10

    def _write(self, kind: AggregateType, aggregate: Aggregate) -> bool:
        record = {
            "aggregate_type": kind,
            "aggregate_id": aggregate.id,
            "version": aggregate.version,
            "state_format": STATE_FORMAT,
            "state": dump_state(aggregate),
        }
        try:
            value = wire().encode_plain(SNAPSHOT, record)
        except WireError as error:  # Decisions go on without snapshots.
            _log.error("%s", error)
            return False
        if len(value) > FRAME_BYTES_MAX - 4096:  # Room for the key and what Kafka puts around a record.
            return False
        self._produce(f"{kind}/{aggregate.id}", value)
        return True

    def _produce(self, key: str, value: bytes) -> None:
        self.producer.produce(self.settings.topic("snapshots"), value, key=key, partition=self.partition.number)


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
    snapshots: dict[str, dict[str, Any]] = {}
    mark: dict[str, Any] | None = None
    for key, value in _read_all(settings, partition.number):
        try:
            name, record = wire().decode_plain(value)
        except WireError as error:
            _log.warning("Ignoring snapshot %s of partition %s: %s", key, partition.number, error)
            return NOTHING
        if name == MARK:
            mark = record
        elif name == SNAPSHOT:
            snapshots[key] = record
    if mark is None or mark["state_format"] != STATE_FORMAT:
        return NOTHING
    try:
        restored = [_load(record) for record in snapshots.values()]
        if len(restored) < mark["aggregates"]:
            raise StateDoesNotFit(f"{mark['aggregates'] - len(restored)} of {mark['aggregates']} are missing")
        position = ChainPosition.from_json(mark["position"])
    except (StateDoesNotFit, ValueError) as error:
        _log.warning("Ignoring snapshots of partition %s: %s", partition.number, error)
        return NOTHING
    for kind, aggregate in restored:
        partition.restore(kind, aggregate)
    return Restored(position, mark["events"])


def _load(record: dict[str, Any]) -> tuple[AggregateType, Aggregate]:
    if record["state_format"] != STATE_FORMAT:
        raise StateDoesNotFit(f"format {record['state_format']} of {record['aggregate_id']}")
    kind: AggregateType = record["aggregate_type"]
    aggregate = load_state(kind, record["state"])
    if (aggregate.id, aggregate.version) != (record["aggregate_id"], record["version"]):
        raise StateDoesNotFit(
            f"{record['aggregate_id']} at {record['version']} is {aggregate.id} at {aggregate.version}"
        )
    return kind, aggregate


def _read_all(settings: Settings, number: int) -> list[tuple[str, bytes | None]]:
    """Every record of the partition, in order. Compaction leaves gaps: the end is a position, not a record."""
    consumer = clients.reader(settings, **{"enable.partition.eof": True})
    try:
        start = TopicPartition(settings.topic("snapshots"), number)
        low, high = clients.watermarks(consumer, start)
        if high <= low:
            return []
        consumer.assign([TopicPartition(start.topic, number, low)])
        found: list[tuple[str, bytes | None]] = []
        while True:
            message: Any = consumer.poll(10)
            if message is None:
                raise TimeoutError("the snapshots cannot be read")
            error = message.error()
            if error is None:
                found.append(((message.key() or b"").decode(errors="replace"), message.value()))
                if message.offset() + 1 >= high:
                    return found
            elif error.name() == "_PARTITION_EOF":
                return found
    finally:
        consumer.close()
