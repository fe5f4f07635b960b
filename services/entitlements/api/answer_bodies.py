"""The answers to questions as the OpenAPI document tells them: decisions, and what a customer has."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, Field

from entitlements.domain.values import DataType, EntitlementType, PolicyEffect, ProvisionSource

_OWED: Final = "Overage of this and earlier periods that is neither paid nor forgiven; null: a feature."
_REMAINING: Final = "Largest quantity that strict usage could record now; null: unlimited, or a feature."
_RESETS: Final = "End of the current period; null: no end, or a feature."


class AsOfBody(BaseModel):
    """How fresh an answer is."""

    position: str = Field(
        description="Ledger position of the answer: partition:offset, separated by commas.", examples=["0:17,3:201"]
    )
    decided_at: datetime | None = Field(description="Time of the last decision included; null: none.")
    read_at: datetime = Field(description="When it was read.")
    lag_ms: int | None = Field(description="Lag of the read models behind the ledger, in milliseconds; null: unknown.")


class MatchedPolicy(BaseModel):
    """An access policy that matched."""

    policy_id: str = Field(description="The access policy.")
    effect: PolicyEffect = Field(description="ALLOW or DENY.")
    priority: int = Field(description="Priority; the highest wins.")


class ContributionBody(BaseModel):
    """A provision that contributes to an answer."""

    pool_id: str = Field(description="The pool.")
    provision_id: str = Field(description="The provision; empty: the default of the resource key.")
    source: ProvisionSource | None = Field(
        description="What it was bought or given through; null: the default of the resource key."
    )
    source_id: str | None = Field(description="Its id in the billing system, or the id of the grant.")
    set_id: str | None = Field(description="The entitlement set it provides.")
    set_version: int | None = Field(description="Version of the set.")
    amount: int | None = Field(description="Included quantity in the smallest unit; null: unlimited, or a feature.")
    ends_at: datetime | None = Field(description="When it ends; null: open end.")


class Dependency(BaseModel):
    """Another resource key, or the same key of another pool, that an entry depends on."""

    pool_id: str = Field(description="The pool.")
    resource_key: str = Field(description="The resource key.")


class ConstraintsBody(BaseModel):
    """Where and when a resource key may be used."""

    geographic_restrictions: list[str] = Field(
        description="Countries (DE), subdivisions (US-CA) or regions (EU, EEA); empty: anywhere."
    )
    start_date: datetime | None = Field(description="Usable from this time on; null: no start.")
    end_date: datetime | None = Field(description="Usable through this second; null: no end.")


class DecisionBody(BaseModel):
    """The decision and its reason."""

    decision_id: str = Field(description="Id of the decision, also in the access log.")
    allowed: bool = Field(description="Whether it is allowed.")
    reason_code: str = Field(
        description="Stable reason code, for programs. New codes may be added.",
        examples=["allowed", "quota_exceeded", "not_entitled", "provision_suspended", "policy_denied"],
    )
    sentence: str = Field(description="The reason as text.", examples=["3 of api_calls do not fit into what is left."])
    customer_id: str = Field(description="The customer.")
    resource_key: str = Field(description="The resource key.")
    quantity: int | None = Field(description="Requested quantity; null: access in general.")
    entitlement_type: EntitlementType | None = Field(description="Type of the entitlement; null: none.")
    pool_id: str | None = Field(description="The pool that decided; null: none.")
    limit: int | None = Field(description="Included quantity in the smallest unit; null: unlimited, or a feature.")
    consumed: int | None = Field(description="Quantity consumed in the current period, or held; null: a feature.")
    owed: int | None = Field(description=_OWED)
    remaining: int | None = Field(description=_REMAINING)
    resets_at: datetime | None = Field(description=_RESETS)
    ends_at: datetime | None = Field(
        description="When the answer may change without a command: something ends, or a policy starts or stops applying."
    )
    data_type: DataType | None = Field(
        description="Data type of the resource key; null: the customer has nothing of it, and it is not defined."
    )
    matched_policies: list[MatchedPolicy] = Field(description="The policies that matched, the winner first.")
    policy_version: int = Field(description="Version of the organization's policies.")
    contributions: list[ContributionBody] = Field(description="The provisions that contribute to the answer.")
    as_of: AsOfBody = Field(description="How fresh the answer is.")
    decided_at: datetime = Field(description="When it was decided.")
    source: str = Field(description="Where it was decided.", examples=["SERVICE"])


class DecisionsBody(BaseModel):
    """The decisions, in the order of the checks."""

    decisions: list[DecisionBody] = Field(description="One decision per check.")


class EntryBody(BaseModel):
    """What a customer has of one resource key."""

    resource_key: str = Field(description="The resource key.")
    entitlement_type: EntitlementType = Field(description="Type of the entitlement; `boolean` if there is none.")
    allowed: bool = Field(description="Whether strict usage of 1 would be accepted.")
    reason_code: str = Field(description="Reason code, as in a decision.")
    pool_id: str | None = Field(description="The pool that decided; null: none.")
    limit: int | None = Field(description="Included quantity in the smallest unit; null: unlimited, or a feature.")
    soft_limit: int | None = Field(description="Warning threshold; null: none.")
    hard_limit: int | None = Field(description="Strict usage above this is refused; null: never, or a feature.")
    consumed: int | None = Field(description="Quantity consumed in the current period, or held; null: a feature.")
    owed: int | None = Field(description=_OWED)
    reserved: int | None = Field(description="Quantity held by reservations; null: a feature.")
    remaining: int | None = Field(description=_REMAINING)
    period: str | None = Field(description="How often it resets, such as month; null: never.")
    period_start: datetime | None = Field(description="Start of the current period; null: no period.")
    resets_at: datetime | None = Field(description=_RESETS)
    valid_until: datetime | None = Field(
        description="Read again at this time: an end, expiry, start, refill or reset is due."
    )
    ends_at: datetime | None = Field(
        description="The earliest time at which there may be less: a provision, override or credits end, a provision that lowers it starts, "
        "or rolled-over quantity lapses at a refill. Resets are not included. null: none."
    )
    rests_on: list[Dependency] = Field(
        description="Other balances it depends on: credits, and pools that usage overflows to."
    )
    min_role: str = Field(description="Minimum role a member needs for the feature; empty: any member.")
    has_subject_caps: bool = Field(
        description="Whether members may have caps of their own, which only a check evaluates."
    )
    constraints: ConstraintsBody | None = Field(
        description="Where and when it may be used; null: anywhere, at any time."
    )
    inherited_path: list[str] = Field(
        description="The resource keys that grant it by inheritance; empty: it is not inherited."
    )
    contributions: list[ContributionBody] = Field(description="The provisions that contribute.")


class SubscriptionBody(BaseModel):
    """The customer's main subscription."""

    tier: str = Field(description="The entitlement set it provides.")
    pool_id: str = Field(description="The pool.")
    provision_id: str = Field(description="The provision.")
    source: ProvisionSource = Field(description="What it was bought or given through: subscription, purchase or grant.")
    source_id: str = Field(description="Its id in the billing system.")
    set_version: int = Field(description="Version of the set.")
    status: Literal["scheduled", "active", "suspended", "ended"] = Field(description="Its status.")
    quantity: int = Field(description="How many times the set is provided.")
    ladder: str | None = Field(description="Its plan ladder; null: none.")
    rung: int | None = Field(description="Its rung on the ladder.")
    starts_at: datetime = Field(description="When it starts.")
    ends_at: datetime | None = Field(description="When it ends; null: open end.")


