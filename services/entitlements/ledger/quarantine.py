"""What could not be handled, with its bytes, position and reason. Nothing is skipped silently, nothing loops for ever."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from entitlements.errors import ServerIsAway
from entitlements.ledger import clients
from entitlements.ledger.frames import wire
from entitlements.operations.metrics import QUARANTINED as COUNTED
from entitlements.settings import Settings

QUARANTINED: Final = "entitlements.entities.Quarantined"
#: Seconds; as long as the client itself goes on trying.
SETTLED_WITHIN_FOR: Final = 30.0


class Quarantine:
    """Writes to the quarantine topic. Repeats carry the same key: topic, partition and offset."""

    def __init__(self, settings: Settings, producer: Producer, found_by: str) -> None:
        self._topic = settings.topic("quarantine")
        self._producer = producer
        self._found_by = found_by
        self._open = 0

    def put(self, message: Message, code: str, reason: str) -> None:
        """Write the record away. It is safe once it is settled."""
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        record = {
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "key": message.key(),
            "value": message.value(),
            "headers": [{"name": name, "value": value} for name, value in clients.headers_of(message)],
            "code": code,
            "message": reason[:1000],
            "found_by": self._found_by,
            "recorded_at": max(0, message.timestamp()[1]),
        }
        value = wire().encode_plain(QUARANTINED, record)
        self._open += 1
        COUNTED.labels(self._found_by, code).inc()
        self._producer.produce(self._topic, value, key=f"{topic}/{partition}/{offset}", on_delivery=self._on_delivery)

    def settle(self) -> None:
        """Wait until everything that was put is there. Raises ServerIsAway when the broker does not take it."""
        self._producer.flush(SETTLED_WITHIN_FOR)
        if self._open:
            raise ServerIsAway(f"{self._open} records are not in quarantine yet.")

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self._open -= 1
