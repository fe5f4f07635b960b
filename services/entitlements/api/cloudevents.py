"""POST /v1/events: usage as CloudEvents 1.0, single and batch, structured and binary (HTTP protocol binding, JSON format).

A line has the event's `source` and `id` as its usage id: the same event again counts once. Lines of many pools travel as one command
for each partition of the log, which is what makes ingestion quick; each line is decided by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import (
    SLICE_BYTES,
    at_least,
    headers_of,
    json_answer,
    parsed,
    services_of,
    wants_no_answer,
    who,
)
from entitlements.api.auth import identity_of
from entitlements.api.documents import ACCEPTED, PROBLEMS, RefusedEvent
from entitlements.api.event_bodies import Event, Malformed, Used, batch_of, events_in, events_of, is_list, parts_of
from entitlements.api.event_schemas import BATCH_SCHEMAS, BODIES, SCHEMAS
from entitlements.api.identity import Identity
from entitlements.api.media_types import media_type_of
from entitlements.api.openapi.headers import CE_ATTRIBUTES, CONSISTENCY, PREFER, takes
from entitlements.api.problems import Problem
from entitlements.api.problems import refused as refused_problem
from entitlements.api.routes import Route
from entitlements.api.sending import accepted, decided, envelope
from entitlements.api.turns import slices_of_bytes
from entitlements.domain.commands import RecordUsageBatch
from entitlements.domain.ids import derived_id
from entitlements.domain.values import UsageLine, UsageMode
from entitlements.ledger.caller import Outcome
from entitlements.ledger.partitioning import partition_of
from entitlements_projections.reading.views import pools_with_usages

__all__ = ["BODIES", "router"]

router = APIRouter(tags=["usage"], responses=PROBLEMS, route_class=Route)

#: Lines that one command carries: a few milliseconds of an engine, after which it may decide for others.
LINES_MAX: Final = 500
#: What the modes mean; empty: left out.
_MODES: Final[Mapping[str, UsageMode]] = {"": "report", "report": "report", "strict": "strict"}
#: Events after which others of this worker have their turn: half a millisecond.
OTHERS_AFTER: Final = 100


class IngestResult(BaseModel):
    """Result of the events. All that are not listed as refused are recorded."""

    accepted: int = Field(description="Number of events recorded, including repeats.")
    refused: list[RefusedEvent] = Field(description="The refused events.")


@router.post(
    "/v1/events",
    response_model=IngestResult,
    responses=ACCEPTED,
    operation_id="ingest",
    summary="Ingest a CloudEvent",
    openapi_extra={"requestBody": {"required": True, "content": SCHEMAS}},
)
@takes(PREFER, CONSISTENCY, *CE_ATTRIBUTES)
async def ingest(request: Request) -> Response:
    """Record usage as a CloudEvent. In binary mode the attributes are headers (ce-id, ce-source, ...; percent-encoded) and the body is the data.

    A refused event is answered with a problem and its code. Batches (`application/cloudevents-batch+json`) are accepted as by /v1/events/batch.
    """
    identity = who(request, "use", within_unit=True)
    return await _ingested(request, identity, await _read(request, events_of, request.headers))


@router.post(
    "/v1/events/batch",
    response_model=IngestResult,
    responses=ACCEPTED,
    operation_id="ingestBatch",
    summary="Ingest a batch of CloudEvents",
    openapi_extra={"requestBody": {"required": True, "content": BATCH_SCHEMAS}},
)
@takes(PREFER, CONSISTENCY)
async def ingest_batch(request: Request) -> Response:
    """Record usage as a list of CloudEvents. `application/json` is accepted too. Refused events are listed; all others are recorded.

    If the only event is refused, the response is a problem with its code.
    """
    identity = who(request, "use", within_unit=True)
    return await _ingested(request, identity, await _read(request, batch_of))


async def _read(
    request: Request, read: Callable[..., Sequence[Event | Malformed]], *more: Any
) -> Sequence[Event | Malformed]:
    """The events of a request; many are read beside the loop, and so many that it takes long in slices. Raises Problem, TooManyRequests."""
    media_type, body = media_type_of(request), await request.body()
    if len(body) <= SLICE_BYTES or not is_list(media_type, request.headers, body):
        return await parsed(request, body, lambda whole: read(media_type, *more, whole))
    events: list[Event | Malformed] = []
    parts = await parsed(request, body, parts_of)
    compute, organization_id = services_of(request).compute, identity_of(request.scope).organization_id
    for those in slices_of_bytes(parts, SLICE_BYTES):
        events += await compute(organization_id, events_in, those)
    return events


async def _ingested(request: Request, identity: Identity, events: Sequence[Event | Malformed]) -> Response:
    lines, refused = await _lines_of(request, identity, events)
    commands = [each async for each in _commands(identity, lines, services_of(request).settings.partitions)]
    if wants_no_answer(request) and not refused:
        made = [command for command, _, _ in commands]
        return await accepted(request, *made, partitions=[partition for _, partition, _ in commands])
    windows = services_of(request).windows

    async def outcome_of(command: RecordUsageBatch, partition: int, lines: int) -> Outcome:
        async with windows.within(identity.organization_id, lines):
            return await decided(request, command, partition)

    outcomes = await asyncio.gather(*(outcome_of(command, at, len(indexes)) for command, at, indexes in commands))
    for (_, _, indexes), outcome in zip(commands, outcomes, strict=True):
        refused += _refused(events, indexes, outcome)
    refused.sort(key=lambda each: int(each["index"]))
    if len(events) == len(refused) == 1:  # Emitters look at the status only.
        raise _only_one(refused[0])
    document = {"accepted": len(events) - len(refused), "refused": refused}
    headers = headers_of(*outcomes) if outcomes else {}
    return json_answer(document, headers)


async def _lines_of(
    request: Request, identity: Identity, events: Sequence[Event | Malformed]
) -> tuple[list[tuple[int, str, UsageLine]], list[dict[str, Any]]]:
    """Each event's pool and line by its index, and those that are invalid or have no pool."""
    meant = [(index, event, event.used()) for index, event in enumerate(events) if isinstance(event, Event)]
    customers = {data.customer_id or event.subject for _, event, data in meant if not data.pool_id}
    known = await services_of(request).pools_of(identity.organization_id, customers, at_least(request))
    allowed: set[str] = set()
    if identity.unit_id:
        named = {data.customer_id or event.subject for _, event, data in meant}
        allowed = await services_of(request).units.allowed(identity, named - {""})
    pools = {customer_id: found[0][0] for customer_id, found in known.items()}
    taken_by = await _where_they_were(request, meant, known)
    lines: list[tuple[int, str, UsageLine]] = []
    refused: list[dict[str, Any]] = [
        {"index": index, "id": event.id, "code": event.code, "remaining": None, "detail": event.detail}
        for index, event in enumerate(events)
        if isinstance(event, Malformed)
    ]
    for index, event, data in meant:
        if index % OTHERS_AFTER == OTHERS_AFTER - 1:
            await asyncio.sleep(0)
        customer_id = data.customer_id or event.subject
        usage_id = usage_id_of(event.source, event.id)
        pool_id = data.pool_id or taken_by.get(usage_id) or pools.get(customer_id)
        wrong = ""
        if identity.unit_id and customer_id not in allowed:
            wrong = "outside_unit"
        elif pool_id is None:
            wrong = "unknown_customer"
        if wrong or pool_id is None:
            refused.append({"index": index, "id": event.id, "code": wrong, "remaining": None})
            continue
        line: UsageLine = {
            "resource_key": data.resource_key,
            "quantity": data.quantity or 1,
            "mode": _MODES[data.mode],
            "occurred_at": event.at_ms,
            "workspace_id": customer_id,
            "usage_id": usage_id,
            "subject_id": data.subject_id,
        }
        lines.append((index, pool_id, line))
    return lines, refused


