"""Usage, and what is reserved of it: which pool is asked, and what becomes of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from entitlements.access.checking import which_decides
from entitlements.api.asking import Id, at_least, headers_of, key_of, services_of, wants_no_answer, who
from entitlements.api.documents import ACCEPTED, PROBLEMS
from entitlements.api.identity import Identity
from entitlements.api.problems import Problem, problem_of, refused
from entitlements.api.sending import accepted, decided, envelope
from entitlements.domain.commands import PoolCommand, RecordUsage
from entitlements.domain.overflow import asks_the_next
from entitlements.domain.usage_commands import (
    CommitReservation,
    ExtendReservation,
    ReleaseReservation,
    ReserveUsage,
)
from entitlements.domain.values import QUANTITY_MAX, UsageMode
from entitlements.errors import EntitlementsError
from entitlements.ledger.caller import Outcome, new_id

router = APIRouter(tags=["usage"], responses=PROBLEMS)

Quantity = Annotated[int, Field(strict=True, ge=1, le=QUANTITY_MAX, description="In the smallest unit of the key.")]
Seconds = Annotated[int, Field(strict=True, ge=1, le=30 * 86_400)]
#: Single requests that one call may hold.
MANY_MAX = 10_000
#: Of these so many are under way at once.
_AT_ONCE = 256


class Body(BaseModel):
    """A body; unknown fields are errors, since a misspelt one would be passed over."""

    model_config = ConfigDict(extra="forbid")


class Whose(Body):
    """Who uses it: a customer, by its pools in their order; or one pool."""

    customer_id: Id | None = Field(None, description="The workspace. Its pools are asked in their order.")
    pool_id: Id | None = Field(None, description="Only this pool is asked.")
    subject_id: str = Field("", max_length=128, description="Who in the workspace.")

    @model_validator(mode="after")
    def _somebody(self) -> Whose:
        if self.customer_id is None and self.pool_id is None:
            raise ValueError("say whose it is: customer_id, pool_id or both")
        return self


class Usage(Whose):
    """What was used, or is wanted."""

    resource_key: Id = Field(examples=["api_calls"])
    quantity: Quantity = 1
    mode: UsageMode = Field("strict", description="strict: refused whole if it does not fit; report: it has happened.")
    occurred_at: AwareDatetime | None = None
    usage_id: Id | None = Field(
        None, description="The same id counts once. Left out: the Idempotency-Key, or a new one."
    )


class Recorded(BaseModel):
    """Usage that was recorded, now or before."""

    status: Literal["recorded"]
    usage_id: str
    pool_id: str
    resource_key: str
    quantity: int


class ManyUsages(Body):
    """Usage of several customers."""

    usage: list[Usage] = Field(min_length=1, max_length=MANY_MAX)


class Results(BaseModel):
    """What became of each, in the order in which they were asked: an answer, or a problem."""

    results: list[dict[str, Any]]


class Reserve(Whose):
    """Hold a quantity for so many seconds."""

    resource_key: Id
    quantity: Quantity = 1
    expires_in: Seconds = Field(60, description="Seconds from the decision on.")
    lease: bool = Field(False, description="Drawn down by the client that holds it.")
    reservation_id: Id | None = Field(None, description="Left out: the Idempotency-Key, or a new one.")


class Reserved(BaseModel):
    """A quantity that is held."""

    reservation_id: str
    pool_id: str
    resource_key: str
    quantity: int
    expires_in: int = Field(description="Seconds from the decision on: not longer than from when it was asked for.")


class Extend(Body):
    """Hold it for so many seconds from now on."""

    pool_id: Id
    expires_in: Seconds


class Commit(Body):
    """Use a part of what is held."""

    pool_id: Id
    quantity: Quantity
    mode: UsageMode = "strict"
    final: bool = Field(False, description="Release what is left of it.")
    usage_id: Id | None = Field(None, description="The same id counts once. Left out: the Idempotency-Key.")


class Release(Body):
    """Give it back unused."""

    pool_id: Id
    reason: str = Field("", max_length=500)


class Operation(Body):
    """One of reserve, extend, commit, release, with its fields and, but for reserve, the reservation."""

    model_config = ConfigDict(extra="allow")

    op: Literal["reserve", "extend", "commit", "release"]
    reservation_id: Id | None = None


class Operations(Body):
    """Several operations on reservations, under way at the same time."""

    operations: list[Operation] = Field(min_length=1, max_length=MANY_MAX)


class Changed(BaseModel):
    """A reservation that was extended, committed or released."""

    status: str
    reservation_id: str
    pool_id: str


@router.post("/v1/usage", response_model=Recorded, responses=ACCEPTED, operation_id="recordUsage")
async def record_usage(request: Request, body: Usage) -> Response:
    """Record usage. Refused whole when it does not fit into what is left, unless it has happened already (mode report)."""
    identity, key = who(request, "use"), key_of(request)
    if wants_no_answer(request):
        pools = await pools_of(request, identity, body)
        return await accepted(request, _recording(identity, body, pools[0][0], body.usage_id or key or new_id()))
    document, outcome = await _record(request, identity, body, key)
    return Response(orjson.dumps(document), headers=headers_of(outcome), media_type="application/json")


@router.post("/v1/usage/batch", response_model=Results, operation_id="recordUsages")
async def record_usages(request: Request, body: ManyUsages) -> Response:
    """Record usage of several customers; each is decided by itself. Under an Idempotency-Key each gets one of its own."""
    identity, key = who(request, "use"), key_of(request)

    async def one(place: int, usage: Usage) -> tuple[dict[str, Any], Outcome]:
        return await _record(request, identity, usage, None if key is None else f"{key[:110]}/{place}")

    return await _many([one(place, usage) for place, usage in enumerate(body.usage)])


async def _record(
    request: Request, identity: Identity, usage: Usage, key: str | None
) -> tuple[dict[str, Any], Outcome]:
    usage_id = usage.usage_id or key or new_id()
    pools = await pools_of(request, identity, usage)
    if usage.mode == "report":
        pools = pools[:1]  # It is never refused for being too much.
    elif usage.usage_id or key:
        pools = await _where_it_was(request, pools, usage_id)
    pool_id, outcome = await _first_that_takes(
        request, pools, lambda pool_id: _recording(identity, usage, pool_id, usage_id)
    )
    document = {
        "status": "recorded",
        "usage_id": usage_id,
        "pool_id": pool_id,
        "resource_key": usage.resource_key,
        "quantity": usage.quantity,
    }
    return document, outcome


def _recording(identity: Identity, usage: Usage, pool_id: str, usage_id: str) -> RecordUsage:
    at = usage.occurred_at
    line: Any = {
        "resource_key": usage.resource_key,
        "quantity": usage.quantity,
        "mode": usage.mode,
        "occurred_at": 0 if at is None else round(at.timestamp() * 1000),
        "workspace_id": usage.customer_id or "",
        "usage_id": usage_id,
        "subject_id": usage.subject_id,
    }
    # The usage id makes a repeat harmless; it needs no other key.
    return RecordUsage(**envelope(identity), pool_id=pool_id, lines=[line])


async def pools_of(request: Request, identity: Identity, whose: Whose) -> list[tuple[str, bool]]:
    """The pools to ask in their order, and whether usage may go on from each. Raises Problem: unknown_workspace."""
    if whose.pool_id is not None:
        return [(whose.pool_id, False)]
    assert whose.customer_id is not None, "the body was checked"
    customer_id = whose.customer_id
    found = await services_of(request).pools_of(identity.organization_id, [customer_id], at_least(request))
    if customer_id not in found:
        raise Problem("unknown_workspace", "No pool is assigned to this workspace.")
    return found[customer_id]


async def _where_it_was(request: Request, pools: list[tuple[str, bool]], usage_id: str) -> list[tuple[str, bool]]:
    """Where usage may go on to another pool, a repeat must ask the pool that recorded it, though the first has room by now."""
    if len(pools) < 2 or not any(overflows for _, overflows in pools[:-1]):
        return pools
    found = await services_of(request).pool_that_recorded([pool_id for pool_id, _ in pools], usage_id)
    return pools if found is None else [(found, False)]


async def _first_that_takes(request: Request, pools: list[tuple[str, bool]], command_for: Any) -> tuple[str, Outcome]:
    """Ask the pools in their order. Raises Problem: what the pool says that decides (DESIGN 5: never split)."""
    refusals: list[Problem] = []
    for pool_id, may_overflow in pools:
        command: PoolCommand = command_for(pool_id)
        try:
            outcome = await decided(request, command)
        except Problem as problem:
            if problem.code == "outcome_unknown":
                problem.facts["pool_id"] = pool_id
                raise
            refusal = problem
        else:
            if not outcome.refused_lines:
                return pool_id, outcome
            line = outcome.refused_lines[0]
            refusal = refused(line.code, remaining=line.remaining if line.remaining >= 0 else None)
        refusal.facts["pool_id"] = pool_id
        refusals.append(refusal)
        if not asks_the_next(refusal.code, may_overflow=may_overflow):
            break
    raise refusals[which_decides([refusal.code for refusal in refusals])]


async def _many(all_of_them: list[Any]) -> Response:
    """Let many be decided side by side; each has its own answer or problem."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(work: Any) -> tuple[dict[str, Any], Outcome | None]:
        async with gate:
            try:
                found: tuple[dict[str, Any], Outcome] = await work
            except EntitlementsError as error:
                return problem_of(error).document(), None
        return found

    found = await asyncio.gather(*map(one, all_of_them))
    outcomes = [outcome for _, outcome in found if outcome is not None]
    headers = headers_of(*outcomes) if outcomes else {}
    return Response(
        orjson.dumps({"results": [document for document, _ in found]}), headers=headers, media_type="application/json"
    )


