"""Lists of what is defined: sets and resource keys, which all organizations share; policies, campaigns and API keys."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import services_of, who
from entitlements.api.definition_list_bodies import (
    ApiKeyList,
    ApiKeyStatus,
    CampaignList,
    CampaignStatus,
    DataType,
    Effect,
    EntitlementType,
    PolicyList,
    PolicyStatus,
    ResourceKeyList,
    SetList,
)
from entitlements.api.documents import PROBLEMS
from entitlements.api.listing import LIMIT_DEFAULT, Cursor, Limit, listed
from entitlements.api.routes import Route
from entitlements.intake.strict import Flag, Id
from entitlements_projections.reading import lists

router = APIRouter(tags=["lists"], responses=PROBLEMS, route_class=Route)


@router.get("/v1/sets", response_model=SetList, operation_id="listSets", summary="List entitlement sets")
async def sets(
    request: Request,
    set_id: Id | None = None,
    ladder: Id | None = None,
    resource_key: Id | None = None,
    all_versions: Flag = False,  # noqa: FBT002 - a parameter of the query.
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """The entitlement sets, by id, each in its newest version."""
    who(request, "read", within_unit=True)
    return await listed(
        request, lists.SETS, limit, cursor, set_id=set_id, ladder=ladder, resource_key=resource_key,
        newest=None if all_versions else True,
    )  # fmt: skip


@router.get(
    "/v1/resource-keys", response_model=ResourceKeyList, operation_id="listResourceKeys", summary="List resource keys"
)
async def resource_keys(
    request: Request,
    data_type: DataType | None = None,
    entitlement_type: EntitlementType | None = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """The defined resource keys, by key."""
    who(request, "read", within_unit=True)
    return await listed(
        request, lists.RESOURCE_KEYS, limit, cursor, data_type=data_type, entitlement_type=entitlement_type
    )


@router.get("/v1/policies", response_model=PolicyList, operation_id="listPolicies", summary="List access policies")
async def policies(
    request: Request,
    status: PolicyStatus | None = None,
    effect: Effect | None = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """The organization's access policies, highest precedence first, including retired ones. `GET /v1/policy-set` has those in force."""
    organization_id = who(request, "read", within_unit=True).organization_id
    return await listed(
        request, lists.POLICIES, limit, cursor, organization_id=organization_id, status=status, effect=effect
    )


@router.get("/v1/campaigns", response_model=CampaignList, operation_id="listCampaigns", summary="List campaigns")
async def campaigns(
    request: Request,
    status: CampaignStatus | None = None,
    set_id: Id | None = None,
    pool_id: Id | None = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """The campaigns that include a pool of the organization, by id. The operator's organization sees all campaigns."""
    organization_id = who(request, "read").organization_id
    filters: dict[str, Any] = {"status": status, "set_id": set_id}
    if organization_id == services_of(request).settings.operator_organization:
        return await listed(request, lists.CAMPAIGNS, limit, cursor, pool_id=pool_id, **filters)
    return await listed(
        request, lists.CAMPAIGNS, limit, cursor, organization_id=organization_id, own_pool_id=pool_id, **filters
    )


@router.get("/v1/keys", response_model=ApiKeyList, operation_id="listApiKeys", summary="List API keys")
async def api_keys(
    request: Request,
    status: ApiKeyStatus | None = None,
    unit_id: Id | None = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """The organization's API keys, newest first, including revoked ones. Secrets are not included."""
    organization_id = who(request, "administer").organization_id
    return await listed(
        request, lists.API_KEYS, limit, cursor, organization_id=organization_id, status=status, unit_id=unit_id
    )
