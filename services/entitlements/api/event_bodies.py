"""CloudEvents 1.0 about usage, as they come: single and batch, structured and binary (HTTP protocol binding, JSON format)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote_to_bytes

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from entitlements.api.problems import Problem
from entitlements.api.validation import explained_decoding
from entitlements.domain.values import ID_CHARACTERS_MAX, QUANTITY_MAX, UsageMode
from entitlements.intake.strict import Id

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
    time: str = ""

    def used(self) -> Used:
        """The event's data. Raises what msgspec raises."""
        if self.data is not None:
            return self.data
        if not self.data_base64:
            raise msgspec.ValidationError("Object missing required field `data` - at `$`")
        try:
            self.data = _DECODE_DATA(base64.b64decode(self.data_base64, validate=True))
        except binascii.Error:
            raise msgspec.ValidationError("Expected `base64` - at `$.data_base64`") from None
        return self.data


class Malformed(msgspec.Struct):
    """An event of a batch that is none about usage: it is refused, and the others are not."""

    id: str
    code: str
    detail: str


class UsedBody(BaseModel):
    """The event's data."""

    resource_key: Id = Field(examples=["api_calls"])
    quantity: int = Field(1, ge=1, le=QUANTITY_MAX)
    customer_id: str = Field("", description="Left out: the event's subject.")
    pool_id: str = ""
    subject_id: str = ""
    mode: UsageMode = "report"


class EventBody(BaseModel):
    """A CloudEvent about usage."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(min_length=1, examples=["req-17"])
    source: str = Field(min_length=1, examples=["/gateway/eu-1"])
    type: str = Field(min_length=1, examples=["com.example.api.called"])
    specversion: Literal["1.0"]
    subject: str = Field("", description="The customer.", examples=["ws-1"])
    time: str = Field(
        "", description="An RFC 3339 instant; finer than a millisecond is cut off.", examples=["2026-11-21T14:07:20Z"]
    )
    data: UsedBody


#: Bodies that are decoded by hand, for the OpenAPI document.
BODIES: Final = (EventBody, UsedBody)
_DECODE: Final = msgspec.json.Decoder(Event).decode
_DECODE_BATCH: Final = msgspec.json.Decoder(list[Event]).decode
_DECODE_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_DECODE_DATA: Final = msgspec.json.Decoder(Used).decode
#: What msgspec raises; of bytes that are not UTF-8 it is Python's own error.
_NOT_MEANT: Final = (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
SCHEMAS: Final = {
    SINGLE: {"schema": {"$ref": "#/components/schemas/EventBody"}},
    BATCH: {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/EventBody"}, "maxItems": EVENTS_MAX}},
    "application/json": {"schema": {"$ref": "#/components/schemas/UsedBody"}},
}
_ATTRIBUTES: Final = ("id", "source", "type", "specversion", "subject", "time")
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"')


def events_of(headers: Mapping[str, str], body: bytes) -> Sequence[Event | Malformed]:
    """The events of a request. Raises Problem: it holds none, or its only one is invalid."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    # A binary event need not say what its data is; the SDK of Python does not.
    is_binary = media_type == "application/json" or (not media_type and "ce-specversion" in headers)
    try:
        if media_type == BATCH:
            return _batch(body)
        if media_type == SINGLE:
            events = [_DECODE(body)]
        elif is_binary:
            events = [_binary(headers, body)]
        else:
            raise Problem(
                "unsupported_media_type", f"Usage comes as {SINGLE}, {BATCH}, or application/json with ce- headers."
            )
        events[0].used()
    except _NOT_MEANT as error:
        raise explained_decoding(error) from error
    return events


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
        raise Problem("invalid_request", f"One call takes {EVENTS_MAX} events; these are {count}.")


def _event_or_why_not(body: bytes) -> Event | Malformed:
    try:
        event = _DECODE(body)
        event.used()
    except _NOT_MEANT as error:
        problem = explained_decoding(error)
        try:
            told = msgspec.json.decode(body)
        except _NOT_MEANT:
            told = None
        event_id = told.get("id") if isinstance(told, dict) else None
        return Malformed(event_id if isinstance(event_id, str) else "", problem.code, str(problem))
    return event


def _binary(headers: Mapping[str, str], body: bytes) -> Event:
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
        wrong: dict[str, Any] = {"at": f"header.ce-{name}", "message": "must be UTF-8, percent-encoded"}
        raise Problem(
            "invalid_request", f"The request is not valid: {wrong['at']}: {wrong['message']}.", errors=[wrong]
        ) from None