async def _where_they_were(
    request: Request, meant: Sequence[tuple[int, Event, Used]], known: Mapping[str, Sequence[tuple[str, bool]]]
) -> dict[str, str]:
    """The pools that took events of customers with several pools before: the first of them may be another by now."""
    asked = [
        (pool_id, usage_id_of(event.source, event.id))
        for _, event, data in meant
        if not data.pool_id and len(pools := known.get(data.customer_id or event.subject, ())) > 1
        for pool_id, _ in pools
    ]
    if not asked:
        return {}
    services = services_of(request)
    await services.catch_up_with({pool_id for pool_id, _ in asked})
    organization_id = identity_of(request.scope).organization_id
    found: dict[str, str] = {}
    for part in reversed(await services.read_many(organization_id, pools_with_usages, asked)):
        found |= part  # Of two pools the one that was looked for first.
    return found


def _only_one(refusal: Mapping[str, Any]) -> Problem:
    left = {} if refusal["remaining"] is None else {"remaining": refusal["remaining"]}
    return refused_problem(str(refusal["code"]), refusal.get("detail", ""), **left, accepted=0, refused=[dict(refusal)])


def usage_id_of(source: str, event_id: str) -> str:
    """The id of an event's usage: source and id together are unique (CloudEvents 1.0, 3.1)."""
    return derived_id("event", source, event_id)


async def _commands(
    identity: Identity, lines: Sequence[tuple[int, str, UsageLine]], partitions: int
) -> AsyncIterator[tuple[RecordUsageBatch, int, list[int]]]:
    """Commands with their partitions, and the indexes of the events that are their lines in order."""
    by_pool: dict[str, list[tuple[int, UsageLine]]] = {}
    for index, pool_id, line in lines:
        by_pool.setdefault(pool_id, []).append((index, line))
    by_partition: dict[int, dict[str, list[tuple[int, UsageLine]]]] = {}
    for place, (pool_id, those) in enumerate(by_pool.items(), 1):
        by_partition.setdefault(partition_of(pool_id, partitions), {})[pool_id] = those
        if place % OTHERS_AFTER == 0:
            await asyncio.sleep(0)
    for partition, pools in by_partition.items():
        await asyncio.sleep(0)
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


def _refused(events: Sequence[Event | Malformed], indexes: Sequence[int], outcome: Outcome) -> Iterator[dict[str, Any]]:
    for line in outcome.refused_lines:
        index = indexes[line.index]
        remaining = line.remaining if line.remaining >= 0 else None
        yield {"index": index, "id": events[index].id, "code": line.code, "remaining": remaining}
