"""Where topics end, as the broker says: asked now and then for the whole life of a process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from entitlements.errors import ServerIsAway
from entitlements.ledger import clients
from entitlements.settings import Settings

#: A topic by its full name, and one of its partitions.
Place: TypeAlias = tuple[str, int]


class TopicEnds:
    """Asks where topics end. within_for: seconds for an answer. Safe between threads.

    A consumer asks: an AdminClient's list_offsets is answered late or never now and then, while the broker is well. After a failure
    another consumer asks: one that saw a leader go asks with its old epoch for ever after, and is refused (librdkafka,
    FENCED_LEADER_EPOCH).
    """

    def __init__(self, settings: Settings, *, within_for: float) -> None:
        self._settings, self._within_for = settings, within_for
        self._consumer: Consumer | None = None

    def of(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """The offset after the last record of partitions of one of our topics, such as `ledger`. Raises ServerIsAway."""
        name = self._settings.topic(topic)
        return {partition: end for (_, partition), end in self.at((name, number) for number in partitions).items()}

    def at(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset after the last record of each place. Raises ServerIsAway."""
        asked = [TopicPartition(topic, partition, OFFSET_END) for topic, partition in places]
        # Who asks holds it: it ends with the last of them, never under one.
        consumer, self._consumer = self._consumer or clients.reader(self._settings), None
        try:
            answers = consumer.offsets_for_times(asked, timeout=self._within_for)
            if errors := [answer.error for answer in answers if answer.error is not None]:
                raise KafkaException(errors[0])
        except KafkaException as error:
            raise ServerIsAway(f"Kafka did not return the end offsets: {error}") from error
        ends = {(answer.topic, answer.partition): answer.offset for answer in answers}
        if len(ends) < len(asked) or min(ends.values(), default=0) < 0:
            raise ServerIsAway("Kafka did not return all end offsets.")
        self._consumer = consumer
        return ends