@router.post("/v1/reservations", response_model=Reserved, responses=ACCEPTED, operation_id="reserve")
async def reserve(request: Request, body: Reserve) -> Response:
    """Hold a quantity. It counts against strict usage until it is committed or released or expires."""
    identity, key = who(request, "use"), key_of(request)
    if wants_no_answer(request):
        pools = await pools_of(request, identity, body)
        return await accepted(request, _reserving(identity, body, pools[0][0], body.reservation_id or key or new_id()))
    document, outcome = await _reserve(request, identity, body, key)
    return Response(orjson.dumps(document), headers=headers_of(outcome), media_type="application/json")


async def _reserve(
    request: Request, identity: Identity, body: Reserve, key: str | None
) -> tuple[dict[str, Any], Outcome]:
    reservation_id = body.reservation_id or key or new_id()
    pool_id, outcome = await _first_that_takes(
        request,
        await pools_of(request, identity, body),
        lambda pool_id: replace(_reserving(identity, body, pool_id, reservation_id), idempotency_key=key),
    )
    document = {
        "reservation_id": reservation_id,
        "pool_id": pool_id,
        "resource_key": body.resource_key,
        "quantity": body.quantity,
        "expires_in": body.expires_in,
    }
    return document, outcome


def _reserving(identity: Identity, body: Reserve, pool_id: str, reservation_id: str) -> ReserveUsage:
    return ReserveUsage(
        **envelope(identity),
        pool_id=pool_id,
        reservation_id=reservation_id,
        resource_key=body.resource_key,
        quantity=body.quantity,
        held_for=body.expires_in,
        workspace_id=body.customer_id or "",
        subject_id=body.subject_id,
        lease=body.lease,
    )


