"""`entitlements customer list, unit list, member list, campaign list`: who there is, page by page."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from entitlements.cli.customers import customers
from entitlements.cli.listing import (
    OfCustomer,
    OfPool,
    OfSet,
    Shown,
    Status,
    list_command,
    one_of,
    organization_of,
)
from entitlements.cli.options import OrganizationId, example, group

units = group("Units: an organization's teams and departments, as a tree.")
members = group("Members: roles of subjects in units and customers.")
campaigns = group("Campaigns: entitlement sets granted to many pools for a limited time.")

_CUSTOMERS: Final = Shown(
    what="customers",
    columns={
        "Customer": "customer_id",
        "Status": "status",
        "Unit": "unit_id",
        "~Pools": lambda row: ", ".join(row["pool_ids"]),
    },
)
_UNITS: Final = Shown(
    what="units",
    columns={"Unit": "unit_id", "Parent": "parent_unit_id", "Status": "status", "~Name": "name"},
)
_MEMBERS: Final = Shown(
    what="members",
    columns={"Subject": "subject_id", "Unit": "unit_id", "Customer": "customer_id", "Role": "role", "Since": "set_at"},
)
_CAMPAIGNS: Final = Shown(
    what="campaigns",
    columns={
        "Campaign": "campaign_id",
        "Set": lambda row: f"{row['set_id']} v{row['set_version']}",
        "Status": "status",
        "Starts": "starts_at",
        "Ends": "ends_at",
    },
)


@list_command(
    customers, "CUSTOMERS", _CUSTOMERS, epilog=example("entitlements customer list --organization acme --unit emea")
)
def list_customers(
    organization: OrganizationId,
    status: Status = "",
    pool: OfPool = "",
    unit: Annotated[
        str, typer.Option("--unit", help="Only customers of this unit and the units below it.", show_default=False)
    ] = "",
) -> dict[str, Any]:
    """List customers by id. Status: active (assigned to a pool) or inactive."""
    return {
        "organization_id": organization_of(organization),
        "status": one_of(status, "--status", "active", "inactive"),
        "pool_id": pool,
        "unit_id": unit,
    }


@list_command(units, "UNITS", _UNITS, epilog=example("entitlements unit list --organization acme"))
def list_units(
    organization: OrganizationId,
    status: Status = "",
    parent: Annotated[
        str, typer.Option("--parent", help="Only direct children of this unit.", show_default=False)
    ] = "",
) -> dict[str, Any]:
    """List units by id. Status: active or removed."""
    return {
        "organization_id": organization_of(organization),
        "status": one_of(status, "--status", "active", "removed"),
        "parent_unit_id": parent,
    }


@list_command(members, "MEMBERS", _MEMBERS, epilog=example("entitlements member list --organization acme --unit emea"))
def list_members(
    organization: OrganizationId,
    unit: Annotated[str, typer.Option("--unit", help="Only of this unit.", show_default=False)] = "",
    customer: OfCustomer = "",
    subject: Annotated[str, typer.Option("--subject", help="Only of this subject.", show_default=False)] = "",
    role: Annotated[
        str, typer.Option("--role", help="Only this role: viewer, editor or admin.", show_default=False)
    ] = "",
) -> dict[str, Any]:
    """List the roles of subjects in units and customers."""
    return {
        "organization_id": organization_of(organization),
        "unit_id": unit,
        "customer_id": customer,
        "subject_id": subject,
        "role": one_of(role, "--role", "viewer", "editor", "admin"),
    }


@list_command(campaigns, "CAMPAIGNS", _CAMPAIGNS, epilog=example("entitlements campaign list --status active"))
def list_campaigns(
    organization: Annotated[
        str,
        typer.Option(
            "--organization", "-o", help="Only campaigns that include a pool of this organization.", show_default=False
        ),
    ] = "",
    status: Status = "",
    pool: OfPool = "",
    set_id: OfSet = "",
) -> dict[str, Any]:
    """List campaigns by id. Status: active or inactive."""
    return {
        "organization_id": organization,
        "status": one_of(status, "--status", "active", "inactive"),
        "pool_id": pool,
        "set_id": set_id,
    }
