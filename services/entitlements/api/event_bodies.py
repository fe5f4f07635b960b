"""CloudEvents 1.0 about usage, as they come: single and batch, structured and binary (HTTP protocol binding, JSON format)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal
from urllib.parse import unquote_to_bytes

import msgspec
import orjson
from starlette.datastructures import Headers

from entitlements.api.event_schemas import BATCH, EVENTS_MAX, SINGLE
from entitlements.api.media_types import JSON
from entitlements.api.problems import Problem
from entitlements.api.repeats import look_for_repeats, require_no_repeats, without_spaces
from entitlements.api.splitting import elements_of
from entitlements.api.validation import (
    explained_decoding,
    invalid,
    invalid_id,
    invalid_instant,
    not_json,
    number_out_of_range,
    told_anew,
    too_deep,
)
from entitlements.domain.values import ID_CHARACTERS_MAX, QUANTITY_MAX, UsageMode, is_id
from entitlements.intake.instants import NotAnInstant, occurred_ms, read_instant

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]


# Nothing that is read here holds what holds it: the collector of garbage need not look into ten thousand of them.
class Used(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The event's data. customer_id: left out, the event's subject. A misspelt field would be passed over: it is refused."""

    resource_key: _Id
    #: 0 and no mode: left out, which means 1 and report. Neither can be sent: so what was sent can be counted.
    quantity: Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_MAX)] = 0
    customer_id: str = ""
    pool_id: str = ""
    subject_id: Annotated[str, msgspec.Meta(max_length=ID_CHARACTERS_MAX)] = ""
    mode: UsageMode = ""  # type: ignore[assignment]


class Event(msgspec.Struct, dict=True):
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
    #: The same in milliseconds, once it was checked; 0: when it is decided.
    at_ms: ClassVar[int] = 0

    def used(self) -> Used:
        """The event's data. Raises what msgspec raises, and Problem."""
        if self.data is not None:
            if self.data_base64:
                raise invalid([{"at": "body.data_base64", "message": "cannot be sent together with data"}])
            return self.data
        if not self.data_base64:
            raise msgspec.ValidationError("Object missing required field `data` - at `$`")
        try:
            data = base64.b64decode(self.data_base64, validate=True)
        except ValueError:  # Also what is not ASCII.
            raise msgspec.ValidationError("Expected `base64` - at `$.data_base64`") from None
        self.data, self.data_base64 = _data_of(data), ""
        return self.data

    def check(self) -> None:
        """Whether it is usage, and each of its ids is one: those of no other reach Postgres. Raises as used."""
        try:
            at_ms = occurred_ms(read_instant(self.time) if isinstance(self.time, str) else None)
        except NotAnInstant:
            at_ms = -1
        if at_ms < 0:
            raise invalid_instant("body.time")
        self.__dict__["at_ms"] = at_ms
        data = self.used()
        for at, each, characters_min in (
            ("data.resource_key", data.resource_key, 1),
            ("data.pool_id", data.pool_id, 0),
            ("data.subject_id", data.subject_id, 0),
            ("data.customer_id", data.customer_id, 0),
            ("subject", data.customer_id or self.subject, 0),
        ):
            if not is_id(each, characters_min):
                raise invalid_id(f"body.{at}")


class Malformed(msgspec.Struct, gc=False):
    """An event of the batch is not valid usage."""

    id: str
    code: str
    detail: str


