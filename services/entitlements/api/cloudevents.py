"""POST /v1/events: usage as CloudEvents 1.0, single and batch, structured and binary (HTTP protocol binding, JSON format).

A line has the event's `source` and `id` as its usage id: the same event again counts once. Lines of many pools travel as one command
for each partition of the log, which is what makes ingestion quick; each line is decided by itself.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import Id, at_least, headers_of, json_answer, services_of, wants_no_answer, who
from entitlements.api.documents import ACCEPTED, PROBLEMS
from entitlements.api.identity import Identity
from entitlements.api.problems import Problem
from entitlements.api.routes import Route
from entitlements.api.sending import accepted, decided, envelope
from entitlements.api.validation import explained_decoding
from entitlements.domain.commands import RecordUsageBatch
from entitlements.domain.values import ID_CHARACTERS_MAX, QUANTITY_MAX, UsageLine, UsageMode, is_id
from entitlements.ledger.caller import Outcome
from entitlements.ledger.partitioning import partition_of

router = APIRouter(tags=["usage"], responses=PROBLEMS, route_class=Route)

#: Events that one call may hold, and lines that one command carries: it must stay below the log's bound of a record.
EVENTS_MAX: Final = 10_000
LINES_MAX: Final = 2_500
#: Events after which others of this worker have their turn: half a millisecond.
OTHERS_AFTER: Final = 500
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
    data: Used
    subject: str = ""
    time: datetime | None = None


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
    time: datetime | None = None
    data: UsedBody


class RefusedEvent(BaseModel):
    """An event that was refused. remaining: how much would have been taken; null: the reason is no matter of how much."""

    index: int
    id: str
    code: str
    remaining: int | None


class Ingested(BaseModel):
    """What became of the events. repeated: of those accepted, were all of them known already?"""

    accepted: int
    refused: list[RefusedEvent]


#: Bodies that are decoded by hand, for the OpenAPI document.
BODIES: Final = (EventBody, UsedBody)
_DECODE: Final = msgspec.json.Decoder(Event).decode
_DECODE_BATCH: Final = msgspec.json.Decoder(list[Event]).decode
_DECODE_DATA: Final = msgspec.json.Decoder(Used).decode
_SCHEMAS: Final = {
    SINGLE: {"schema": {"$ref": "#/components/schemas/EventBody"}},
    BATCH: {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/EventBody"}, "maxItems": EVENTS_MAX}},
    "application/json": {"schema": {"$ref": "#/components/schemas/UsedBody"}},
}


@router.post(
    "/v1/events",
    response_model=Ingested,
    responses=ACCEPTED,
    operation_id="ingest",
    openapi_extra={"requestBody": {"required": True, "content": _SCHEMAS}},
)
async def ingest(request: Request) -> Response:
    """Record usage as CloudEvents. Those that are refused are listed; all others were recorded, now or before.

    Binary mode: the attributes are headers (ce-id, ce-source, ...), the body is the data.
    """
    identity = who(request, "use", within_unit=True)
    events = await _events_of(request)
    if len(events) > EVENTS_MAX:
        raise Problem("invalid_request", f"One call takes {EVENTS_MAX} events; these are {len(events)}.")
    lines, refused = await _lines_of(request, identity, events)
    commands = list(_commands(identity, lines, services_of(request).settings.partitions))
    if wants_no_answer(request) and not refused:
        made = [command for command, _, _ in commands]
        return await accepted(request, *made, partitions=[partition for _, partition, _ in commands])
    outcomes = await asyncio.gather(*(decided(request, command, partition) for command, partition, _ in commands))
    for (_, _, indexes), outcome in zip(commands, outcomes, strict=True):
        refused += _refused(events, indexes, outcome)
    refused.sort(key=lambda each: int(each["index"]))
    document = {"accepted": len(events) - len(refused), "refused": refused}
    headers = headers_of(*outcomes) if outcomes else {}
    return json_answer(document, headers)


async def _events_of(request: Request) -> list[Event]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    try:
        if media_type == BATCH:
            return _DECODE_BATCH(body)
        if media_type == SINGLE:
            return [_DECODE(body)]
        if media_type == "application/json":
            return [_binary(request, body)]
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise explained_decoding(error) from error
    raise Problem("unsupported_media_type", f"Usage comes as {SINGLE}, {BATCH}, or application/json with ce- headers.")


def _binary(request: Request, body: bytes) -> Event:
    names = ("id", "source", "type", "specversion", "subject", "time")
    attributes = {name: value for name in names if (value := request.headers.get(f"ce-{name}")) is not None}
    return msgspec.convert({**attributes, "data": _DECODE_DATA(body)}, Event, strict=False)


async def _lines_of(
    request: Request, identity: Identity, events: Sequence[Event]
) -> tuple[list[tuple[int, str, UsageLine]], list[dict[str, Any]]]:
    """Each event's pool and line by its index, and those that cannot be meant or have no pool."""
    customers = {event.data.customer_id or event.subject for event in events if not event.data.pool_id}
    known = await services_of(request).pools_of(identity.organization_id, customers, at_least(request))
    allowed: set[str] = set()
    if identity.unit_id:
        named = {event.data.customer_id or event.subject for event in events}
        allowed = await services_of(request).units.allowed(identity, {each for each in named if is_id(each)})
    pools = {customer_id: found[0][0] for customer_id, found in known.items()}
    lines: list[tuple[int, str, UsageLine]] = []
    refused: list[dict[str, Any]] = []
    for index, event in enumerate(events):
        if index % OTHERS_AFTER == OTHERS_AFTER - 1:
            await asyncio.sleep(0)
        data = event.data
        customer_id = data.customer_id or event.subject
        pool_id = data.pool_id or pools.get(customer_id)
        at = event.time
        wrong = (
            "outside_unit"
            if identity.unit_id and customer_id not in allowed
            else "unknown_workspace"
            if pool_id is None
            else "invalid_instant"
            if at is not None and at.tzinfo is None
            else "invalid_id"
            if not (is_id(pool_id) and is_id(customer_id, 0) and is_id(data.resource_key) and is_id(data.subject_id, 0))
            else ""
        )
        if wrong or pool_id is None:
            refused.append({"index": index, "id": event.id, "code": wrong, "remaining": None})
            continue
        line: UsageLine = {
            "resource_key": data.resource_key,
            "quantity": data.quantity,
            "mode": data.mode,
            "occurred_at": 0 if at is None else int(at.timestamp() * 1000),
            "workspace_id": customer_id,
            "usage_id": usage_id_of(event.source, event.id),
            "subject_id": data.subject_id,
        }
        lines.append((index, pool_id, line))
    return lines, refused


