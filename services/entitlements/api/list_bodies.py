"""The rows of lists and their pages, as the OpenAPI document tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

PoolStatus: TypeAlias = Literal["open", "suspended", "closed"]
CustomerStatus: TypeAlias = Literal["active", "inactive"]
ProvisionStatus: TypeAlias = Literal["scheduled", "active", "suspended", "ended"]
Source: TypeAlias = Literal["subscription", "purchase", "grant"]
GrantStatus: TypeAlias = Literal["issued", "revoked", "expired", "ended"]
UnitStatus: TypeAlias = Literal["active", "removed"]
Role: TypeAlias = Literal["viewer", "editor", "admin"]
UsageMode: TypeAlias = Literal["strict", "report", "release", "correction"]
Bearer: TypeAlias = Literal["included", "credit", "on_demand", "overage"]


class ListedRow(BaseModel):
    """A row of a list; always with all of its members."""

    model_config = ConfigDict(extra="forbid")


class ListPage(BaseModel):
    """A page of a list. No cursor: there are no further rows that way."""

    model_config = ConfigDict(extra="forbid")

    next: str | None = Field(description="Cursor of the next page; null: this is the last page.")
    previous: str | None = Field(description="Cursor of the previous page; null: this is the first page.")


class ListedPool(ListedRow):
    """A resource pool."""

    pool_id: str = Field(description="Id of the pool.")
    organization_id: str = Field(description="Organization that owns it.")
    name: str = Field(description="Display name; may be empty.")
    status: PoolStatus = Field(description="Status of the pool; closed is permanent.")
    status_reason: str = Field(description="Reason for the status; may be empty.")
    status_actor: str = Field(description="Who set this status.")
    status_at: datetime = Field(description="When it got this status.")
    billing_account_id: str | None = Field(
        description="The billing account that pays, unless a provision names another."
    )
    time_zone: str = Field(description="Time zone of its periods.")
    anchor_at: datetime | None = Field(description="Billing anchor: anchored periods start from here.")
    backfilling: bool = Field(description="True: history from another system is still being imported.")
    opened_at: datetime = Field(description="When it was opened. The list is sorted by it, newest first.")


class PoolList(ListPage):
    """A page of pools."""

    items: list[ListedPool] = Field(description="The rows of this page.")


class ListedCustomer(ListedRow):
    """A customer."""

    organization_id: str = Field(description="Organization of the customer.")
    customer_id: str = Field(
        description="Id of the customer, unique within its organization. The list is sorted by it."
    )
    unit_id: str | None = Field(description="Its unit; null: none.")
    pool_ids: list[str] = Field(description="Pools it may use now, in the order in which usage draws on them.")
    status: CustomerStatus = Field(description="active: assigned to a pool now.")


class CustomerList(ListPage):
    """A page of customers."""

    items: list[ListedCustomer] = Field(description="The rows of this page.")


class ListedProvision(ListedRow):
    """A provision: connects a subscription, purchase or grant to a pool."""

    pool_id: str = Field(description="Pool it belongs to.")
    provision_id: str = Field(description="Id of the provision, unique within its pool.")
    organization_id: str = Field(description="Organization that owns the pool.")
    status: ProvisionStatus = Field(description="Only an active provision contributes its set.")
    source: Source = Field(description="What it was bought or given through: subscription, purchase or grant.")
    source_id: str = Field(description="Its id in the billing system, or the id of the grant; may be empty.")
    billing_account_id: str | None = Field(description="The billing account that pays; null: the pool's.")
    set_id: str = Field(description="Entitlement set it provides.")
    set_version: int = Field(description="Version of the set.")
    ladder: str | None = Field(description="Plan ladder it is on; null: none.")
    rung: int | None = Field(description="Its rung on the ladder.")
    quantity: int = Field(description="How many times the set is provided.")
    priority: int = Field(description="Burn order: the lowest priority is consumed first.")
    follows: bool = Field(description="True: moves to new versions of its set; false: pinned to this version.")
    billing_period: str | None = Field(description="Billing period.")
    resource_keys: list[str] = Field(description="Resource keys its rules include.")
    scheduled_at: datetime = Field(description="When it was added. The list is sorted by it, newest first.")
    starts_at: datetime = Field(description="Planned start.")
    started_at: datetime | None = Field(description="Actual start; null: not yet.")
    ends_at: datetime | None = Field(description="End, exclusive; null: open-ended.")
    planned_ends_at: datetime | None = Field(description="End before it was cancelled; null: open-ended.")
    ended_at: datetime | None = Field(description="Actual end; null: not yet.")
    end_reason: str | None = Field(description="Why it ended: expired, ended, revoked, replaced or pool_closed.")
    status_reason: str = Field(description="Reason of the last change; may be empty.")
    actor: str = Field(description="Who last changed it.")


class ProvisionList(ListPage):
    """A page of provisions."""

    items: list[ListedProvision] = Field(description="The rows of this page.")


class ListedGrant(ListedRow):
    """A grant: entitlements that nobody pays for."""

    pool_id: str = Field(description="Pool that received the grant.")
    grant_id: str = Field(description="Id of the grant, unique within its pool.")
    organization_id: str = Field(description="Organization that owns the pool.")
    status: GrantStatus = Field(description="expired: it reached its end; ended: its provision or pool ended first.")
    set_id: str | None = Field(description="Entitlement set it provides.")
    set_version: int | None = Field(description="Version of the set.")
    quantity: int | None = Field(description="How many times the set is provided.")
    reason: str = Field(description="Reason for the grant.")
    actor: str = Field(description="Who issued it.")
    issued_at: datetime = Field(description="When it was issued. The list is sorted by it, newest first.")
    starts_at: datetime = Field(description="Start.")
    ends_at: datetime | None = Field(description="End, exclusive; null: until revoked.")
    over_at: datetime | None = Field(description="When it ended; null: it has not ended.")
    over_reason: str | None = Field(description="Why it was revoked.")
    over_actor: str | None = Field(description="Who revoked it.")


class GrantList(ListPage):
    """A page of grants."""

    items: list[ListedGrant] = Field(description="The rows of this page.")


class ListedUsage(ListedRow):
    """A line of recorded usage, or the part of it charged to one bearer."""

    organization_id: str = Field(description="Organization that owns the pool.")
    pool_id: str = Field(description="Pool that was used.")
    occurred_at: datetime = Field(description="When it happened. The list is sorted by it, newest first.")
    recorded_at: datetime = Field(description="When it was recorded.")
    resource_key: str = Field(description="The resource key.")
    quantity: int = Field(
        description="Quantity in the smallest unit of the key; negative if it was released or corrected down."
    )
    overage: int = Field(description="The part of the quantity above the effective limit.")
    mode: UsageMode = Field(
        description="strict or report, as recorded; release: an allocation was released; correction: a later adjustment."
    )
    late: bool = Field(description="True: its period was already closed, so it changed no total.")
    customer_id: str | None = Field(description="Customer that used it.")
    subject_id: str | None = Field(description="The member of the customer that used it.")
    usage_id: str | None = Field(description="Id of the line; of a correction that of the corrected line.")
    bearer: Bearer = Field(description="What it was charged to.")
    provision_id: str | None = Field(description="Provision that it was charged to.")
    charge: int = Field(description="Credit units; for on_demand, minor units of the payer's currency.")
    billing_account_id: str | None = Field(
        description="The billing account that pays; null: nobody, such as for a grant."
    )
    reservation_id: str | None = Field(description="Reservation it was committed from.")
    pool_version: int = Field(
        description="Version of the pool that recorded it. Together with line and part it identifies the row."
    )
    line: int = Field(description="Index of the line in that version, from 0.")
    part: int = Field(description="Index of the bearer within the line, from 0.")


class UsageList(ListPage):
    """A page of usage rows."""

    items: list[ListedUsage] = Field(description="The rows of this page.")


class ListedUnit(ListedRow):
    """A unit of an organization."""

    organization_id: str = Field(description="Organization of the unit.")
    unit_id: str = Field(description="Id of the unit, unique within its organization. The list is sorted by it.")
    parent_unit_id: str | None = Field(description="Parent unit; null: none.")
    name: str = Field(description="Display name; may be empty.")
    status: UnitStatus = Field(description="Whether it exists or was removed.")
    defined_at: datetime = Field(description="When it was defined, or last moved or renamed.")
    removed_at: datetime | None = Field(description="When it was removed; null: it was not removed.")
    actor: str = Field(description="Who last changed it.")


class UnitList(ListPage):
    """A page of units."""

    items: list[ListedUnit] = Field(description="The rows of this page.")


class ListedMember(ListedRow):
    """A role that a subject has in a unit or in one customer."""

    organization_id: str = Field(description="Organization of the member.")
    subject_id: str = Field(description="The subject (user or service) with the role.")
    role: Role = Field(description="Its role.")
    unit_id: str | None = Field(description="Unit the role applies to, including the units below it; null: a customer.")
    customer_id: str | None = Field(description="Customer the role applies to; null: a unit.")
    set_at: datetime = Field(description="Since when it applies.")
    actor: str = Field(description="Who gave the role.")


class MemberList(ListPage):
    """A page of members, members of customers first."""

    items: list[ListedMember] = Field(description="The rows of this page.")
