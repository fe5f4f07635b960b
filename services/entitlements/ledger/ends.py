"""Where topics end, as the broker says: asked now and then for the whole life of a process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from entitlements.errors import ServerIsAway
from entitlements.ledger import clients
from entitlements.settings import Settings

#: A topic by its full name, and one of its partitions.
Place: TypeAlias = tuple[str, int]
_NEWEST: Final[Any] = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class TopicEnds:
    """Asks where topics end. within_for: seconds for an answer. Safe between threads.

    After a failure another client asks: one that saw a leader go asks with its old epoch for ever after, and is refused (librdkafka,
    FENCED_LEADER_EPOCH).
    """

    def __init__(self, settings: Settings, *, within_for: float) -> None:
        self._settings, self._within_for = settings, within_for
        self._admin: AdminClient | None = None

    def of(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """The offset after the last record of partitions of one of our topics, such as `ledger`. Raises ServerIsAway."""
        name = self._settings.topic(topic)
        return {partition: end for (_, partition), end in self.at((name, number) for number in partitions).items()}

    def at(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset after the last record of each place. Raises ServerIsAway."""
        asked = {TopicPartition(topic, partition): _NEWEST for topic, partition in places}
        # Its answers end with it, so it is held here while they are under way.
        admin, self._admin = self._admin or clients.admin(self._settings), None
        try:
            answers = admin.list_offsets(asked, request_timeout=self._within_for)
            found = {(at.topic, at.partition): told.result(self._within_for).offset for at, told in answers.items()}
        except (KafkaException, TimeoutError) as error:
            raise ServerIsAway(f"Kafka does not say where topics end: {error}") from error
        self._admin = admin
        return found
