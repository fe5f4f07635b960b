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

    next: str | None = Field(description="Cursor of the next page; null: this is the last.")
    previous: str | None = Field(description="Cursor of the previous page; null: this is the first.")


class ListedPool(ListedRow):
    """A resource pool."""

    pool_id: str = Field(description="Id of the pool.")
    organization_id: str = Field(description="Organization that owns it.")
    name: str = Field(description="Display name; may be empty.")
    status: PoolStatus = Field(description="closed is final.")
    status_reason: str = Field(description="Why it has this status; may be empty.")
    status_actor: str = Field(description="Who set this status.")
    status_at: datetime = Field(description="Since when it has this status.")
    billing_account_id: str | None = Field(description="Who pays, unless a provision says otherwise.")
    time_zone: str = Field(description="Time zone by which periods are counted.")
    anchor_at: datetime | None = Field(description="Billing anchor of anchored periods.")
    backfilling: bool = Field(description="True: it is still taking in history from another system.")
    opened_at: datetime = Field(description="When it was opened. Sorts the list, newest first.")


class PoolList(ListPage):
    """Pools, newest first."""

    items: list[ListedPool] = Field(description="The rows of this page.")


class ListedCustomer(ListedRow):
    """A customer."""

    organization_id: str = Field(description="Organization of the customer.")
    customer_id: str = Field(description="Id of the customer, unique in its organization. Sorts the list.")
    unit_id: str | None = Field(description="Unit that it is in; null: none.")
    pool_ids: list[str] = Field(description="Pools that it may use now, in the order in which it draws on them.")
    status: CustomerStatus = Field(description="active: it is assigned to a pool now.")


class CustomerList(ListPage):
    """Customers, by id."""

    items: list[ListedCustomer] = Field(description="The rows of this page.")


class ListedProvision(ListedRow):
    """A provision: what connects a billing source to a pool."""

    pool_id: str = Field(description="Pool that it provides for.")
    provision_id: str = Field(description="Id of the provision, unique in its pool.")
    organization_id: str = Field(description="Organization that owns the pool.")
    status: ProvisionStatus = Field(description="Only an active one confers its set.")
    source: Source = Field(description="Where it comes from.")
    source_id: str = Field(description="Its id in the billing system, or the grant; may be empty.")
    billing_account_id: str | None = Field(description="Who pays; null: the pool's account.")
    set_id: str = Field(description="Entitlement set that it confers.")
    set_version: int = Field(description="Version of the set.")
    ladder: str | None = Field(description="Plan ladder that it is on; null: none.")
    rung: int | None = Field(description="Its rung there.")
    quantity: int = Field(description="How many times it was bought.")
    priority: int = Field(description="Burn order: lower is used first.")
    follows: bool = Field(description="True: it is moved to new versions of its set.")
    billing_period: str | None = Field(description="How often it is billed.")
    resource_keys: list[str] = Field(description="Keys that its rules confer.")
    scheduled_at: datetime = Field(description="When it was added. Sorts the list, newest first.")
    starts_at: datetime = Field(description="Planned start.")
    started_at: datetime | None = Field(description="Actual start; null: not yet.")
    ends_at: datetime | None = Field(description="End, exclusive; null: open.")
    planned_ends_at: datetime | None = Field(description="End before it was cancelled; null: open.")
    ended_at: datetime | None = Field(description="Actual end; null: not yet.")
    end_reason: str | None = Field(description="Why it ended: expired, ended, revoked, replaced or pool_closed.")
    status_reason: str = Field(description="Reason of the last change; may be empty.")
    actor: str = Field(description="Who changed it last.")


class ProvisionList(ListPage):
    """Provisions, newest first."""

    items: list[ListedProvision] = Field(description="The rows of this page.")


