"""Usage: recorded in the pool that takes it, once."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import Part, headers_of, json_answer, key_of, parts_of, wants_no_answer, who
from entitlements.api.choosing import (
    MANY_MAX,
    Pools,
    Quantity,
    SameUnderKey,
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
    """Usage to record."""

    resource_key: Id = Field(description="The resource key.", examples=["api_calls"])
    quantity: Quantity = 1
    mode: UsageMode = Field(
        "strict",
        description="strict: refused as a whole if it does not fit; report: it already happened and is always recorded.",
    )
    occurred_at: Instant | None = Field(
        None, description="When it happened, to the millisecond. Default: when it is recorded."
    )
    usage_id: NewId | None = Field(
        None, description="Id of the usage: the same id counts once. Default: the `Idempotency-Key`, or a generated id."
    )


class Used(Protocol):
    """Usage that was read strictly, by whichever way (short_usage.py)."""

    customer_id: str | None
    pool_id: str | None
    subject_id: str
    resource_key: str
    quantity: int
    mode: UsageMode
    occurred_at: Any
    usage_id: str | None


class Recorded(BaseModel):
    """Recorded usage; a repeat gets the original answer."""

    status: Literal["recorded"] = Field(description="The command was decided, and the decision is durable.")
    usage_id: str = Field(description="Id of the usage, accepted by `ReverseUsage`.")
    pool_id: str = Field(description="The pool it was recorded in.")
    resource_key: str = Field(description="The resource key.")
    quantity: int = Field(description="Quantity in the smallest unit of the key.")


class UsageResults(BaseModel):
    """One result per usage, in the order of the request."""

    results: list[Recorded | ProblemDocument] = Field(description="One result per operation: an answer, or a problem.")


class UsageBatch(Strict):
    """A batch of usage of several customers."""

    usage: list[Usage] = Field(
        min_length=1, max_length=MANY_MAX, description="The usage to record. Each is decided separately."
    )


@router.post(
    "/v1/usage", response_model=Recorded, responses=ACCEPTED, operation_id="recordUsage", summary="Record usage"
)
@takes(*CHANGES, CONSISTENCY)
async def record_usage(request: Request, body: Usage) -> Response:
    """Record usage. With mode `strict` it is refused as a whole if it does not fit; with mode `report` it is always recorded."""
    identity, part = who(request, "use", within_unit=True), Part(key=key_of(request))
    if wants_no_answer(request):
        usage_id = body.usage_id or part.key or new_id()
        is_named = bool(body.usage_id or part.key)
        pools = await _pools_of(request, identity, body, usage_id, is_named=is_named, is_awaited=False)
        return await accepted(request, _recording(identity, body, pools.first, usage_id, part))
    document, outcome = await recorded(request, identity, body, part)
    return json_answer(document, headers_of(outcome))


@router.post(
    "/v1/usage/batch", response_model=UsageResults, operation_id="recordUsages", summary="Record usage in bulk"
)
@takes(IDEMPOTENCY_KEY, CONSISTENCY)
async def record_usages(request: Request, body: UsageBatch) -> Response:
    """Record usage of several customers. Each is decided separately.

    With an `Idempotency-Key`, the first usage without an id gets the key as its id. The others get generated ids, which the response contains.
    """
    identity, parts = who(request, "use", within_unit=True), await parts_of(request, body.usage)
    under_key = {
        part.id: (usage.customer_id or "", usage.resource_key, usage.quantity)
        for usage, part in zip(body.usage, parts, strict=True)
        if part.id and not usage.usage_id
    }
    together = SameUnderKey(request, identity, usages_under_ids, under_key)
    works = (recorded(request, identity, usage, part, together) for usage, part in zip(body.usage, parts, strict=True))
    return await many(request, works, len(parts), as_one=parts[0].key is not None)


async def recorded(
    request: Request, identity: Identity, usage: Used, part: Part, together: SameUnderKey | None = None
) -> tuple[dict[str, Any], Outcome]:
    """Record usage: the document that answers, and the outcome. Raises Problem, OutsideUnit, ServerIsAway."""
    usage_id = usage.usage_id or part.id or new_id()
    pools = await _pools_of(request, identity, usage, usage_id, is_named=bool(usage.usage_id or part.key))
    if part.digest and together is not None and len(pools.those) > 1:
        await together.require_same()
    pool_id, outcome = await first_that_takes(
        request, identity, pools, lambda pool_id: _recording(identity, usage, pool_id, usage_id, part)
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
    request: Request, identity: Identity, usage: Used, usage_id: str, *, is_named: bool, is_awaited: bool = True
) -> Pools:
    """The pools to ask. As pools_for."""
    pools = await pools_for(
        request, identity, usage, pool_with_usage, usage_id, is_named=is_named, is_awaited=is_awaited
    )
    if usage.mode == "report":  # What has happened is never refused for being too much.
        return pools._replace(those=pools.those[:1], first_only=True)
    return pools


def _recording(identity: Identity, usage: Used, pool_id: str, usage_id: str, part: Part) -> RecordUsage:
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
