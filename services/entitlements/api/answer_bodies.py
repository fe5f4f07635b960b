"""The answers to questions as the OpenAPI document tells them: decisions, and what a customer has."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, Field

from entitlements.domain.values import DataType, EntitlementType, PolicyEffect, ProvisionSource

_OWED: Final = "Overage that is neither paid nor forgiven, of this period and earlier ones; null: a feature."
_REMAINING: Final = "The largest quantity that strict usage could have now; null: unlimited, or a feature."
_RESETS: Final = "When the period under way ends; null: it has no end, or a feature."


class AsOfBody(BaseModel):
    """How fresh an answer is."""

    position: str = Field(
        description="Up to where the ledger was read: partition:offset, separated by commas.", examples=["0:17,3:201"]
    )
    decided_at: datetime | None = Field(description="When the last thing read was decided; null: nothing was.")
    read_at: datetime = Field(description="When it was read.")
    lag_ms: int | None = Field(description="Milliseconds that the read models were behind the ledger; null: unknown.")


class MatchedPolicy(BaseModel):
    """An access policy that counted."""

    policy_id: str = Field(description="The policy.")
    effect: PolicyEffect = Field(description="What it does.")
    priority: int = Field(description="Its priority: the highest wins.")


class ContributionBody(BaseModel):
    """A provision that an answer rests on."""

    pool_id: str = Field(description="The pool.")
    provision_id: str = Field(description="The provision; empty: the default of the key.")
    source: ProvisionSource | None = Field(description="Where it comes from; null: the default of the key.")
    source_id: str | None = Field(description="Its id in the billing system, or the grant.")
    set_id: str | None = Field(description="The entitlement set it confers.")
    set_version: int | None = Field(description="Version of the set.")
    amount: int | None = Field(description="What it includes, in the smallest unit; null: unlimited, or a feature.")
    ends_at: datetime | None = Field(description="When it ends; null: open end.")


class RestsOn(BaseModel):
    """Another key, or the same key of another pool, on which an entry rests."""

    pool_id: str = Field(description="The pool.")
    resource_key: str = Field(description="The key.")


class ConstraintsBody(BaseModel):
    """Where and when a key may be used."""

    geographic_restrictions: list[str] = Field(
        description="Countries (DE), subdivisions (US-CA) or regions (EU, EEA); empty: everywhere."
    )
    start_date: datetime | None = Field(description="From when on; null: no start.")
    end_date: datetime | None = Field(description="Through this second; null: no end.")


class DecisionBody(BaseModel):
    """The answer and its reason."""

    decision_id: str = Field(description="Names this decision; the access log has it under this id.")
    allowed: bool = Field(description="Whether it is allowed.")
    reason_code: str = Field(
        description="Why, for programs. The codes stay; new ones may come.",
        examples=["allowed", "quota_exceeded", "not_entitled", "provision_suspended", "policy_denied"],
    )
    sentence: str = Field(description="Why, for people.", examples=["3 of api_calls do not fit into what is left."])
    customer_id: str = Field(description="The customer.")
    resource_key: str = Field(description="The key.")
    quantity: int | None = Field(description="The quantity asked for; null: whether there is access at all.")
    entitlement_type: EntitlementType | None = Field(
        description="What the customer has of the key; null: nothing is known."
    )
    pool_id: str | None = Field(description="The pool that decides; null: none.")
    limit: int | None = Field(description="What is included, in the smallest unit; null: unlimited, or a feature.")
    consumed: int | None = Field(description="What is consumed in the period under way, or held; null: a feature.")
    owed: int | None = Field(description=_OWED)
    remaining: int | None = Field(description=_REMAINING)
    resets_at: datetime | None = Field(description=_RESETS)
    ends_at: datetime | None = Field(
        description="When the answer may change by itself: something ends, or a policy starts or stops to apply."
    )
    data_type: DataType | None = Field(
        description="Type of the key; null: the customer has nothing of it, and it is not defined."
    )
    matched_policies: list[MatchedPolicy] = Field(description="The policies that held, the winner first.")
    policy_version: int = Field(description="Version of the organization's policies that were asked.")
    contributions: list[ContributionBody] = Field(description="The provisions that the answer rests on.")
    as_of: AsOfBody = Field(description="How fresh the answer is.")
    decided_at: datetime = Field(description="When it was decided.")
    source: str = Field(description="Who decided.", examples=["SERVICE"])


class DecisionsBody(BaseModel):
    """The answers, in the order of the questions."""

    decisions: list[DecisionBody] = Field(description="One for each question.")


class EntryBody(BaseModel):
    """What a customer has of one key."""

    resource_key: str = Field(description="The key.")
    entitlement_type: EntitlementType = Field(description="Its type; `boolean` too where there is nothing.")
    allowed: bool = Field(description="Whether strict usage of 1 would be accepted.")
    reason_code: str = Field(description="Why, as in a decision.")
    pool_id: str | None = Field(description="The pool that decides; null: none.")
    limit: int | None = Field(description="What is included, in the smallest unit; null: unlimited, or a feature.")
    soft_limit: int | None = Field(description="Warned from here; null: no warning.")
    hard_limit: int | None = Field(description="Strict usage is refused above; null: never, or a feature.")
    consumed: int | None = Field(description="What is consumed in the period under way, or held; null: a feature.")
    owed: int | None = Field(description=_OWED)
    reserved: int | None = Field(description="What reservations hold; null: a feature.")
    remaining: int | None = Field(description=_REMAINING)
    period: str | None = Field(description="How often it resets, such as month; null: it does not.")
    period_start: datetime | None = Field(description="When the period under way began; null: there is none.")
    resets_at: datetime | None = Field(description=_RESETS)
    valid_until: datetime | None = Field(
        description="Read again then: an end, an expiry, a start, a recurrence or a reset is due."
    )
    ends_at: datetime | None = Field(
        description="When something that it rests on ends (a provision, an override, credits), a provision starts that takes away, "
        "or a recurrence lets lapse what was rolled over. A reset takes nothing away."
    )
    rests_on: list[RestsOn] = Field(
        description="What it rests on beside its own key of its own pool: credits, and pools that usage goes on to."
    )
    min_role: str = Field(description="The least role of a member that has the feature; empty: every member.")
    has_subject_caps: bool = Field(description="Members may have caps of their own, which only a check knows.")
    constraints: ConstraintsBody | None = Field(description="Where and when it may be used; null: everywhere, always.")
    inherited_path: list[str] = Field(description="The keys through which it is granted; empty: it is by itself.")
    contributions: list[ContributionBody] = Field(description="The provisions that it rests on.")


class SubscriptionBody(BaseModel):
    """The customer's main subscription."""

    tier: str = Field(description="The entitlement set it confers.")
    pool_id: str = Field(description="The pool.")
    provision_id: str = Field(description="The provision.")
    source: ProvisionSource = Field(description="Where it comes from.")
    source_id: str = Field(description="Its id in the billing system.")
    set_version: int = Field(description="Version of the set.")
    status: Literal["scheduled", "active", "suspended", "ended"] = Field(description="Its status.")
    quantity: int = Field(description="How many times it was bought.")
    ladder: str | None = Field(description="Its plan ladder; null: none.")
    rung: int | None = Field(description="Its place on the ladder.")
    starts_at: datetime = Field(description="When it starts.")
    ends_at: datetime | None = Field(description="When it ends; null: open end.")