_DECODE: Final = msgspec.json.Decoder(Event).decode
_DECODE_BATCH: Final = msgspec.json.Decoder(list[Event]).decode
#: Names that count; an attribute of an extension may have any.
_NAMES: Final = frozenset({*Event.__struct_fields__, *Used.__struct_fields__})
_DECODE_DATA: Final = msgspec.json.Decoder(Used).decode
#: What msgspec raises; of bytes that are not UTF-8 it is Python's own error.
_NOT_MEANT: Final = (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ATTRIBUTES: Final = ("id", "source", "type", "specversion", "subject", "time")
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"')


def events_of(media_type: str, headers: Headers, body: bytes) -> Sequence[Event | Malformed]:
    """The events of a request. media_type: of its body. Raises Problem: it holds none, or its only one is not valid.

    A body that is application/json is the data of a binary event where the request has an event's headers, else an event or a list of them.
    """
    is_binary = _is_binary(headers)
    if is_list(media_type, headers, body):
        return batch_of(media_type, body)
    try:
        if media_type == SINGLE or (media_type == JSON and not is_binary):
            return [_event(body)]
        if media_type == JSON or (not media_type and is_binary):
            # A binary event need not say what its data is; the SDK of Python does not.
            return [_binary(headers, body)]
    except _NOT_MEANT as error:
        raise explained_decoding(error, body) from error
    raise Problem("unsupported_media_type", f"Send events as {SINGLE}, {BATCH} or {JSON}.")


def is_list(media_type: str, headers: Headers, body: bytes) -> bool:
    """Whether a request has a list of events."""
    return media_type == BATCH or (media_type == JSON and not _is_binary(headers) and body.lstrip()[:1] == b"[")


def _is_binary(headers: Headers) -> bool:
    return any(f"ce-{name}" in headers for name in _ATTRIBUTES)


def batch_of(media_type: str, body: bytes) -> Sequence[Event | Malformed]:
    """The events of a list. Raises Problem: it is no list, or another media type."""
    if media_type not in {BATCH, JSON}:
        raise Problem("unsupported_media_type", f"Send a list of events as {BATCH} or {JSON}.")
    try:
        events: Sequence[Event | Malformed] = _all_valid(body)
    except (*_NOT_MEANT, Problem):
        return [_event_or_why_not(part) for part in parts_of(body)]
    _require_not_too_many(events)
    return events


def parts_of(body: bytes) -> list[bytes]:
    """The elements of a list of events, for `events_in`. Raises Problem: it is no list, or has too many."""
    parts = elements_of(body, EVENTS_MAX)
    _require_not_too_many(parts)
    return parts


def events_in(parts: Sequence[bytes]) -> Sequence[Event | Malformed]:
    """The events of some elements of a list, each as in the whole."""
    try:
        return _all_valid(b"[" + b",".join(parts) + b"]")
    except (*_NOT_MEANT, Problem):
        return [_event_or_why_not(part) for part in parts]


def _require_not_too_many(events: Sequence[Any]) -> None:
    if len(events) > EVENTS_MAX:
        raise Problem("invalid_request", f"The maximum is {EVENTS_MAX} events; the request has {len(events)}.")


def _all_valid(body: bytes) -> list[Event]:
    """The events of a list, read at once: nearly always all of them are valid. Raises Problem, and what msgspec raises."""
    events = _DECODE_BATCH(body)
    for event in events:
        event.check()
    if not _is_plain(body, events):
        _check_json(body)
    return events


def _event(body: bytes) -> Event:
    event = _DECODE(body)
    try:
        event.check()
    except Problem as problem:  # Of one event alone it is said as of one in a batch.
        refusal = {"index": 0, "id": event.id, "code": problem.code, "remaining": None, "detail": problem.detail}
        problem.facts |= {"accepted": 0, "refused": [refusal]}
        raise
    if not _is_plain(body, [event]):
        _check_json(body)
    return event


def _is_plain(body: bytes, events: Sequence[Event]) -> bool:
    """Whether a list has, for certain, nothing that _check_json looks for: no name of ours more often than events that say something there,
    no object beside their data, no array, no character written otherwise. Known at a hundredth of the cost.
    """
    text = without_spaces(body)
    if b"\\" in text or b'"data_base64":' in text or text.count(b"[") > 1 or text.count(b"{") > 2 * len(events):
        return False
    datas = [event.data for event in events]
    return all(
        text.count(b'"%s":' % name.encode()) <= sum(1 for one in those if getattr(one, name))
        for names, those in ((Event.__struct_fields__, events), (Used.__struct_fields__, datas))
        for name in names
    )


def _check_json(body: bytes) -> None:
    """What is passed over in events is JSON all the same, nested no deeper than elsewhere, and no name of ours is there twice.

    Raises Problem.
    """
    try:
        orjson.dumps(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        if number_out_of_range(body) is None:  # Attributes that nobody reads may have any number.
            raise not_json(error.pos) from error
    except orjson.JSONEncodeError as error:
        raise too_deep() from error
    look_for_repeats(body, _NAMES)


def _event_or_why_not(body: bytes) -> Event | Malformed:
    try:
        return _event(body)
    except Problem as error:
        problem = error
    except _NOT_MEANT as error:
        problem = explained_decoding(error, body)
    return Malformed(_id_of(body), problem.code, str(problem))


def _id_of(body: bytes) -> str:
    """The id of an event that is not valid, as far as it can be read and written."""
    try:
        found = json.loads(body)
        event_id = found.get("id") if isinstance(found, dict) else None
        return event_id if isinstance(event_id, str) and event_id.encode() else ""
    except (ValueError, RecursionError):
        return ""


def _data_of(body: bytes) -> Used:
    data = _DECODE_DATA(body)
    require_no_repeats(body)
    return data


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
        raise told_anew(problem) from error
    event.data = _data_of(body)
    try:
        event.check()
    except Problem as problem:
        for each in problem.facts["errors"]:
            each["at"] = (
                "header.ce-subject" if each["at"] == "body.subject" else each["at"].replace("body.data.", "body.")
            )
        raise told_anew(problem) from problem
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
