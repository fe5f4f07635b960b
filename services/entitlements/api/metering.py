"""Usage: recorded in the pool that takes it, once."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import Part, headers_of, json_answer, key_of, parts_of, wants_no_answer, who
from entitlements.api.choosing import (
    MANY_MAX,
    Quantity,
    Together,
    Whose,
    first_that_takes,
    many,
    pools_for,
)
from entitlements.api.documents import ACCEPTED, PROBLEMS, ProblemDocument
from entitlements.api.identity import Identity
from entitlements.api.openapi.headers import CHANGES, CONSISTENCY, IDEMPOTENCY_KEY, takes
from entitlements.api.routes import Route
from entitlements.api.sending import accepted, envelope
from entitlements.domain.commands import RecordUsage
from entitlements.domain.values import UsageMode
from entitlements.intake.instants import occurred_ms
from entitlements.intake.strict import Id, Instant, NewId, Strict
from entitlements.ledger.caller import Outcome, new_id
from entitlements_projections.reading.views import pool_with_usage, usages_under_ids

router = APIRouter(tags=["usage"], responses=PROBLEMS, route_class=Route)


class Usage(Whose):
    """What was used, or is wanted."""

    resource_key: Id = Field(description="The key.", examples=["api_calls"])
    quantity: Quantity = 1
    mode: UsageMode = Field("strict", description="strict: refused whole if it does not fit; report: it has happened.")
    occurred_at: Instant | None = Field(
        None, description="When it happened, to the millisecond; left out: when it is recorded."
    )
    usage_id: NewId | None = Field(
        None, description="The same id counts once; left out: the `Idempotency-Key`, or a new id."
    )


class Recorded(BaseModel):
    """Usage that was recorded, now or before."""

    status: Literal["recorded"] = Field(description="It is decided and durable.")
    usage_id: str = Field(description="Its id: `ReverseUsage` takes it.")
    pool_id: str = Field(description="The pool that took it.")
    resource_key: str = Field(description="The key.")
    quantity: int = Field(description="How much, in the smallest unit of the key.")


class UsageResults(BaseModel):
    """What became of each usage, in the order of the request."""

    results: list[Recorded | ProblemDocument] = Field(description="An answer or a problem for each.")


class ManyUsages(Strict):
    """Usage of several customers."""

    usage: list[Usage] = Field(min_length=1, max_length=MANY_MAX, description="The usage. Each is decided by itself.")


@router.post("/v1/usage", response_model=Recorded, responses=ACCEPTED, operation_id="recordUsage")
@takes(*CHANGES, CONSISTENCY)
async def record_usage(request: Request, body: Usage) -> Response:
    """Record usage. Refused whole when it does not fit into what is left, unless it has happened already (mode report)."""
    identity, part = who(request, "use", within_unit=True), Part(key=key_of(request))
    if wants_no_answer(request):
        usage_id = body.usage_id or part.key or new_id()
        pools = await _pools_of(request, identity, body, usage_id, is_named=bool(body.usage_id or part.key))
        return await accepted(request, _recording(identity, body, pools[0][0], usage_id, part))
    document, outcome = await _record(request, identity, body, part)
    return json_answer(document, headers_of(outcome))


@router.post("/v1/usage/batch", response_model=UsageResults, operation_id="recordUsages")
@takes(IDEMPOTENCY_KEY, CONSISTENCY)
async def record_usages(request: Request, body: ManyUsages) -> Response:
    """Record usage of several customers; each is decided by itself.

    Under an Idempotency-Key the first usage without an id has the key as its id, every further one an id that the answer tells.
    """
    identity, parts = who(request, "use", within_unit=True), parts_of(request, body.usage)
    under_key = {
        part.id: (usage.customer_id or "", usage.resource_key, usage.quantity)
        for usage, part in zip(body.usage, parts, strict=True)
        if part.id and not usage.usage_id
    }
    together = Together(request, identity, usages_under_ids, under_key)
    return await many(
        [_record(request, identity, usage, part, together) for usage, part in zip(body.usage, parts, strict=True)],
        as_one=parts[0].key is not None,
    )


async def _record(
    request: Request, identity: Identity, usage: Usage, part: Part, together: Together | None = None
) -> tuple[dict[str, Any], Outcome]:
    usage_id = usage.usage_id or part.id or new_id()
    pools = await _pools_of(request, identity, usage, usage_id, is_named=bool(usage.usage_id or part.key))
    if part.digest and together is not None and len(pools) > 1:
        await together.require_same()
    pool_id, outcome = await first_that_takes(
        request, pools, lambda pool_id: _recording(identity, usage, pool_id, usage_id, part)
    )
    document = {
        "status": "recorded",
        "usage_id": usage_id,
        "pool_id": pool_id,
        "resource_key": usage.resource_key,
        "quantity": usage.quantity,
    }
    return document, outcome


async def _pools_of(
    request: Request, identity: Identity, usage: Usage, usage_id: str, *, is_named: bool
) -> list[tuple[str, bool]]:
    """The pools to ask. is_named: the caller knows the id and may repeat it."""
    pools = await pools_for(request, identity, usage, pool_with_usage, usage_id, is_named=is_named)
    return pools[:1] if usage.mode == "report" else pools  # What has happened is never refused for being too much.


def _recording(identity: Identity, usage: Usage, pool_id: str, usage_id: str, part: Part) -> RecordUsage:
    line: Any = {
        "resource_key": usage.resource_key,
        "quantity": usage.quantity,
        "mode": usage.mode,
        "occurred_at": occurred_ms(usage.occurred_at),
        "workspace_id": usage.customer_id or "",
        "usage_id": usage_id,
        "subject_id": usage.subject_id,
    }
    batch = part.of_batch()
    # Of a batch each usage is remembered under its own id, and all of them under the key.
    return RecordUsage(**envelope(identity, None if batch else part.key), pool_id=pool_id, lines=[line], **batch)
