"""Lists of what organizations have: pools and what is in them, customers, units and members. All of them page alike (listing.py).

A key that is bound to a unit sees customers, usage, units and members within it, and no list of pools: others use those too.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import who
from entitlements.api.documents import PROBLEMS
from entitlements.api.list_bodies import (
    Bearer,
    CustomerList,
    CustomerStatus,
    GrantList,
    GrantStatus,
    MemberList,
    PoolList,
    PoolStatus,
    ProvisionList,
    ProvisionStatus,
    Role,
    Source,
    UnitList,
    UnitStatus,
    UsageList,
    UsageMode,
)
from entitlements.api.listing import LIMIT_DEFAULT, Cursor, Limit, Since, Until, listed
from entitlements.api.routes import Route
from entitlements.intake.strict import Digits, Id
from entitlements_projections.reading import lists

router = APIRouter(tags=["lists"], responses=PROBLEMS, route_class=Route)


@router.get("/v1/pools", response_model=PoolList, operation_id="listPools", summary="List pools")
async def pools(  # noqa: PLR0913, PLR0917 - each is a filter of its own, here and below.
    request: Request,
    status: PoolStatus | None = None,
    customer_id: Id | None = None,
    billing_account_id: Id | None = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """The organization's pools, newest first."""
    organization_id = who(request, "read").organization_id
    return await listed(
        request, lists.POOLS, limit, cursor, organization_id=organization_id, status=status, customer_id=customer_id,
        billing_account_id=billing_account_id, since=since, until=until,
    )  # fmt: skip


@router.get("/v1/customers", response_model=CustomerList, operation_id="listCustomers", summary="List customers")
async def customers(
    request: Request,
    status: CustomerStatus | None = None,
    pool_id: Id | None = None,
    unit_id: Id | None = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """The organization's customers, by id."""
    identity = who(request, "read", within_unit=True)
    return await listed(
        request, lists.CUSTOMERS, limit, cursor, within_unit=identity.unit_id, organization_id=identity.organization_id,
        status=status, pool_id=pool_id, unit_id=unit_id,
    )  # fmt: skip


@router.get("/v1/provisions", response_model=ProvisionList, operation_id="listProvisions", summary="List provisions")
async def provisions(  # noqa: PLR0913, PLR0917
    request: Request,
    status: ProvisionStatus | None = None,
    pool_id: Id | None = None,
    customer_id: Id | None = None,
    set_id: Id | None = None,
    set_version: Digits | None = None,
    source: Source | None = None,
    source_id: Id | None = None,
    ladder: Id | None = None,
    resource_key: Id | None = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """The provisions of the organization's pools, newest first."""
    organization_id = who(request, "read").organization_id
    return await listed(
        request, lists.PROVISIONS, limit, cursor, organization_id=organization_id, status=status, pool_id=pool_id,
        customer_id=customer_id, set_id=set_id, set_version=set_version, source=source, source_id=source_id, ladder=ladder,
        resource_key=resource_key, since=since, until=until,
    )  # fmt: skip


@router.get("/v1/grants", response_model=GrantList, operation_id="listGrants", summary="List grants")
async def grants(  # noqa: PLR0913, PLR0917
    request: Request,
    status: GrantStatus | None = None,
    pool_id: Id | None = None,
    customer_id: Id | None = None,
    set_id: Id | None = None,
    actor: Id | None = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """The grants of the organization's pools, newest first."""
    organization_id = who(request, "read").organization_id
    return await listed(
        request, lists.GRANTS, limit, cursor, organization_id=organization_id, status=status, pool_id=pool_id,
        customer_id=customer_id, set_id=set_id, actor=actor, since=since, until=until,
    )  # fmt: skip


@router.get("/v1/usage", response_model=UsageList, operation_id="listUsage", summary="List usage")
async def usage(  # noqa: PLR0913, PLR0917
    request: Request,
    pool_id: Id | None = None,
    customer_id: Id | None = None,
    subject_id: Id | None = None,
    resource_key: Id | None = None,
    mode: UsageMode | None = None,
    bearer: Bearer | None = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """The organization's usage, newest first. A line that was charged to several bearers has one row for each."""
    identity = who(request, "read", within_unit=True)
    return await listed(
        request, lists.USAGE, limit, cursor, within_unit=identity.unit_id, organization_id=identity.organization_id,
        pool_id=pool_id, customer_id=customer_id, subject_id=subject_id, resource_key=resource_key, mode=mode, bearer=bearer,
        since=since, until=until,
    )  # fmt: skip


@router.get("/v1/units", response_model=UnitList, operation_id="listUnits", summary="List units")
async def units(
    request: Request,
    status: UnitStatus | None = None,
    parent_unit_id: Id | None = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """The organization's units, by id."""
    identity = who(request, "read", within_unit=True)
    return await listed(
        request, lists.UNITS, limit, cursor, within_unit=identity.unit_id, organization_id=identity.organization_id,
        status=status, parent_unit_id=parent_unit_id,
    )  # fmt: skip


@router.get("/v1/members", response_model=MemberList, operation_id="listMembers", summary="List members")
async def members(
    request: Request,
    unit_id: Id | None = None,
    customer_id: Id | None = None,
    subject_id: Id | None = None,
    role: Role | None = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """The current roles of subjects in the organization's units and customers."""
    identity = who(request, "read", within_unit=True)
    return await listed(
        request, lists.MEMBERS, limit, cursor, within_unit=identity.unit_id, organization_id=identity.organization_id,
        unit_id=unit_id, customer_id=customer_id, subject_id=subject_id, role=role,
    )  # fmt: skip
