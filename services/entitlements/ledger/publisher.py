"""Unfolds frames into `entitlements.events` (business events, one a record) and `entitlements.usage` (metering).

At least once, with deterministic ids and positions: a repeat is recognisable and nothing is missing. On start it goes back
to the position its group has stored and reads the tail of its own output, so that only what may be missing is written
again. Output partition = ledger partition, so each output partition is in the order of the ledger.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from entitlements.domain.aggregate import from_ms
from entitlements.domain.remembering import REMEMBERED_BY
from entitlements.errors import ServerIsAway
from entitlements.ledger import clients
from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.frames import decode_plain_events
from entitlements.ledger.pacing import READ_EVERY_FOR, Pace
from entitlements.ledger.quarantine import Quarantine
from entitlements.ledger.records import PRIVATE_FIELDS, aggregate_type_of
from entitlements.ledger.tail import LedgerFrame, LedgerTail
from entitlements.operations.onward import contexts_of_events, publishing
from entitlements.operations.tracing import TRACEPARENT
from entitlements.registry import wire_for
from entitlements.settings import Settings
from entitlements_schemas import cloudevents

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext

_log = logging.getLogger(__name__)

METERING: Final = frozenset({"UsageRecorded", "UsageRefused", "UsageReleased"})
#: Bookkeeping of the ledger, nobody's business outside.
INTERNAL: Final = frozenset({"AnswerRemembered", "PeriodsClosed", *(kind.__name__ for kind in REMEMBERED_BY.values())})
#: Seconds between stored positions; a crash repeats at most what was published since, which the output's tail cuts off.
STORE_EVERY_FOR: Final = 1.0
FRAMES_MAX: Final = 200
#: Milliseconds for which records of usage wait for others.
METERING_LINGERS_MS: Final = 100
SOURCE: Final = "entitlements/ledger"


class OutputFailed(ServerIsAway):
    """The broker rejected published records."""

    code = "output_failed"


class Place(NamedTuple):
    """Where an event stands in its partition of the ledger: the frame's offset and the event's place in it."""

    offset: int
    place: int


class Publisher:
    """Publishes the partitions its group gives it, until stopping is set."""

    def __init__(self, settings: Settings, stopping: threading.Event) -> None:
        self.settings = settings
        self.stopping = stopping
        self._events, self._usage = settings.topic("events"), settings.topic("usage")
        self._wire = wire_for(settings)
        # No event is ever given up while one after it is written: the output's tail would hide that it is missing.
        patient = {"delivery.timeout.ms": 0, "enable.gapless.guarantee": True}
        self._producer = clients.producer(settings, **{"linger.ms": 2} | patient)
        # Nobody waits for a record of usage; the client sends a request for each partition, so they go in company.
        self._metering = clients.producer(settings, **{"linger.ms": METERING_LINGERS_MS} | patient)
        self._tail = LedgerTail(settings, {}, self._on_foreign, properties=clients.PACED)
        # The group watches the ledger's partitions only to share them out; frames come through the tail.
        self._group: Consumer = clients.member(settings, "publisher")
        self._published: dict[tuple[str, int], Place] = {}
        self._stored: dict[int, int] = {}
        self._quarantine = Quarantine(settings, self._producer, "publisher")
        self._pace = Pace()
        self._failure: BaseException | None = None
        self._next_store = 0.0

    def run(self) -> None:
        """Publish until stopping is set. Raises LedgerError when the ledger does not continue."""
        self._group.subscribe([self.settings.topic("ledger")], on_assign=self._on_assign, on_revoke=self._on_revoke)
        try:
            while not self.stopping.is_set():
                self.turn()
        finally:
            self.close()

    def turn(self) -> None:
        """One round: keep our place in the group, publish what is there, store positions now and then."""
        message = self._group.poll(0)  # Paused: it brings rebalances and errors, no frames.
        if message is not None and message.error() is not None and message.error().fatal():  # type: ignore[union-attr]
            raise KafkaException(message.error())
        if self._failure is not None:
            raise self._failure
        frames = self._tail.read(FRAMES_MAX, timeout=0.05)
        self._pace.has_read(len(frames), FRAMES_MAX)
        for frame in frames:
            self._publish(frame)
        self._producer.poll(0)
        self._metering.poll(0)
        # Without partitions a read waits for nothing.
        self.stopping.wait(self._pace.rest_for() if self._stored else READ_EVERY_FOR)
        if time.monotonic() >= self._next_store:
            self._store()

    # --- Ownership ---------------------------------------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        try:
            consumer.assign(given)
            consumer.pause(given)
            self._tail.add({at.partition: self._resume(at) for at in consumer.committed(given, timeout=15)})
            _log.info("publishing partitions %s", sorted(self._stored))
        except BaseException as error:  # noqa: BLE001  Errors in callbacks of the client are lost: the loop raises it.
            self._failure = error

    def _on_revoke(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        if self._is_written(10):
            self._store()
        for at in taken:
            self._stored.pop(at.partition, None)
        self._tail.drop(at.partition for at in taken)
        consumer.unassign()

    def _resume(self, stored: TopicPartition) -> ChainPosition:
        """The stored position; what was published after it is learnt from the tail of the output."""
        number = stored.partition
        for topic in (self._events, self._usage):
            self._published[topic, number] = _last_place(self.settings, topic, number)
        try:
            position = ChainPosition.from_json(stored.metadata) if stored.metadata else ChainPosition()
        except ValueError:
            position = ChainPosition()
        self._stored[number] = position.offset
        return position

    # --- Publishing --------------------------------------------------------------------------------------------------

    def _publish(self, frame: LedgerFrame) -> None:
        traces = {} if frame.event_traceparents is None else contexts_of_events(frame.event_traceparents)
        for index, (short_name, record) in enumerate(decode_plain_events(frame.value).events):
            if short_name in INTERNAL:
                continue
            topic = self._usage if short_name in METERING else self._events
            if topic == self._usage and not self.settings.publish_usage:
                continue
            place = Place(frame.offset, index)
            if place > self._published[topic, frame.partition]:
                self._published[topic, frame.partition] = place
                self._produce(topic, frame.partition, place, short_name, record, traces.get(index))

    def _produce(
        self,
        topic: str,
        partition: int,
        place: Place,
        short_name: str,
        record: dict[str, Any],
        contexts: Sequence[SpanContext] | None,
    ) -> None:
        name = f"entitlements.events.{short_name}"
        aggregate_id = record["originator_id"]
        headers: list[Any] = [
            *cloudevents.headers(
                id=f"{aggregate_type_of(short_name)}/{aggregate_id}/{record['originator_version']}",
                type=name,
                source=SOURCE,
                time=from_ms(record["timestamp"]),
                subject=aggregate_id,
            ),
            ("ledger_partition", str(partition).encode()),
            ("ledger_offset", str(place.offset).encode()),
            ("ledger_index", str(place.place).encode()),
        ]
        on_delivery = self._on_delivery
        if contexts:
            span, traceparent = publishing(short_name, topic, contexts)
            headers.append((TRACEPARENT, traceparent))
            on_delivery = partial(self._on_traced_delivery, span)
        value = self._wire.encode_plain(name, published(short_name, record))
        producer = self._metering if topic == self._usage else self._producer
        while True:
            try:
                producer.produce(
                    topic, value, key=aggregate_id, partition=partition, headers=headers, on_delivery=on_delivery
                )
            except BufferError:  # The broker is slower than we are.
                if self.stopping.is_set():
                    # Set, too, so that no position behind it is stored.
                    self._failure = OutputFailed("stopped before everything was written")
                    raise self._failure from None
                producer.poll(0.1)
            else:
                return

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            # We begin anew where the output ends.
            self._failure = OutputFailed(f"{message.topic()}: {error.str()}")

    def _on_traced_delivery(self, span: Span | None, error: KafkaError | None, message: Message) -> None:
        if span is not None:
            span.end()
        self._on_delivery(error, message)

    def _on_foreign(self, message: Message) -> None:
        self._quarantine.put(message, "not_a_frame", "The ledger holds a record that is no frame.")

    def _is_written(self, within_for: float) -> bool:
        """Whether all that was published is written, within so many seconds for each producer."""
        return not self._producer.flush(within_for) and not self._metering.flush(within_for)

    def _store(self) -> None:
        """Store positions with the group, after everything before them is written."""
        self._next_store = time.monotonic() + STORE_EVERY_FOR
        positions = {number: self._tail.position(number) for number in self._stored}
        moved = {number: at for number, at in positions.items() if at.offset != self._stored[number]}
        if not moved or not self._is_written(10) or self._failure is not None:
            return
        topic = self.settings.topic("ledger")
        offsets = [TopicPartition(topic, n, at.offset + 1, metadata=at.to_json()) for n, at in moved.items()]
        try:
            self._group.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            _log.debug("Position commit failed: %s", error)
        else:
            self._stored |= {number: at.offset for number, at in moved.items()}

    def close(self) -> None:
        """Write what is under way, store positions and leave the group."""
        if self._failure is None:
            self._store()
        self._is_written(5)
        self._group.close()
        self._tail.close()


def published(short_name: str, record: dict[str, Any]) -> dict[str, Any]:
    """An event of the ledger without its private fields, such as the hash of an API key's secret."""
    private = PRIVATE_FIELDS.get(short_name)
    return {name: value for name, value in record.items() if name not in private} if private else record


def _last_place(settings: Settings, topic: str, partition: int) -> Place:
    """The place of the newest event of an output partition; before all places when it has none."""
    consumer = clients.reader(settings)
    try:
        at = TopicPartition(topic, partition)
        low, high = clients.watermarks(consumer, at)
        # From the end backwards: a foreign record has no place and says nothing.
        for offset in range(high - 1, max(low, high - 100) - 1, -1):
            consumer.assign([TopicPartition(topic, partition, offset)])
            message = consumer.poll(10)
            if message is None or message.error() is not None:
                break
            place = _place_of(message)
            if place is not None:
                return place
    finally:
        consumer.close()
    return Place(-1, -1)


def _place_of(message: Message) -> Place | None:
    """Where a published event stands in the ledger; None: it is none of ours."""
    headers: Any = dict(clients.headers_of(message))
    try:
        return Place(int(headers["ledger_offset"]), int(headers["ledger_index"]))
    except (KeyError, TypeError, ValueError):
        return None


def run(settings: Settings, stopping: threading.Event) -> None:
    """Run a publisher until stopping is set; it comes back by itself when the broker was away. Raises LedgerError."""
    clients.come_back(lambda: Publisher(settings, stopping).run(), stopping)
