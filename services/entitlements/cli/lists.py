"""`entitlements pool list, provision list, grant list, usage list`: pools and what is in them, page by page."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from entitlements.cli.grants import grants
from entitlements.cli.listing import (
    OfCustomer,
    OfKey,
    OfPool,
    OfSet,
    Shown,
    Since,
    Status,
    Until,
    between,
    list_command,
    one_of,
    organization_of,
)
from entitlements.cli.metering import usages
from entitlements.cli.options import OrganizationId, example
from entitlements.cli.pools import pools
from entitlements.cli.provisions import provisions

_POOLS: Final = Shown(
    what="pools",
    columns={"Pool": "pool_id", "Status": "status", "Opened": "opened_at", "~Name": "name"},
)
_PROVISIONS: Final = Shown(
    what="provisions",
    columns={
        "Pool": "pool_id",
        "Provision": "provision_id",
        "Set": lambda row: f"{row['set_id']} v{row['set_version']}",
        ">Quantity": "quantity",
        "Status": "status",
        "Ends": "ends_at",
    },
)
_GRANTS: Final = Shown(
    what="grants",
    columns={
        "Pool": "pool_id",
        "Grant": "grant_id",
        "Set": lambda row: f"{row['set_id']} v{row['set_version']}",
        "Status": "status",
        "By": "actor",
        "Ends": "ends_at",
        "~Reason": "reason",
    },
)
_USAGE: Final = Shown(
    what="usage rows",
    columns={
        "Occurred": "occurred_at",
        "Pool": "pool_id",
        "Customer": "customer_id",
        "Key": "resource_key",
        ">Quantity": "quantity",
        "Charged to": "bearer",
        "?Usage id": "usage_id",
    },
)


@list_command(pools, "POOLS", _POOLS, epilog=example("entitlements pool list --organization acme --status open"))
def list_pools(
    organization: OrganizationId,
    status: Status = "",
    customer: OfCustomer = "",
    since: Since = "",
    until: Until = "",
) -> dict[str, Any]:
    """List pools, newest first. Status: open, suspended or closed."""
    filters = {
        "organization_id": organization_of(organization),
        "status": one_of(status, "--status", "open", "suspended", "closed"),
        "customer_id": customer,
    }
    return filters | between(since, until)


@list_command(
    provisions,
    "PROVISIONS",
    _PROVISIONS,
    epilog=example("entitlements provision list --organization acme --set pro --status active"),
)
def list_provisions(
    organization: OrganizationId,
    status: Status = "",
    pool: OfPool = "",
    customer: OfCustomer = "",
    set_id: OfSet = "",
    key: OfKey = "",
    source: Annotated[
        str, typer.Option("--source", help="Only this source: subscription, purchase or grant.", show_default=False)
    ] = "",
    since: Since = "",
    until: Until = "",
) -> dict[str, Any]:
    """List provisions, newest first. Status: scheduled, active, suspended or ended."""
    filters: dict[str, Any] = {
        "organization_id": organization_of(organization),
        "status": one_of(status, "--status", "scheduled", "active", "suspended", "ended"),
        "pool_id": pool,
        "customer_id": customer,
        "set_id": set_id,
        "resource_key": key,
        "source": one_of(source, "--source", "subscription", "purchase", "grant"),
    }
    return filters | between(since, until)


@list_command(grants, "GRANTS", _GRANTS, epilog=example("entitlements grant list --organization acme --since 30d"))
def list_grants(
    organization: OrganizationId,
    status: Status = "",
    pool: OfPool = "",
    customer: OfCustomer = "",
    set_id: OfSet = "",
    by: Annotated[str, typer.Option("--by", help="Only grants by this actor.", show_default=False)] = "",
    since: Since = "",
    until: Until = "",
) -> dict[str, Any]:
    """List grants, newest first. Status: issued, revoked, expired or ended."""
    filters: dict[str, Any] = {
        "organization_id": organization_of(organization),
        "status": one_of(status, "--status", "issued", "revoked", "expired", "ended"),
        "pool_id": pool,
        "customer_id": customer,
        "set_id": set_id,
        "actor": by,
    }
    return filters | between(since, until)


@list_command(
    usages, "USAGE", _USAGE, epilog=example("entitlements usage list --organization acme --customer ws-1 --since 24h")
)
def list_usage(
    organization: OrganizationId,
    pool: OfPool = "",
    customer: OfCustomer = "",
    key: OfKey = "",
    mode: Annotated[
        str, typer.Option("--mode", help="Only this mode: strict, report, release or correction.", show_default=False)
    ] = "",
    since: Since = "",
    until: Until = "",
) -> dict[str, Any]:
    """List recorded usage, newest first, with what it was charged to."""
    filters: dict[str, Any] = {
        "organization_id": organization_of(organization),
        "pool_id": pool,
        "customer_id": customer,
        "resource_key": key,
        "mode": one_of(mode, "--mode", "strict", "report", "release", "correction"),
    }
    return filters | between(since, until)