@router.post("/v1/reservations/batch", response_model=Results, operation_id="operateReservations")
async def operate(request: Request, body: Operations) -> Response:
    """Reserve, extend, commit and release, many at once; each is decided by itself."""
    identity, key = who(request, "use"), key_of(request)

    async def one(place: int, operation: Operation) -> tuple[dict[str, Any], Outcome]:
        own = None if key is None else f"{key[:110]}/{place}"
        fields = operation.model_dump(exclude_unset=True, exclude={"op"})
        if operation.op == "reserve":
            return await _reserve(request, identity, _parsed(Reserve, fields), own)
        reservation_id = fields.pop("reservation_id", None)
        if reservation_id is None:
            raise Problem("invalid_request", "Say which reservation: reservation_id.")
        parsed = _parsed({"extend": Extend, "commit": Commit, "release": Release}[operation.op], fields)
        command = _changing(identity, reservation_id, parsed, own)
        return _changed(reservation_id, parsed), await decided(request, command)

    return await _many([one(place, operation) for place, operation in enumerate(body.operations)])


def _parsed(model: Any, fields: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    from entitlements.api.validation import explained

    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise explained(error.errors()) from error


@router.post(
    "/v1/reservations/{reservation_id}/extend", response_model=Changed, responses=ACCEPTED, operation_id="extend"
)
async def extend(request: Request, reservation_id: Id, body: Extend) -> Response:
    """Hold a reservation for so many seconds from now on."""
    return await _change(request, reservation_id, body)


@router.post(
    "/v1/reservations/{reservation_id}/commit", response_model=Changed, responses=ACCEPTED, operation_id="commit"
)
async def commit(request: Request, reservation_id: Id, body: Commit) -> Response:
    """Use a part of what is held, or all, or more if it fits."""
    return await _change(request, reservation_id, body)


@router.post(
    "/v1/reservations/{reservation_id}/release", response_model=Changed, responses=ACCEPTED, operation_id="release"
)
async def release(request: Request, reservation_id: Id, body: Release) -> Response:
    """Give back what is held."""
    return await _change(request, reservation_id, body)


async def _change(request: Request, reservation_id: str, body: Extend | Commit | Release) -> Response:
    identity, key = who(request, "use"), key_of(request)
    command = _changing(identity, reservation_id, body, key)
    if wants_no_answer(request):
        return await accepted(request, command)
    outcome = await decided(request, command)
    return Response(
        orjson.dumps(_changed(reservation_id, body)), headers=headers_of(outcome), media_type="application/json"
    )


def _changing(identity: Identity, reservation_id: str, body: Extend | Commit | Release, key: str | None) -> PoolCommand:
    carried = envelope(identity, key) | {"pool_id": body.pool_id, "reservation_id": reservation_id}
    if isinstance(body, Extend):
        return ExtendReservation(**carried, held_for=body.expires_in)
    if isinstance(body, Release):
        return ReleaseReservation(**carried, reason=body.reason)
    usage_id = body.usage_id or key or ""
    return CommitReservation(
        **carried, quantity=body.quantity, mode=body.mode, keep_rest=not body.final, usage_id=usage_id
    )


def _changed(reservation_id: str, body: Extend | Commit | Release) -> dict[str, Any]:
    status = {Extend: "extended", Commit: "committed", Release: "released"}[type(body)]
    return {"status": status, "reservation_id": reservation_id, "pool_id": body.pool_id}
