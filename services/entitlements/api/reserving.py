"""Reservations and leases: held, extended, committed, released; one or many at once."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import (
    Part,
    headers_of,
    json_answer,
    key_of,
    parts_of,
    services_of,
    wants_no_answer,
    who,
)
from entitlements.api.auth.errors import OutsideUnit
from entitlements.api.choosing import (
    SameUnderKey,
    first_that_takes,
    many,
    pools_for,
)
from entitlements.api.documents import ACCEPTED, PROBLEMS
from entitlements.api.identity import Identity
from entitlements.api.openapi.headers import CHANGES, CONSISTENCY, IDEMPOTENCY_KEY, takes
from entitlements.api.problems import Problem
from entitlements.api.reservation_bodies import (
    Commit,
    Extend,
    Operation,
    OperationBatch,
    OperationResults,
    Release,
    ReservationResult,
    Reserve,
    Reserved,
)
from entitlements.api.routes import Route
from entitlements.api.sending import accepted, decided, envelope
from entitlements.domain.commands import PoolCommand
from entitlements.domain.usage_commands import (
    CommitReservation,
    ExtendReservation,
    ReleaseReservation,
    ReserveUsage,
)
from entitlements.intake.strict import Id
from entitlements.ledger.caller import Outcome, new_id
from entitlements_projections.reading import access
from entitlements_projections.reading.views import pool_with_reservation, reservations_under_ids

router = APIRouter(tags=["reservations"], responses=PROBLEMS, route_class=Route)

ReservationId = Annotated[Id, Path(description="The reservation.")]


@router.post(
    "/v1/reservations",
    response_model=Reserved,
    responses=ACCEPTED,
    operation_id="reserve",
    summary="Reserve a quantity",
)
@takes(*CHANGES, CONSISTENCY)
async def reserve(request: Request, body: Reserve) -> Response:
    """Reserve a quantity. It counts against strict usage until it is committed, released or expires."""
    identity, part = who(request, "use", within_unit=True), Part(key=key_of(request))
    if wants_no_answer(request):
        reservation_id = body.reservation_id or part.key or new_id()
        pools = await pools_for(
            request,
            identity,
            body,
            pool_with_reservation,
            reservation_id,
            is_named=bool(body.reservation_id or part.key),
            is_awaited=False,
        )
        return await accepted(request, _reserving(identity, body, pools.first, reservation_id, part))
    document, outcome = await _reserve(request, identity, body, part)
    return json_answer(document, headers_of(outcome))


async def _reserve(
    request: Request, identity: Identity, body: Reserve, part: Part, together: SameUnderKey | None = None
) -> tuple[dict[str, Any], Outcome]:
    reservation_id = body.reservation_id or part.id or new_id()
    pools = await pools_for(
        request, identity, body, pool_with_reservation, reservation_id, is_named=bool(body.reservation_id or part.key)
    )
    if part.digest and together is not None and len(pools.those) > 1:
        await together.require_same()
    pool_id, outcome = await first_that_takes(
        request, identity, pools, lambda pool_id: _reserving(identity, body, pool_id, reservation_id, part)
    )
    document = {
        "reservation_id": reservation_id,
        "pool_id": pool_id,
        "resource_key": body.resource_key,
        "quantity": body.quantity,
        "expires_in": body.expires_in,
    }
    return document, outcome


def _reserving(identity: Identity, body: Reserve, pool_id: str, reservation_id: str, part: Part) -> ReserveUsage:
    return ReserveUsage(
        **envelope(identity, part.command_key),
        **part.of_batch(),
        pool_id=pool_id,
        reservation_id=reservation_id,
        resource_key=body.resource_key,
        quantity=body.quantity,
        held_for=body.expires_in,
        workspace_id=body.customer_id or "",
        subject_id=body.subject_id,
        lease=body.lease,
    )


@router.post(
    "/v1/reservations/batch",
    response_model=OperationResults,
    operation_id="operateReservations",
    summary="Change reservations in bulk",
)
@takes(IDEMPOTENCY_KEY, CONSISTENCY)
async def operate(request: Request, body: OperationBatch) -> Response:
    """Reserve, extend, commit and release in one call. Each operation is decided separately."""
    identity, parts = who(request, "use", within_unit=True), await parts_of(request, body.operations)
    under_key = {
        part.id: ((said := operation.model_extra or {}).get("customer_id") or "", said.get("resource_key"))
        for operation, part in zip(body.operations, parts, strict=True)
        if part.id and operation.op == "reserve" and not operation.reservation_id
    }
    together = SameUnderKey(request, identity, reservations_under_ids, under_key)

    async def one(operation: Operation, part: Part) -> tuple[dict[str, Any], Outcome]:
        fields = operation.model_dump(exclude_unset=True, exclude={"op"})
        if operation.op == "reserve":
            return await _reserve(request, identity, _parsed(Reserve, fields), part, together)
        reservation_id = fields.pop("reservation_id", None)
        if reservation_id is None:
            raise Problem("invalid_request", "reservation_id is required.")
        parsed = _parsed({"extend": Extend, "commit": Commit, "release": Release}[operation.op], fields)
        await _require_of_unit(request, identity, parsed.pool_id, reservation_id)
        command = _changing(identity, reservation_id, parsed, part)
        return _changed(reservation_id, parsed), await decided(request, command)

    return await many(request, map(one, body.operations, parts), len(parts), as_one=parts[0].key is not None)


def _parsed(model: Any, fields: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    from entitlements.api.validation import explained

    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise explained(error.errors()) from error


@router.post(
    "/v1/reservations/{reservation_id}/extend",
    response_model=ReservationResult,
    responses=ACCEPTED,
    operation_id="extend",
    summary="Extend a reservation",
)
@takes(*CHANGES)
async def extend(request: Request, reservation_id: ReservationId, body: Extend) -> Response:
    """Extend a reservation: it expires `expires_in` seconds from now."""
    return await _change(request, reservation_id, body)


@router.post(
    "/v1/reservations/{reservation_id}/commit",
    response_model=ReservationResult,
    responses=ACCEPTED,
    operation_id="commit",
    summary="Commit a reservation",
)
@takes(*CHANGES)
async def commit(request: Request, reservation_id: ReservationId, body: Commit) -> Response:
    """Record usage from a reservation: part, all, or more if it fits."""
    return await _change(request, reservation_id, body)


@router.post(
    "/v1/reservations/{reservation_id}/release",
    response_model=ReservationResult,
    responses=ACCEPTED,
    operation_id="release",
    summary="Release a reservation",
)
@takes(*CHANGES)
async def release(request: Request, reservation_id: ReservationId, body: Release) -> Response:
    """Release a reservation unused."""
    return await _change(request, reservation_id, body)


async def _change(request: Request, reservation_id: str, body: Extend | Commit | Release) -> Response:
    identity, part = who(request, "use", within_unit=True), Part(key=key_of(request))
    await _require_of_unit(request, identity, body.pool_id, reservation_id)
    command = _changing(identity, reservation_id, body, part)
    if wants_no_answer(request):
        return await accepted(request, command)
    outcome = await decided(request, command)
    return json_answer(_changed(reservation_id, body), headers_of(outcome))


async def _require_of_unit(request: Request, identity: Identity, pool_id: str, reservation_id: str) -> None:
    """A key that is bound to a unit changes reservations of its customers alone. Raises OutsideUnit."""
    if not identity.unit_id:
        return
    services = services_of(request)
    customer_id = await services.read(identity.organization_id, access.customer_of_reservation, pool_id, reservation_id)
    if customer_id is None:  # It may have been made a moment ago.
        await services.catch_up()
        customer_id = await services.read(
            identity.organization_id, access.customer_of_reservation, pool_id, reservation_id
        )
    if not customer_id:
        raise OutsideUnit
    await services.units.require(identity, [customer_id])


def _changing(identity: Identity, reservation_id: str, body: Extend | Commit | Release, part: Part) -> PoolCommand:
    carried = envelope(identity, part.command_key) | part.of_batch()
    carried |= {"pool_id": body.pool_id, "reservation_id": reservation_id}
    if isinstance(body, Extend):
        return ExtendReservation(**carried, held_for=body.expires_in)
    if isinstance(body, Release):
        return ReleaseReservation(**carried, reason=body.reason)
    usage_id = body.usage_id or part.id or ""
    return CommitReservation(
        **carried, quantity=body.quantity, mode=body.mode, keep_rest=not body.final, usage_id=usage_id
    )


def _changed(reservation_id: str, body: Extend | Commit | Release) -> dict[str, Any]:
    status = {Extend: "extended", Commit: "committed", Release: "released"}[type(body)]
    return {"status": status, "reservation_id": reservation_id, "pool_id": body.pool_id}