class PoolOfCustomer(BaseModel):
    """A pool of the customer."""

    pool_id: str = Field(description="The pool.")
    role: Literal["primary", "secondary"] = Field(description="primary or secondary, as last assigned.")
    may_overflow: bool = Field(description="Whether usage that does not fit here may draw on the next pool.")
    status: Literal["open", "suspended", "closed"] = Field(description="The status of the pool.")


class ViewBody(BaseModel):
    """Everything a customer is entitled to. A client can decide locally by this document."""

    customer_id: str = Field(description="The customer.")
    organization_id: str = Field(description="Its organization.")
    as_of: AsOfBody = Field(description="How fresh it is.")
    subscription: SubscriptionBody | None = Field(description="The main subscription; null: none.")
    members: dict[str, str] = Field(description="Role of each member: viewer, editor or admin.")
    members_complete: bool = Field(description="False: the list is incomplete, because the customer has more members.")
    pools: list[PoolOfCustomer] = Field(description="Its pools, in the order in which usage draws on them.")
    entitlements: dict[str, EntryBody] = Field(description="What it has, by resource key.")


class EntitlementBody(BaseModel):
    """The entitlement, and how fresh it is."""

    customer_id: str = Field(description="The customer.")
    as_of: AsOfBody = Field(description="How fresh it is.")
    entitlement: EntryBody = Field(description="The entitlement.")


class CustomerEntry(EntryBody):
    """What one customer has of one resource key."""

    customer_id: str = Field(description="The customer.")


class RemainingBody(BaseModel):
    """One entry per customer and resource key."""

    remaining: list[CustomerEntry] = Field(
        description="One entry per customer and resource key, in the order of the request."
    )
