"""CloudEvents 1.0 about usage, as they come: single and batch, structured and binary (HTTP protocol binding, JSON format)."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote_to_bytes

import msgspec
from pydantic import BaseModel, Field
from starlette.datastructures import Headers

from entitlements.api.media_types import JSON
from entitlements.api.problems import Problem
from entitlements.api.validation import explained_decoding
from entitlements.domain.values import ID_CHARACTERS_MAX, QUANTITY_MAX, UsageMode
from entitlements.intake.strict import Id, MaybeId

#: Events that one call may hold.
EVENTS_MAX: Final = 10_000
SINGLE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]


class Used(msgspec.Struct):
    """The event's data. customer_id: left out, the event's subject. Anything else in it is not looked at."""

    resource_key: _Id
    quantity: Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_MAX)] = 1
    customer_id: str = ""
    pool_id: str = ""
    subject_id: Annotated[str, msgspec.Meta(max_length=ID_CHARACTERS_MAX)] = ""
    mode: UsageMode = "report"


class Event(msgspec.Struct):
    """A CloudEvent about usage. Extension attributes are not looked at."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    source: Annotated[str, msgspec.Meta(min_length=1)]
    type: Annotated[str, msgspec.Meta(min_length=1)]
    specversion: Literal["1.0"]
    data: Used | None = None
    #: The same as bytes, which JSON cannot hold.
    data_base64: str = ""
    subject: str = ""
    #: Unset: the usage occurs when it is decided. An empty one is no instant.
    time: str | msgspec.UnsetType = msgspec.UNSET

    def used(self) -> Used:
        """The event's data. Raises what msgspec raises."""
        if self.data is not None:
            return self.data
        if not self.data_base64:
            raise msgspec.ValidationError("Object missing required field `data` - at `$`")
        try:
            data = base64.b64decode(self.data_base64, validate=True)
        except ValueError:  # Also what is not ASCII.
            raise msgspec.ValidationError("Expected `base64` - at `$.data_base64`") from None
        self.data = _DECODE_DATA(data)
        return self.data


class Malformed(msgspec.Struct):
    """An event of the batch is not valid usage."""

    id: str
    code: str
    detail: str


class UsageData(BaseModel):
    """Data of a usage event."""

    resource_key: Id = Field(description="The resource key.", examples=["api_calls"])
    quantity: int = Field(1, ge=1, le=QUANTITY_MAX, description="Quantity in the smallest unit of the key.")
    customer_id: MaybeId = Field("", description="The customer. Default: the subject of the event.")
    pool_id: MaybeId = Field("", description="Use this pool only. Default: the customer's first pool.")
    subject_id: MaybeId = Field("", description="The member of the customer. Default: none.")
    mode: UsageMode = Field(
        "report",
        description="strict: refused as a whole if it does not fit; report: it already happened and is always recorded.",
    )


class EventBody(BaseModel):
    """A CloudEvent about usage, with `data` or `data_base64`."""

    id: str = Field(
        min_length=1,
        description="Id of the event, unique within its source. The same id counts once.",
        examples=["req-17"],
    )
    source: str = Field(min_length=1, description="The sender of the event.", examples=["/gateway/eu-1"])
    type: str = Field(min_length=1, description="Type of the event; any name.", examples=["com.example.api.called"])
    specversion: Literal["1.0"] = Field(description="Version of CloudEvents.")
    subject: MaybeId = Field("", description="The customer, unless the data contains it.", examples=["ws-1"])
    time: str = Field(
        default_factory=str,
        description="When it happened, RFC 3339, to the millisecond. Default: when it is recorded.",
        examples=["2026-11-21T14:07:20Z"],
    )
    data: UsageData = Field(default_factory=UsageData.model_construct, description="The usage.")
    data_base64: str = Field("", description="The data in base64, instead of `data`.")


