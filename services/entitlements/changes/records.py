"""What goes out: a record for a topic; and the quarantine's record for what could not be handled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from entitlements_schemas import cloudevents

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from entitlements.settings import Settings
    from entitlements_schemas import Wire

FOUND_BY: Final = "changes"
#: Bytes that a quarantined record needs beside the key, value and headers it carries, generously.
_AROUND_BYTES: Final = 16 * 1024


class Outgoing(NamedTuple):
    """A record to be written. Everything of one key keeps its order."""

    topic: str
    partition: int | None  # None: wherever its key belongs.
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class Incoming(Protocol):
    """A record as it was read; Faust's message is one."""

    topic: str
    partition: int
    offset: int
    timestamp: float | None  # Seconds.
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] | None


class Quarantine:
    """Makes records for the quarantine: the record as it was, and why it could not be handled. The key is where it stood."""

    def __init__(self, settings: Settings, wire: Wire, record_bytes_max: int) -> None:
        """record_bytes_max: what the topic takes. A value that is too large for it is cut, and the message says so."""
        self._topic = settings.topic("quarantine")
        self._wire = wire
        self._bytes_max = record_bytes_max - _AROUND_BYTES

    def record(self, message: Incoming, *, code: str, reason: str, now: datetime) -> Outgoing:
        """The record to write. code is stable; reason is for people; now is aware."""
        key, value = message.key, message.value
        headers = list(message.headers or ())
        room = self._bytes_max - sum(len(name) + len(held or b"") for name, held in headers)
        if room < 0:
            headers, room = [], self._bytes_max
            reason += " Its headers did not fit and were left out."
        if len(key or b"") + len(value or b"") > room:
            reason += f" Of its value only the first bytes of {len(value or b'')} are here."
            key = (key or b"")[: room // 2] if key is not None else None
            value = (value or b"")[: room - len(key or b"")] if value is not None else None
        record = {
            "topic": message.topic,
            "partition": message.partition,
            "offset": message.offset,
            "key": key,
            "value": value,
            "headers": [{"name": name, "value": held} for name, held in headers],
            "code": code,
            "message": reason[:1000],
            "found_by": FOUND_BY,
            "recorded_at": int((message.timestamp or 0) * 1000),
        }
        place = f"{message.topic}/{message.partition}/{message.offset}"
        name = "entitlements.entities.Quarantined"
        return Outgoing(
            self._topic,
            None,
            place.encode(),
            self._wire.encode_plain(name, record),
            cloudevents.headers(
                id=f"{FOUND_BY}/{place}", type=name, source="entitlements/changes", time=now, subject=place
            ),
        )
