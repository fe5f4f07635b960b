"""What could not be handled, with its bytes, position and reason. Nothing is skipped silently, nothing loops for ever."""

from __future__ import annotations

from typing import Any, Final

from confluent_kafka import Message, Producer

from entitlements.ledger.frames import wire
from entitlements.settings import Settings

QUARANTINED: Final = "entitlements.entities.Quarantined"


class Quarantine:
    """Writes to the quarantine topic. Repeats carry the same key: topic, partition and offset."""

    def __init__(self, settings: Settings, producer: Producer, found_by: str) -> None:
        self._topic = settings.topic("quarantine")
        self._producer = producer
        self._found_by = found_by

    def put(self, message: Message, code: str, reason: str) -> None:
        """Write the record away. It is safe once the producer is flushed."""
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        headers: Any = message.headers() or ()
        record = {
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "key": message.key(),
            "value": message.value(),
            "headers": [{"name": name, "value": value} for name, value in headers],
            "code": code,
            "message": reason[:1000],
            "found_by": self._found_by,
            "recorded_at": max(0, message.timestamp()[1]),
        }
        value = wire().encode_plain(QUARANTINED, record)
        self._producer.produce(self._topic, value, key=f"{topic}/{partition}/{offset}")
