"""What is defined and who has it: pools of the key's organization, and the catalogue that all organizations share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import at_least, json_answer, services_of, who
from entitlements.api.auth import identity_of
from entitlements.api.catalogue_bodies import LadderBody, ResourceKeyBody, SetBody
from entitlements.api.documents import PROBLEMS
from entitlements.api.pool_bodies import PoolBody
from entitlements.api.problems import Problem
from entitlements.api.routes import Route
from entitlements.intake.strict import Digits, Id
from entitlements_projections import reading
from entitlements_projections.reading import definitions

router = APIRouter(tags=["catalogue"], responses=PROBLEMS, route_class=Route)

PoolId = Annotated[Id, Path(description="The pool.")]
SetId = Annotated[Id, Path(description="The entitlement set.")]
LadderId = Annotated[Id, Path(description="The plan ladder.")]
ResourceKeyId = Annotated[Id, Path(description="The resource key.")]


@router.get("/v1/pools/{pool_id}", operation_id="pool", summary="Get a pool", response_model=PoolBody)
async def pool(request: Request, pool_id: PoolId) -> Response:
    """A pool with its provisions, grants, assignments, entitlements, overrides, caps, reservations and holders."""
    identity = who(request, "read")
    found = await _read(request, reading.pool, pool_id, datetime.now(UTC))
    if found is None or found["organization_id"] != identity.organization_id:
        raise Problem("unknown_pool", "No such pool.")
    return json_answer(found)


@router.get(
    "/v1/sets/{set_id}", operation_id="entitlementSet", summary="Get an entitlement set", response_model=SetBody
)
async def entitlement_set(
    request: Request,
    set_id: SetId,
    version: Annotated[Digits | None, Query(description="Version of the set. Default: the newest.")] = None,
) -> Response:
    """A version of an entitlement set with its rules; by default the newest."""
    who(request, "read", within_unit=True)
    if version is not None and not 0 < version < 2**31:
        raise Problem("unknown_set", "No such version.")
    found = await _read(request, reading.entitlement_set, set_id, version)
    if found is None:
        raise Problem("unknown_set", "No such entitlement set.")
    return json_answer(found)


@router.get("/v1/ladders/{ladder}", operation_id="planLadder", summary="Get a plan ladder", response_model=LadderBody)
async def plan_ladder(request: Request, ladder: LadderId) -> Response:
    """A plan ladder: its rungs (service tiers) and the entitlement sets on them."""
    who(request, "read")
    found = await _read(request, definitions.plan_ladder, ladder)
    if found is None:
        raise Problem("unknown_ladder", "No such plan ladder.")
    return json_answer(found)


@router.get(
    "/v1/resource-keys/{resource_key}",
    operation_id="resourceKey",
    summary="Get a resource key",
    response_model=ResourceKeyBody,
)
async def resource_key(request: Request, resource_key: ResourceKeyId) -> Response:
    """A resource key: its name, data type, unit, scale and definition document."""
    who(request, "read", within_unit=True)
    found = await _read(request, reading.resource_key, resource_key)
    if found is None:
        raise Problem("unknown_key", "No such resource key.")
    return json_answer(found)


async def _read(request: Request, function: Any, *arguments: Any) -> Any:
    organization_id = identity_of(request.scope).organization_id
    return await services_of(request).read(organization_id, function, *arguments, at_least=at_least(request))