def usage_id_of(source: str, event_id: str) -> str:
    """The id of an event's usage. source and id together are unique (CloudEvents 1.0, 3.1); too long, a digest stands for them."""
    if "#" in source:  # A source is a URI, with a fragment perhaps: where it ends is to be seen.
        source = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
    together = f"{source}#{event_id}"
    return together if is_id(together) else hashlib.sha256(together.encode("utf-8", "surrogatepass")).hexdigest()


def _commands(
    identity: Identity, lines: Sequence[tuple[int, str, UsageLine]], partitions: int
) -> Iterator[tuple[RecordUsageBatch, int, list[int]]]:
    """Commands with their partitions, and the indexes of the events that are their lines in order."""
    by_pool: dict[str, list[tuple[int, UsageLine]]] = {}
    for index, pool_id, line in lines:
        by_pool.setdefault(pool_id, []).append((index, line))
    by_partition: dict[int, dict[str, list[tuple[int, UsageLine]]]] = {}
    for pool_id, those in by_pool.items():
        by_partition.setdefault(partition_of(pool_id, partitions), {})[pool_id] = those
    for partition, pools in by_partition.items():
        groups: list[Any] = []
        indexes: list[int] = []
        for pool_id, those in pools.items():
            for first in range(0, len(those), LINES_MAX):
                part = those[first : first + LINES_MAX]
                if len(indexes) + len(part) > LINES_MAX:
                    yield RecordUsageBatch(**envelope(identity), groups=groups), partition, indexes
                    groups, indexes = [], []
                groups.append({"pool_id": pool_id, "lines": [line for _, line in part]})
                indexes += [index for index, _ in part]
        if groups:
            yield RecordUsageBatch(**envelope(identity), groups=groups), partition, indexes


def _refused(events: Sequence[Event], indexes: Sequence[int], outcome: Outcome) -> Iterator[dict[str, Any]]:
    for line in outcome.refused_lines:
        index = indexes[line.index]
        remaining = line.remaining if line.remaining >= 0 else None
        yield {"index": index, "id": events[index].id, "code": line.code, "remaining": remaining}
