"""A pool as GET /v1/pools/{pool_id} answers it, for the OpenAPI document. What a column means, its comment says (openapi/descriptions.py)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from entitlements.api.openapi.descriptions import described_by
from entitlements.domain.values import AssignmentRole, DataType, EndReason, EntitlementType, ProvisionSource

ProvisionStatus = Literal["scheduled", "active", "suspended", "ended"]


class PoolProvision(BaseModel):
    """A provision of a pool: a subscription, purchase or grant, with its entitlement set."""

    model_config = described_by("pool_provisions", "pool_provision_ladders")

    organization_id: str
    pool_id: str
    provision_id: str
    source: ProvisionSource
    source_id: str
    billing_account_id: str | None
    set_id: str
    set_version: int
    quantity: int
    status: ProvisionStatus
    starts_at: datetime
    ends_at: datetime | None
    priority: int
    follows: bool
    billing_period: str | None
    scheduled_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    end_reason: EndReason | None
    status_reason: str
    actor: str
    version: int
    planned_ends_at: datetime | None
    resource_keys: list[str]
    lowering_keys: list[str]
    ladder: str | None
    rung: int | None


class PoolGrant(BaseModel):
    """A grant of a pool."""

    model_config = described_by("grants")

    organization_id: str
    pool_id: str
    grant_id: str
    status: Literal["issued", "revoked", "expired", "ended"]
    reason: str
    actor: str
    issued_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    over_at: datetime | None
    over_reason: str | None
    over_actor: str | None
    version: int


class PoolAssignment(BaseModel):
    """A customer assigned to the pool."""

    model_config = described_by("pool_assignments")

    pool_id: str
    organization_id: str
    customer_id: str
    role: AssignmentRole
    may_overflow: bool
    assigned_at: datetime
    unassigned_at: datetime | None
    reason: str
    actor: str
    version: int


class PoolEntitlement(BaseModel):
    """What the pool has of one resource key now."""

    model_config = described_by("workspace_entitlements", "resource_keys")

    pool_id: str
    resource_key: str
    name: str | None = Field(description="Display name of the key; null: the key is not defined.")
    data_type: DataType | None
    unit: str | None
    scale: int | None
    entitlement_type: EntitlementType
    effective_limit: int | None
    soft_limit: int | None
    hard_limit: int | None
    period: str | None
    period_start: datetime | None
    resets_at: datetime | None = Field(description="End of the current period; null: no end.")
    consumed: int | None
    elsewhere: int | None
    uncounted: int | None
    owed: int | None
    reserved: int | None
    remaining: int | None
    warned_at: datetime | None = Field(description="When usage reached the soft limit in this period; null: not yet.")
    exceeded_at: datetime | None = Field(
        description="When usage was first refused or above the limit in this period; null: not yet."
    )
    changed_at: datetime
    over_allocated: bool
    held: bool = Field(
        description="Whether the pool has the key now. A key it no longer has is listed while it is suspended, or quantity is consumed or owed."
    )
    suspended: bool = Field(
        description="True: the pool has none of the key because the pool, or the provision with the key, is suspended."
    )
    available: bool = Field(description="False: outside the start_date and end_date of the resource key.")
    override_id: str = Field(description="The override in force; empty: none.")
    provision_ids: list[str]


class PoolContribution(BaseModel):
    """What one provision adds to one entitlement, in burn order."""

    model_config = described_by("numeric_entitlement_contributions", "pool_provisions")

    pool_id: str
    resource_key: str
    provision_id: str
    included_limit: int | None
    soft_limit: int | None
    hard_limit: int | None
    carried: int
    kept: bool
    recurs: str | None
    is_feature: bool = Field(description="True: the key is a feature and has no quantities.")
    source: ProvisionSource | None
    source_id: str | None
    billing_account_id: str | None
    set_id: str | None
    set_version: int | None
    quantity: int | None
    priority: int | None
    status: ProvisionStatus | None
    ends_at: datetime | None


class PoolOverride(BaseModel):
    """An override in force."""

    model_config = described_by("pool_overrides")

    pool_id: str
    override_id: str
    resource_key: str
    customer_id: str
    status: Literal["set", "cleared", "expired"]
    allowed: bool
    amount: int | None
    soft_limit: int | None
    hard_limit: int | None
    reason: str
    actor: str
    set_at: datetime
    expires_at: datetime | None
    over_at: datetime | None
    over_reason: str
    over_actor: str
    version: int
    drawn: int | None = Field(
        description="Quantity its customer used in the period; null: it applies to the whole pool."
    )
    is_feature: bool = Field(description="True: the key is a feature and has no quantities.")


class PoolCap(BaseModel):
    """A cap on what one customer, or one member of it, can use per period."""

    model_config = described_by("member_caps")

    customer_id: str
    subject_id: str
    resource_key: str
    amount: int
    period: str | None = Field(description="Period of the cap: its own, or that of the key; null: none.")
    capped_at: datetime
    actor: str
    drawn: int = Field(description="Quantity used in the current period.")
    reserved: int = Field(description="Quantity held by reservations; counts as used.")
    resets_at: datetime | None = Field(description="End of the current period; null: no end.")


class PoolReservation(BaseModel):
    """The reservation."""

    model_config = described_by("pool_reservations")

    pool_id: str
    reservation_id: str
    resource_key: str
    status: Literal["held", "committed", "released", "expired"]
    quantity: int
    held: int
    committed: int
    customer_id: str
    subject_id: str
    lease: bool
    reserved_at: datetime
    expires_at: datetime
    over_at: datetime | None
    version: int
    paid: int
    credit_key: str
    credit_units: int
    spending: int


class PoolHolder(BaseModel):
    """A named holder of part of a limit, such as a seat."""

    model_config = described_by("limit_holders")

    resource_key: str
    holder_id: str
    held: int
    customer_id: str
    changed_at: datetime
    actor: str


class PoolOnDemand(BaseModel):
    """On-demand usage of a resource key: its price, cap and spending."""

    model_config = described_by("pool_ondemand_config")

    pool_id: str
    resource_key: str
    enabled: bool
    payer: str
    currency: str
    unit_price: int
    price_per: int
    spending_cap: int | None
    alert_at: list[int]
    alerted: int
    alerted_at: datetime | None
    configured_at: datetime
    actor: str
    version: int
    spent: int
    bought: int
    charged: int
    spending_reserved: int = Field(description="Spending held by reservations, in minor units of the currency.")


class PoolBody(BaseModel):
    """A pool with its entitlements and usage."""

    model_config = described_by("resource_pools")

    pool_id: str
    organization_id: str
    billing_account_id: str | None
    name: str
    status: Literal["open", "suspended", "closed"]
    status_reason: str
    status_actor: str
    opened_at: datetime
    status_at: datetime
    backfill_from: datetime | None
    backfilling: bool
    time_zone: str
    anchor_at: datetime | None
    clock: datetime
    version: int
    provisions: list[PoolProvision] = Field(
        description="Its provisions in the order they were added, including ended ones."
    )
    grants: list[PoolGrant] = Field(description="Its grants, oldest first, including ended ones.")
    assignments: list[PoolAssignment] = Field(description="The customers assigned to it, in the order of assignment.")
    entitlements: list[PoolEntitlement] = Field(description="What it has now, by resource key.")
    contributions: list[PoolContribution] = Field(
        description="What each provision adds, by resource key, in burn order."
    )
    overrides: list[PoolOverride] = Field(description="Its overrides in force, newest last.")
    caps: list[PoolCap] = Field(description="Member caps, by customer, member and resource key.")
    reservations: list[PoolReservation] = Field(description="Reservations that are held, next to expire first.")
    holders: list[PoolHolder] = Field(description="Named holders of limits, such as seats.")
    on_demand: list[PoolOnDemand] = Field(description="On-demand settings, by resource key.")