#: Bodies that are decoded by hand, for the OpenAPI document.
BODIES: Final = (EventBody, UsageData)
_DECODE: Final = msgspec.json.Decoder(Event).decode
_DECODE_BATCH: Final = msgspec.json.Decoder(list[Event]).decode
_DECODE_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_DECODE_DATA: Final = msgspec.json.Decoder(Used).decode
#: What msgspec raises; of bytes that are not UTF-8 it is Python's own error.
_NOT_MEANT: Final = (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_EVENT: Final = {"$ref": "#/components/schemas/EventBody"}
#: The bodies of POST /v1/events and /v1/events/batch, for the OpenAPI document. The first takes batches too, as CloudEvents has it; a
#: list among several bodies is what generators of clients cannot make.
SCHEMAS: Final = {
    SINGLE: {"schema": _EVENT},
    "application/json": {"schema": {"anyOf": [_EVENT, {"$ref": "#/components/schemas/UsageData"}]}},
}
BATCH_SCHEMAS: Final = {BATCH: {"schema": {"type": "array", "items": _EVENT, "maxItems": EVENTS_MAX}}}
_ATTRIBUTES: Final = ("id", "source", "type", "specversion", "subject", "time")
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"')


def events_of(media_type: str, headers: Headers, body: bytes) -> Sequence[Event | Malformed]:
    """The events of a request. media_type: of its body. Raises Problem: it holds none, or its only one is not valid.

    A body that is application/json is the data of a binary event where the request has an event's headers, else an event or a list of them.
    """
    is_binary = any(f"ce-{name}" in headers for name in _ATTRIBUTES)
    if media_type == BATCH or (media_type == JSON and not is_binary and body.lstrip()[:1] == b"["):
        return batch_of(media_type, body)
    try:
        if media_type == SINGLE or (media_type == JSON and not is_binary):
            events = [_DECODE(body)]
        elif media_type == JSON or (not media_type and is_binary):
            # A binary event need not say what its data is; the SDK of Python does not.
            events = [_binary(headers, body)]
        else:
            raise Problem("unsupported_media_type", f"Send events as {SINGLE}, {BATCH} or {JSON}.")
        events[0].used()
    except _NOT_MEANT as error:
        raise explained_decoding(error, body) from error
    return events


def batch_of(media_type: str, body: bytes) -> Sequence[Event | Malformed]:
    """The events of a list. Raises Problem: it is no list, or another media type."""
    if media_type not in {BATCH, JSON}:
        raise Problem("unsupported_media_type", f"Send a list of events as {BATCH} or {JSON}.")
    try:
        return _batch(body)
    except _NOT_MEANT as error:
        raise explained_decoding(error) from error


def _batch(body: bytes) -> Sequence[Event | Malformed]:
    try:
        events = _DECODE_BATCH(body)
        for event in events:
            event.used()
    except _NOT_MEANT:
        parts = _DECODE_LIST(body)
        _check_count(len(parts))
        return [_event_or_why_not(bytes(part)) for part in parts]
    _check_count(len(events))
    return events


def _check_count(count: int) -> None:
    if count > EVENTS_MAX:
        raise Problem("invalid_request", f"The maximum is {EVENTS_MAX} events; the request has {count}.")


def _event_or_why_not(body: bytes) -> Event | Malformed:
    try:
        event = _DECODE(body)
        event.used()
    except _NOT_MEANT as error:
        problem = explained_decoding(error, body)
        try:
            told = msgspec.json.decode(body)
        except _NOT_MEANT:
            told = None
        event_id = told.get("id") if isinstance(told, dict) else None
        return Malformed(event_id if isinstance(event_id, str) else "", problem.code, str(problem))
    return event


def _binary(headers: Headers, body: bytes) -> Event:
    for name in _ATTRIBUTES:
        if len(headers.getlist(f"ce-{name}")) > 1:  # Any of them might be meant.
            raise _wrong_attribute(name, "is given more than once")
    attributes = {
        name: _attribute(name, value) for name in _ATTRIBUTES if (value := headers.get(f"ce-{name}")) is not None
    }
    try:
        event = msgspec.convert(attributes, Event)
    except msgspec.ValidationError as error:
        problem = explained_decoding(error)
        for each in problem.facts["errors"]:
            each["at"] = each["at"].replace("body.", "header.ce-", 1)
        said = "; ".join(f"{each['at']}: {each['message']}" for each in problem.facts["errors"])
        raise Problem(problem.code, f"The request is not valid: {said}.", **problem.facts) from error
    event.data = _DECODE_DATA(body)
    return event


def _attribute(name: str, value: str) -> str:
    """An attribute of a header's value: double quotes are undone, then one round of percent-encoding (HTTP binding, 3.1.3.2)."""
    plain = _QUOTED.sub(lambda quoted: re.sub(rb"\\(.)", rb"\1", quoted[1]), value.encode("latin-1"))
    try:
        return unquote_to_bytes(plain).decode()
    except UnicodeDecodeError:
        raise _wrong_attribute(name, "must be percent-encoded UTF-8") from None


def _wrong_attribute(name: str, message: str) -> Problem:
    wrong: dict[str, Any] = {"at": f"header.ce-{name}", "message": message}
    return Problem("invalid_request", f"The request is not valid: {wrong['at']}: {message}.", errors=[wrong])
