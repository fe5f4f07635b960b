"""Access policies and the dry run, as the OpenAPI document tells them. They are checked by the code that decides by them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from entitlements.api.answer_bodies import DecisionBody, EntryBody, MatchedPolicy, SubscriptionBody
from entitlements.api.openapi.telling import ToldAs
from entitlements.api.question_bodies import CheckBody, ContextBody
from entitlements.domain.values import DataType, PolicyEffect
from entitlements_client.deciding.operators import LIST_MAX, OPERATORS
from entitlements_client.deciding.policies import (
    ACTIONS_MAX,
    ID_CHARACTERS_MAX,
    PRIORITY_MAX,
    REASON_CHARACTERS_MAX,
    RESOURCE_KEYS_MAX,
)
from entitlements_client.deciding.temporal import WEEKDAYS

_ABOUT = ConfigDict(extra="forbid", populate_by_name=True)


class Comparison(BaseModel):
    """A comparison of one field of the request with a value. It does not hold if the field is missing or of another type."""

    model_config = _ABOUT

    field: str = Field(description="What is compared.", examples=["customer.region", "subject.role"])
    operator: str = Field(
        description="How it is compared.", examples=["equals"], json_schema_extra={"enum": [*sorted(OPERATORS)]}
    )
    value: JsonValue = Field(
        None,
        description=f"What it is compared with: of the type that the operator takes, at most {LIST_MAX} in a list.",
    )


class AllOf(BaseModel):
    """Holds if every condition holds."""

    model_config = _ABOUT

    all: list[Condition] = Field(description="The conditions.")


class AnyOf(BaseModel):
    """Holds if one of the conditions holds."""

    model_config = _ABOUT

    any: list[Condition] = Field(description="The conditions.")


class NotOf(BaseModel):
    """Holds if the condition is judged and does not hold."""

    model_config = _ABOUT

    not_: Condition = Field(alias="not", description="The condition.")


Condition: TypeAlias = Comparison | AllOf | AnyOf | NotOf
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
assert WEEKDAYS == ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "the document tells other weekdays"


class Temporal(BaseModel):
    """When a policy applies."""

    model_config = _ABOUT

    starts_at: datetime | None = Field(None, description="From this instant on.")
    ends_at: datetime | None = Field(None, description="Before this instant.")
    weekdays: list[Weekday] | None = Field(None, description="Only on these days; left out: on every day.")
    from_: str | None = Field(None, alias="from", description="From this time of day on.", examples=["09:00"])
    until: str | None = Field(None, description="Before this time of day; it may be past midnight.", examples=["17:30"])
    time_zone: str | None = Field(
        None, description="Whose days and hours these are; left out: UTC.", examples=["Europe/Berlin"]
    )


class PolicyToPut(BaseModel):
    """An access policy whose id is that of the path: allows or denies resource keys under conditions."""

    model_config = _ABOUT

    policy_id: str = Field(
        default_factory=str,
        description="Its id; left out: that of the path. Another one is a mistake.",
        min_length=1,
        max_length=ID_CHARACTERS_MAX,
    )
    name: str | None = Field(None, description="Its name for people; left out: its id.", max_length=ID_CHARACTERS_MAX)
    effect: PolicyEffect = Field(description="What it does when its conditions hold.")
    priority: int = Field(
        0,
        ge=-PRIORITY_MAX,
        le=PRIORITY_MAX,
        description="Of the policies that hold the highest priority wins; at the same priority DENY wins.",
    )
    resource_keys: list[str] | None = Field(
        None,
        max_length=RESOURCE_KEYS_MAX,
        description="The keys that it is about; `*` stands for any characters. Left out: all.",
        examples=[["export", "report.*"]],
    )
    actions: list[str] | None = Field(
        None, max_length=ACTIONS_MAX, description="The actions that it is about; left out: all."
    )
    conditions: list[Condition] | None = Field(None, description="All of them must hold; left out: it always holds.")
    temporal: Temporal | None = Field(None, description="When it applies; left out: always.")
    reason: str | None = Field(
        None, max_length=REASON_CHARACTERS_MAX, description="Why, for the people whom it concerns."
    )
    enabled: bool = Field(True, description="False: it is kept and not asked.")


class PolicyBody(PolicyToPut):
    """An access policy: allows or denies resource keys under conditions."""

    policy_id: str = Field(description="Its id.", min_length=1, max_length=ID_CHARACTERS_MAX, examples=["eu-only"])


class PoliciesBody(BaseModel):
    """The policies of the organization that are in force."""

    organization_id: str = Field(description="The organization.")
    version: int = Field(description="Rises with every change of a policy.")
    policies: list[PolicyBody] = Field(description="The policies, as they were defined.")
    metered_keys: list[str] = Field(description="The keys that are numbers: no policy grants one.")
    keys: dict[str, DataType] = Field(
        description="The type of every resource key that is defined.",
        examples=[{"api_calls": "integer", "sso": "boolean"}],
    )


class AskedBody(BaseModel):
    """The question of a dry run."""

    customer_id: str = Field(description="The customer.")
    resource_key: str = Field(description="The key.")
    quantity: int | None = Field(description="How much, in the smallest unit; null: whether there is access at all.")
    subject_id: str = Field(description="The member; empty: nobody in particular.")
    action: str = Field(description="What is to be done; empty: it is not said.")


class DryRunContext(BaseModel):
    """Step 1: everything that is known of the request."""

    now: datetime = Field(description="When it was decided.")
    request: AskedBody = Field(description="The question.")
    context: ContextBody = Field(description="The circumstances that the request names.")
    subscription: SubscriptionBody | None = Field(description="The customer's main subscription.")
    entitlement: EntryBody | None = Field(description="What the customer has of the key; null: nothing.")
    fields: dict[str, JsonValue] = Field(description="The value of every field that a condition reads; null: missing.")


class Matching(MatchedPolicy):
    """Step 2: whether a policy is about this request."""

    name: str = Field(description="The policy's name.")
    matches: bool = Field(description="Whether its conditions are asked.")
    why_not: Literal["disabled", "resource_key", "action", "temporal"] | None = Field(
        description="What does not match; null: it matches."
    )


class ConditionOutcome(BaseModel):
    """What a condition came to: a comparison with `field`, or `all`, `any` or `not` with its parts."""

    model_config = ConfigDict(populate_by_name=True)

    outcome: Literal["holds", "does_not_hold", "cannot_be_judged"] = Field(description="What it came to.")
    field: str = Field("", description="Of a comparison: the field.")
    operator: str = Field("", description="Of a comparison: how it is compared.")
    value: JsonValue = Field(None, description="Of a comparison: what the policy states.")
    found: JsonValue = Field(None, description="Of a comparison: the value of the field; null: missing.")
    all: list[ConditionOutcome] = Field([], description="Every part of `all`.")
    any: list[ConditionOutcome] = Field([], description="Every part of `any`.")
    not_: ConditionOutcome | None = Field(None, alias="not", description="The part of `not`.")


class ConditionsOutcome(MatchedPolicy):
    """Step 3: whether the conditions of a policy hold."""

    holds: bool = Field(description="Whether all of them hold.")
    conditions: list[ConditionOutcome] = Field(description="What each of them came to.")


class ConflictResolution(BaseModel):
    """Step 4: which of the policies that hold wins."""

    held: list[MatchedPolicy] = Field(description="The policies that hold, the winner first.")
    winner: MatchedPolicy | None = Field(description="The policy that wins; null: none holds.")
    because: str = Field(description="Why it wins.")


class DryRunBody(BaseModel):
    """A decision, step by step."""

    context: DryRunContext = Field(description="Step 1.")
    matching: list[Matching] = Field(description="Step 2, for every policy.")
    conditions: list[ConditionsOutcome] = Field(description="Step 3, for the policies that match.")
    conflict_resolution: ConflictResolution = Field(description="Step 4.")
    decision: DecisionBody = Field(description="Step 5.")
    source: str = Field(description="Who decided.", examples=["SERVICE"])


class DryRun(CheckBody):
    """A question, and the policies to try instead of those in force."""

    policies: Annotated[list[dict[str, Any]] | None, ToldAs(list[PolicyBody] | None)] = Field(
        None, description="The policies to try; left out: those in force."
    )
