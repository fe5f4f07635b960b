"""A frame's bytes: its head, which is all the chain looks at, and its body, decoded by whoever needs it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import fastavro

from entitlements.ledger.usage_folding import USUAL_EVENTS
from entitlements_schemas import NotEncodable, Wire, WireError, plain_schema
from entitlements_schemas.wire import PREFIX_BYTES

FRAME: Final = "entitlements.ledger.Frame"
_HEAD_FIELDS: Final = ("partition", "first_command", "last_command", "previous_offset", "previous_hash")


class FrameHead(NamedTuple):
    """How a frame is linked: its commands m to n and the frame before it."""

    partition: int
    first_command: int
    last_command: int
    previous_offset: int
    previous_hash: bytes


class Refusal(NamedTuple):
    """A command that had no effect, and why."""

    offset: int
    command_id: str
    aggregate_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class FrameBody:
    """Everything that was decided about commands m to n. Events are (short name, record)."""

    partition: int
    first_command: int
    last_command: int
    decided_at: Any
    engine: str
    events: list[tuple[str, dict[str, Any]]]
    refusals: list[dict[str, Any]]


@cache
def wire() -> Wire:
    """The bundled ids: the ledger is read the same everywhere, whatever registry is used for the other topics."""
    return Wire()


@cache
def _head_schema() -> Any:
    # The head's fields come first in every version of the frame, so that it can be read without the body.
    whole: Any = plain_schema(FRAME)
    fields = whole["fields"][: len(_HEAD_FIELDS)]
    assert tuple(field["name"] for field in fields) == _HEAD_FIELDS, "the head is what a frame starts with"
    return fastavro.parse_schema({"type": "record", "name": "entitlements.ledger.FrameHead", "fields": fields})


def is_frame(value: bytes) -> bool:
    """Whether the schema id says that the bytes are a frame."""
    if len(value) < PREFIX_BYTES or value[0] != 0:
        return False
    try:
        return wire().name_of(int.from_bytes(value[1:PREFIX_BYTES])) == FRAME
    except WireError:
        return False


def read_head(value: bytes) -> FrameHead | None:
    """The head of a frame; None when the bytes are none."""
    if not is_frame(value):
        return None
    body = io.BytesIO(value)
    body.seek(PREFIX_BYTES)
    try:
        head: Any = fastavro.schemaless_reader(body, _head_schema(), None)
        return FrameHead(**head)
    except Exception:  # noqa: BLE001  Random bytes raise anything; no head is the answer.
        return None


def write_frame(
    head: FrameHead,
    *,
    decided_at_ms: int,
    engine: str,
    events: Sequence[tuple[str, dict[str, Any] | bytes]],
    refusals: Sequence[Refusal],
) -> bytes:
    """The bytes of a frame. Events are (full name, plain record), or its bytes where it is written already."""
    record = head._asdict() | {
        "decided_at": decided_at_ms,
        "engine": engine,
        "events": events,
        "refusals": [refusal._asdict() for refusal in refusals],
    }
    try:
        return wire().encode_plain(FRAME, record)
    except NotEncodable:  # Perhaps fastavro has to write something else here, which knows records only.
        read = [(name, _read(name, event) if isinstance(event, bytes) else event) for name, event in events]
        return wire().encode_plain(FRAME, record | {"events": read})


def _read(name: str, event: bytes) -> Any:
    return fastavro.schemaless_reader(io.BytesIO(event), plain_schema(name), None)


def decode_events(value: bytes) -> FrameBody:
    """The body with instants as aware datetimes, for readers that care about few frames."""
    return _body(wire().decode(value).record)


def decode_plain_events(value: bytes) -> FrameBody:
    """The body with instants as epoch milliseconds, for folding and for whoever must be fast."""
    return _body(wire().decode_plain(value).record)


def read_to_fold(value: bytes) -> list[tuple[str, Any]]:
    """The events of a frame by full name: plain records, or matches of those in USUAL_EVENTS."""
    events: list[tuple[str, Any]] = _folding_wire().decode_plain(value).record["events"]
    return events


@cache
def _folding_wire() -> Wire:
    return Wire(patterns=USUAL_EVENTS)


def _body(record: dict[str, Any]) -> FrameBody:
    return FrameBody(
        partition=record["partition"],
        first_command=record["first_command"],
        last_command=record["last_command"],
        decided_at=record["decided_at"],
        engine=record["engine"],
        events=[(name.rpartition(".")[2], event) for name, event in record["events"]],
        refusals=record["refusals"],
    )