class PoolOfCustomer(BaseModel):
    """A pool that the customer draws on."""

    pool_id: str = Field(description="The pool.")
    role: Literal["primary", "secondary"] = Field(description="As it was assigned last.")
    may_overflow: bool = Field(description="Usage without room here may draw on the next pool.")
    status: Literal["open", "suspended", "closed"] = Field(description="The status of the pool.")


class ViewBody(BaseModel):
    """All that a customer has: a client that holds this document can decide by itself."""

    customer_id: str = Field(description="The customer.")
    organization_id: str = Field(description="Its organization.")
    as_of: AsOfBody = Field(description="How fresh it is.")
    subscription: SubscriptionBody | None = Field(description="The main subscription; null: none.")
    members: dict[str, str] = Field(description="The role of each member: viewer, editor or admin.")
    members_complete: bool = Field(description="False: there are more members than are told here.")
    pools: list[PoolOfCustomer] = Field(description="The pools that it draws on, in their order.")
    entitlements: dict[str, EntryBody] = Field(description="What it has, by key.")


class EntitlementBody(BaseModel):
    """What a customer has of one key, and how fresh that is."""

    customer_id: str = Field(description="The customer.")
    as_of: AsOfBody = Field(description="How fresh it is.")
    entitlement: EntryBody = Field(description="What it has.")


class CustomerEntry(EntryBody):
    """What one of several customers has of one key."""

    customer_id: str = Field(description="The customer.")


class RemainingBody(BaseModel):
    """An entry for every customer and key."""

    remaining: list[CustomerEntry] = Field(description="By customer and key, in the order asked for.")
