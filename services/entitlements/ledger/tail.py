"""Valid frames from Kafka, for everybody who reads the ledger."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from entitlements.errors import LedgerError, LedgerHasAGap, LedgerIsCorrupt
from entitlements.ledger import clients
from entitlements.ledger.chain import HASH_HEADER, ChainPosition, ChainReader, Verdict
from entitlements.ledger.frames import FrameHead
from entitlements.operations.spans import EVENT_TRACEPARENTS
from entitlements.settings import Settings

#: Seconds for the client library to close; it takes milliseconds.
_CLOSE_WITHIN_FOR: Final = 10.0
#: Errors of the client that say that what the broker has on its disk is damaged.
CORRUPT = {
    KafkaError._BAD_MSG,
    KafkaError._BAD_COMPRESSION,
    KafkaError._NOT_IMPLEMENTED,  # A format of records that nobody has written.
    KafkaError._UNDERFLOW,
    KafkaError.INVALID_MSG,
}
_PASSING = {
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._PARTITION_EOF,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
}


@dataclass(frozen=True, slots=True)
class LedgerFrame:
    """A valid frame and where it leaves its reader."""

    partition: int
    offset: int
    value: bytes
    head: FrameHead
    position_after: ChainPosition
    #: Which of its events carry a trace, as the header EVENT_TRACEPARENTS says it; None: none.
    event_traceparents: bytes | None = None


class LedgerTail:
    """Reads partitions of the ledger from positions on and gives valid frames only, each partition's in order.

    While the broker is away `read` gives nothing and goes on by itself. It raises LedgerIsCorrupt and LedgerHasAGap;
    after that it must not be read again. `on_foreign` hears of records that are no frames at all.
    """

    def __init__(
        self,
        settings: Settings,
        positions: Mapping[int, ChainPosition],
        on_foreign: Callable[[Message], None] | None = None,
        *,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """properties: of the consumer, beside or instead of ours, such as clients.PACED."""
        self._topic = settings.topic("ledger")
        self._consumer = clients.reader(settings, **(properties or {}))
        self._on_foreign = on_foreign
        self._chains: dict[int, ChainReader] = {}
        self._next: dict[int, int] = {}
        self._asked_again: dict[int, int] = {}
        self._sought: set[int] = set()
        self._broken: LedgerError | None = None
        self.assign(positions)

    def assign(self, positions: Mapping[int, ChainPosition]) -> None:
        """Read these partitions from these positions on, and no others."""
        self._chains = {p: ChainReader(p, position) for p, position in positions.items()}
        self._next = {p: chain.starts_at for p, chain in self._chains.items()}
        self._asked_again.clear()
        self._assign()

    def add(self, positions: Mapping[int, ChainPosition]) -> None:
        """Read these partitions too; the others go on where they stand."""
        self._chains |= {p: ChainReader(p, position) for p, position in positions.items()}
        self._next |= {p: self._chains[p].starts_at for p in positions}
        self._asked_again.clear()
        self._assign()

    def drop(self, partitions: Iterable[int]) -> None:
        """Read these partitions no longer."""
        for partition in partitions:
            self._chains.pop(partition, None)
            self._next.pop(partition, None)
        self._assign()

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(self._topic, p, at) for p, at in sorted(self._next.items())])

    def position(self, partition: int) -> ChainPosition:
        """Where the reader of a partition stands."""
        return self._chains[partition].position

    def next_offset(self, partition: int) -> int:
        """The offset after the last record seen, valid or not."""
        return self._next[partition]

    def end_offset(self, partition: int, timeout: float = 10.0) -> int:
        """The offset after the newest record of a partition now. Raises KafkaException when the broker is away."""
        return clients.watermarks(self._consumer, TopicPartition(self._topic, partition), timeout)[1]

    def read(self, max_frames: int = 500, timeout: float = 0.05) -> list[LedgerFrame]:
        """The frames that are there, waiting at most `timeout` seconds for the first."""
        if self._broken is not None:
            raise self._broken
        if not self._chains:
            return []
        self._sought.clear()
        first = self._consumer.poll(timeout)
        if first is None:
            return []
        frames: list[LedgerFrame] = []
        for message in (first, *self._consumer.consume(max_frames - 1, 0)) if max_frames > 1 else (first,):
            try:
                frame = self._judge(message)
            except LedgerError as error:
                if not frames:
                    raise
                self._broken = error  # What is valid before it counts: the next call raises.
                break
            if frame is not None:
                frames.append(frame)
        return frames

    def _judge(self, message: Any) -> LedgerFrame | None:
        error = message.error()
        partition = message.partition()
        if error is not None:
            self._explain(error, partition)
            return None
        chain = self._chains.get(partition)
        offset = message.offset()
        if chain is None or offset < self._next[partition] or partition in self._sought:
            return None  # Of an assignment that is over.
        if offset > self._next[partition]:
            self._ask_again(partition, offset)
            return None
        value = message.value()
        headers = clients.headers_of(message)
        verdict = chain.read(offset, value, next((v for name, v in headers if name == HASH_HEADER), None))
        self._next[partition] = offset + 1
        if verdict is Verdict.FOREIGN and self._on_foreign is not None:
            self._on_foreign(message)
        if verdict is not Verdict.VALID:
            return None
        assert chain.head is not None
        traces = next((v for name, v in headers if name == EVENT_TRACEPARENTS), None)
        return LedgerFrame(partition, offset, value, chain.head, chain.position, traces)

    def _ask_again(self, partition: int, offset: int) -> None:
        """The ledger has no holes: it is never compacted and nobody writes to it in transactions."""
        following = self._next[partition]
        if self._asked_again.get(partition) == following:
            raise LedgerHasAGap(f"Frame {following} of partition {partition} is missing, the next one is {offset}")
        self._asked_again[partition] = following
        self._sought.add(partition)
        self._consumer.seek(TopicPartition(self._topic, partition, following))

    def _explain(self, error: KafkaError, partition: int | None) -> None:
        if error.code() in CORRUPT:
            at = "?" if partition is None else self._next.get(partition, "?")
            raise LedgerIsCorrupt(f"Frame {at} of partition {partition} cannot be read: {error.str()}")
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            at = "?" if partition is None else self._next.get(partition, "?")
            raise LedgerHasAGap(f"Frame {at} of partition {partition} is missing: {error.str()}")
        if error.fatal() or error.code() not in _PASSING:
            raise KafkaException(error)

    def close(self) -> None:
        """Stop reading. After a record that is corrupt the client library sometimes never returns: then it is left behind."""
        closing = threading.Thread(target=self._consumer.close, name="ledger-tail-closes", daemon=True)
        closing.start()
        closing.join(_CLOSE_WITHIN_FOR)
