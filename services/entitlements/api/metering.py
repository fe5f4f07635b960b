"""Usage: recorded in the pool that takes it, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import headers_of, json_answer, key_of, key_within, wants_no_answer, who
from entitlements.api.choosing import (
    MANY_MAX,
    Quantity,
    Whose,
    first_that_takes,
    many,
    pools_of,
    where_it_was,
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
from entitlements_projections.reading.views import pool_with_usage

router = APIRouter(tags=["usage"], responses=PROBLEMS, route_class=Route)


#: No part of several that travel under one key.
_ALONE: Final[Mapping[str, Any]] = MappingProxyType({})


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
    identity, key = who(request, "use", within_unit=True), key_of(request)
    if wants_no_answer(request):
        usage_id = body.usage_id or key or new_id()
        pools = await _pools_of(request, identity, body, usage_id, is_named=bool(body.usage_id or key))
        return await accepted(request, _recording(identity, body, pools[0][0], usage_id))
    document, outcome = await _record(request, identity, body, key)
    return json_answer(document, headers_of(outcome))


@router.post("/v1/usage/batch", response_model=UsageResults, operation_id="recordUsages")
@takes(IDEMPOTENCY_KEY, CONSISTENCY)
async def record_usages(request: Request, body: ManyUsages) -> Response:
    """Record usage of several customers; each is decided by itself.

    Under an Idempotency-Key the first usage without an id has the key as its id, every further one an id that the answer tells.
    """
    identity, key = who(request, "use", within_unit=True), key_of(request)
    together: dict[str, Any] = {} if key is None else {"idempotency_key": key, "lines_in_all": len(body.usage)}

    async def one(place: int, usage: Usage) -> tuple[dict[str, Any], Outcome]:
        # A usage with an id of its own needs no key.
        return await _record(request, identity, usage, key_within(key, place), {} if usage.usage_id else together)

    as_one = key is not None and not any(usage.usage_id for usage in body.usage)
    return await many([one(place, usage) for place, usage in enumerate(body.usage)], as_one=as_one)


async def _record(
    request: Request, identity: Identity, usage: Usage, key: str | None, together: Mapping[str, Any] = _ALONE
) -> tuple[dict[str, Any], Outcome]:
    usage_id = usage.usage_id or key or new_id()
    pools = await _pools_of(request, identity, usage, usage_id, is_named=bool(usage.usage_id or key))
    pool_id, outcome = await first_that_takes(
        request, pools, lambda pool_id: replace(_recording(identity, usage, pool_id, usage_id), **together)
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
    pools = await pools_of(request, identity, usage)
    if is_named:
        pools = await where_it_was(request, pools, pool_with_usage, usage_id)
    return pools[:1] if usage.mode == "report" else pools  # What has happened is never refused for being too much.


def _recording(identity: Identity, usage: Usage, pool_id: str, usage_id: str) -> RecordUsage:
    line: Any = {
        "resource_key": usage.resource_key,
        "quantity": usage.quantity,
        "mode": usage.mode,
        "occurred_at": occurred_ms(usage.occurred_at),
        "workspace_id": usage.customer_id or "",
        "usage_id": usage_id,
        "subject_id": usage.subject_id,
    }
    # The usage id makes a repeat harmless; it needs no other key.
    return RecordUsage(**envelope(identity), pool_id=pool_id, lines=[line])