class ListedGrant(ListedRow):
    """A grant: an entitlement that nobody pays for."""

    pool_id: str = Field(description="Pool that was given something.")
    grant_id: str = Field(description="Id of the grant, unique in its pool.")
    organization_id: str = Field(description="Organization that owns the pool.")
    status: GrantStatus = Field(description="expired: it reached its end; ended: its provision or pool ended before.")
    set_id: str | None = Field(description="Entitlement set that it confers.")
    set_version: int | None = Field(description="Version of the set.")
    quantity: int | None = Field(description="How many times the set is conferred.")
    reason: str = Field(description="Why it was given.")
    actor: str = Field(description="Who gave it.")
    issued_at: datetime = Field(description="When it was given. Sorts the list, newest first.")
    starts_at: datetime = Field(description="Start.")
    ends_at: datetime | None = Field(description="End, exclusive; null: until it is revoked.")
    over_at: datetime | None = Field(description="When it ended; null: it has not.")
    over_reason: str | None = Field(description="Why it was revoked.")
    over_actor: str | None = Field(description="Who revoked it.")


class GrantList(ListPage):
    """Grants, newest first."""

    items: list[ListedGrant] = Field(description="The rows of this page.")


class ListedUsage(ListedRow):
    """A line of recorded usage, or the part of it that one bearer was charged."""

    organization_id: str = Field(description="Organization that owns the pool.")
    pool_id: str = Field(description="Pool that was used.")
    occurred_at: datetime = Field(description="When it happened. Sorts the list, newest first.")
    recorded_at: datetime = Field(description="When it was recorded.")
    resource_key: str = Field(description="What was used.")
    quantity: int = Field(description="How much, in the smallest unit of the key; negative where it was given back.")
    overage: int = Field(description="Part of the quantity above the effective limit.")
    mode: UsageMode = Field(description="strict or report; release: given back; correction: adjusted later.")
    late: bool = Field(description="True: its period was closed already, so it changed no total.")
    customer_id: str | None = Field(description="Customer that used it.")
    subject_id: str | None = Field(description="Who used it within the customer.")
    usage_id: str | None = Field(description="Id of the line; of a correction that of the corrected line.")
    bearer: Bearer = Field(description="What it was charged to.")
    provision_id: str | None = Field(description="Provision that it was charged to.")
    charge: int = Field(description="Credit units; for on_demand minor units of the payer's currency.")
    billing_account_id: str | None = Field(description="Who pays; null: nobody, as for what a grant includes.")
    reservation_id: str | None = Field(description="Reservation that it was committed from.")
    pool_version: int = Field(description="Version of the pool that recorded it; with line and part the row's id.")
    line: int = Field(description="Place of the line in that version, from 0.")
    part: int = Field(description="Place of the bearer among those of the line, from 0.")


class UsageList(ListPage):
    """Usage rows, newest first."""

    items: list[ListedUsage] = Field(description="The rows of this page.")


class ListedUnit(ListedRow):
    """A unit of an organization."""

    organization_id: str = Field(description="Organization of the unit.")
    unit_id: str = Field(description="Id of the unit, unique in its organization. Sorts the list.")
    parent_unit_id: str | None = Field(description="Unit above it; null: none.")
    name: str = Field(description="Display name; may be empty.")
    status: UnitStatus = Field(description="Whether it is there.")
    defined_at: datetime = Field(description="When it was defined, or last moved or renamed.")
    removed_at: datetime | None = Field(description="When it was removed; null: it was not.")
    actor: str = Field(description="Who changed it last.")


class UnitList(ListPage):
    """Units, by id."""

    items: list[ListedUnit] = Field(description="The rows of this page.")


class ListedMember(ListedRow):
    """A role that a subject has in a unit or in one customer."""

    organization_id: str = Field(description="Organization of the member.")
    subject_id: str = Field(description="Who has the role.")
    role: Role = Field(description="Its role.")
    unit_id: str | None = Field(
        description="Unit in which the role holds, with all units below it; null: in a customer."
    )
    customer_id: str | None = Field(description="Customer in which the role holds; null: in a unit.")
    set_at: datetime = Field(description="Since when.")
    actor: str = Field(description="Who gave the role.")


class MemberList(ListPage):
    """Members, those of customers first, by id."""

    items: list[ListedMember] = Field(description="The rows of this page.")
