"""What a step remembers: rows in memory, each version of a row also in a compacted topic, from which they are loaded.

Faust's own tables are not used: they send a row in the background, into the partition of the last event of a batch, and
their recovery can wait for a record that compaction has removed, or skip records when partitions move twice in a row.
Here a row is written, acknowledged, and only then remembered; and a load reads from the first record to the end of the
topic as it stood, in one go, before any record is processed.

A process that was stopped for long may still write an old version of a row after its successor wrote a newer one.
So the greatest version wins, whatever the order, and a load writes the greatest again when an older one came after it.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from entitlements.changes.codec import age_of
from entitlements.errors import ServerIsAway
from entitlements.kafka.properties import properties_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from entitlements.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds without any answer after which a load gives up.
SILENCE_FOR_MAX: Final = 30.0
#: Seconds to wait for one answer, and to go on asking when answers are errors.
ANSWER_FOR_MAX: Final = 10.0
PATIENCE_FOR: Final = 20.0


@dataclass(slots=True)
class Loaded:
    """The rows of one partition, by key, and those of them that must be written again."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    stale: dict[bytes, bytes] = field(default_factory=dict)


class Kafka:
    """Reads beside Faust: rows, committed offsets and ends of partitions. Calls block; errors are ServerIsAway."""

    def __init__(self, settings: Settings, group: str) -> None:
        self._config: dict[str, Any] = {
            **properties_of(settings),
            "group.id": group,  # To read its offsets; never joined.
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            "fetch.wait.max.ms": 50,
            "fetch.queue.backoff.ms": 50,
            "logger": logging.getLogger("entitlements.kafka"),
        }

    def consumer(self) -> Consumer:
        """A consumer that joins no group; the caller closes it."""
        return Consumer(self._config)

    def load(self, topic: str, partitions: Iterable[int]) -> dict[int, Loaded]:
        """The rows of these partitions as they are now."""
        wanted = list(partitions)
        return self._ask(lambda consumer: _read_to_the_end(consumer, topic, {number: Loaded() for number in wanted}))

    def next_offsets(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """By partition the offset that the group reads next: the committed one, or the first one that is there."""
        places = [TopicPartition(topic, partition) for partition in partitions]
        return self._ask(lambda consumer: _next_offsets(consumer, places)) if places else {}

    def first_offset_from(self, topic: str, partition: int, offset: int) -> int | None:
        """The first offset at or after this one that holds a record; None: none was found in time."""

        def first(consumer: Consumer) -> int | None:
            consumer.assign([TopicPartition(topic, partition, offset)])
            message = consumer.poll(ANSWER_FOR_MAX)
            return None if message is None or message.error() else message.offset()

        return self._ask(first)

    def _ask(self, question: Callable[[Consumer], T]) -> T:
        """Ask again for a while: right after a topic is made or a broker has come back, the leader is not known."""
        until = time.monotonic() + PATIENCE_FOR
        while True:
            try:
                with closing(self.consumer()) as consumer:
                    return question(consumer)
            except KafkaException as error:
                if time.monotonic() > until:
                    raise ServerIsAway(str(error.args[0])) from error
                time.sleep(0.2)


def _next_offsets(consumer: Consumer, places: list[TopicPartition]) -> dict[int, int]:
    found: dict[int, int] = {}
    for place in consumer.committed(places, timeout=ANSWER_FOR_MAX):
        low, high = _range(consumer, place)
        if place.offset > high:
            log.error(
                "%s/%d ends at %d, but %d was already read. Was the topic recreated?",
                *(place.topic, place.partition, high, place.offset),
            )
        found[place.partition] = place.offset if low <= place.offset <= high else low
    return found


def _range(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    low, high = consumer.get_watermark_offsets(place, timeout=ANSWER_FOR_MAX)
    return low, high


def _read_to_the_end(consumer: Consumer, topic: str, loaded: dict[int, Loaded]) -> dict[int, Loaded]:
    """Positions are compared with ends, not records: compaction may have removed the last ones."""
    ends: dict[int, int] = {}
    for partition in loaded:
        low, high = _range(consumer, TopicPartition(topic, partition))
        if high > low:
            ends[partition] = high
    places = [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in ends]
    consumer.assign(places)
    heard_at = time.monotonic()
    while ends:
        for message in consumer.consume(10_000, timeout=0.1):
            if (problem := message.error()) is not None:
                raise KafkaException(problem)
            heard_at = time.monotonic()
            _take(loaded[message.partition()], message.key(), message.value())  # type: ignore[index]
        for place in consumer.position(places):
            if place.offset >= ends.get(place.partition, 1 << 62):
                del ends[place.partition]
        if time.monotonic() - heard_at > SILENCE_FOR_MAX:
            raise ServerIsAway(
                f"{topic}: no record for {SILENCE_FOR_MAX:.0f} s, partitions {sorted(ends)} have not reached their end."
            )
    return loaded


def _take(loaded: Loaded, key: bytes | None, value: bytes | None) -> None:
    if key is None or value is None:
        return  # Not ours: we never delete.
    known = loaded.rows.get(key)
    if known is None or age_of(value) >= age_of(known):
        loaded.rows[key] = value
        loaded.stale.pop(key, None)
    else:
        loaded.stale[key] = known


class Rows:
    """The rows of the partitions that are ours, in memory."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._partitions: dict[int, dict[bytes, bytes]] = {}

    def replace(self, loaded: dict[int, Loaded]) -> None:
        """From now on exactly these partitions are ours."""
        self._partitions = {partition: part.rows for partition, part in loaded.items()}

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The row, or None when nothing is remembered."""
        return self._partitions[partition].get(key)

    def put(self, partition: int, key: bytes, value: bytes) -> None:
        """Remember a row whose changelog record is acknowledged."""
        self._partitions[partition][key] = value

    def __len__(self) -> int:
        return sum(map(len, self._partitions.values()))
