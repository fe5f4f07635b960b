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
    """Compares one field of the request with a value. It does not match if the field is missing or of another type."""

    model_config = _ABOUT

    field: str = Field(description="The field of the request to compare.", examples=["customer.region", "subject.role"])
    operator: str = Field(
        description="The comparison operator.", examples=["equals"], json_schema_extra={"enum": [*sorted(OPERATORS)]}
    )
    value: JsonValue = Field(
        None,
        description=f"The value to compare with, of a type that the operator accepts. A list has at most {LIST_MAX} values.",
    )


class AllOf(BaseModel):
    """Matches if all conditions match."""

    model_config = _ABOUT

    all: list[Condition] = Field(description="The conditions.")


class AnyOf(BaseModel):
    """Matches if at least one condition matches."""

    model_config = _ABOUT

    any: list[Condition] = Field(description="The conditions.")


class NotOf(BaseModel):
    """Matches if the condition can be evaluated and does not match."""

    model_config = _ABOUT

    not_: Condition = Field(alias="not", description="The condition.")


Condition: TypeAlias = Comparison | AllOf | AnyOf | NotOf
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
assert WEEKDAYS == ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "the document tells other weekdays"


class Temporal(BaseModel):
    """When a policy applies."""

    model_config = _ABOUT

    starts_at: datetime | None = Field(None, description="Applies from this time on.")
    ends_at: datetime | None = Field(None, description="Applies before this time.")
    weekdays: list[Weekday] | None = Field(None, description="Days on which it applies. Default: every day.")
    from_: str | None = Field(None, alias="from", description="Applies from this time of day on.", examples=["09:00"])
    until: str | None = Field(
        None, description="Applies before this time of day; may be after midnight.", examples=["17:30"]
    )
    time_zone: str | None = Field(
        None, description="Time zone of these days and hours. Default: UTC.", examples=["Europe/Berlin"]
    )


class PolicyDefinition(BaseModel):
    """An access policy: allows or denies resource keys under conditions. Its id is in the path."""

    model_config = _ABOUT

    policy_id: str = Field(
        default_factory=str,
        description="Id of the policy. Default: that of the path, which it must equal.",
        min_length=1,
        max_length=ID_CHARACTERS_MAX,
    )
    name: str | None = Field(None, description="Display name. Default: the id.", max_length=ID_CHARACTERS_MAX)
    effect: PolicyEffect = Field(description="Effect if its conditions match: ALLOW or DENY.")
    priority: int = Field(
        0,
        ge=-PRIORITY_MAX,
        le=PRIORITY_MAX,
        description="Among policies that match, the highest priority wins; at the same priority DENY wins.",
    )
    resource_keys: list[str] | None = Field(
        None,
        max_length=RESOURCE_KEYS_MAX,
        description="The resource keys it applies to; `*` matches any characters. Default: all.",
        examples=[["export", "report.*"]],
    )
    actions: list[str] | None = Field(
        None, max_length=ACTIONS_MAX, description="The actions it applies to. Default: all."
    )
    conditions: list[Condition] | None = Field(
        None, description="Conditions, which must all match. Default: always matches."
    )
    temporal: Temporal | None = Field(None, description="When it applies. Default: always.")
    reason: str | None = Field(None, max_length=REASON_CHARACTERS_MAX, description="Reason, for the people affected.")
    enabled: bool = Field(True, description="False: the policy is stored but not evaluated.")


class PolicyBody(PolicyDefinition):
    """An access policy: allows or denies resource keys under conditions."""

    policy_id: str = Field(description="Its id.", min_length=1, max_length=ID_CHARACTERS_MAX, examples=["eu-only"])


class PoliciesBody(BaseModel):
    """The organization's access policies in force."""

    organization_id: str = Field(description="The organization.")
    version: int = Field(description="Version of the policies; increases with every change.")
    policies: list[PolicyBody] = Field(description="The access policies.")
    metered_keys: list[str] = Field(
        description="The resource keys with quantities. Policies can deny them but not grant them."
    )
    keys: dict[str, DataType] = Field(
        description="Data type of every defined resource key.",
        examples=[{"api_calls": "integer", "sso": "boolean"}],
    )


class DryRunRequest(BaseModel):
    """The request that a dry run evaluates."""

    customer_id: str = Field(description="The customer.")
    resource_key: str = Field(description="The resource key.")
    quantity: int | None = Field(description="Requested quantity in the smallest unit; null: access in general.")
    subject_id: str = Field(description="The member of the customer; empty: none.")
    action: str = Field(description="The requested action; empty: not given.")


class DryRunContext(BaseModel):
    """Step 1: the context of the request."""

    now: datetime = Field(description="When it was decided.")
    request: DryRunRequest = Field(description="The request.")
    context: ContextBody = Field(description="Context that the request contains.")
    subscription: SubscriptionBody | None = Field(description="The customer's main subscription.")
    entitlement: EntryBody | None = Field(description="What the customer has of the resource key; null: nothing.")
    fields: dict[str, JsonValue] = Field(description="The value of each field that a condition uses; null: missing.")


class Matching(MatchedPolicy):
    """Step 2: whether a policy applies to this request."""

    name: str = Field(description="Display name of the policy.")
    matches: bool = Field(description="Whether its conditions are evaluated.")
    why_not: Literal["disabled", "resource_key", "action", "temporal"] | None = Field(
        description="Why it does not match; null: it matches."
    )


class ConditionOutcome(BaseModel):
    """Outcome of a condition: of a comparison (`field`), or of `all`, `any` or `not` with its parts."""

    model_config = ConfigDict(populate_by_name=True)

    outcome: Literal["holds", "does_not_hold", "cannot_be_judged"] = Field(description="The outcome.")
    field: str = Field("", description="The field of a comparison.")
    operator: str = Field("", description="The operator of a comparison.")
    value: JsonValue = Field(None, description="The value in the policy, of a comparison.")
    found: JsonValue = Field(None, description="The value of the field in the request, of a comparison; null: missing.")
    all: list[ConditionOutcome] = Field([], description="Outcomes of the conditions in `all`.")
    any: list[ConditionOutcome] = Field([], description="Outcomes of the conditions in `any`.")
    not_: ConditionOutcome | None = Field(None, alias="not", description="Outcome of the condition in `not`.")


class ConditionsOutcome(MatchedPolicy):
    """Step 3: whether the conditions of a policy match."""

    holds: bool = Field(description="Whether all conditions match.")
    conditions: list[ConditionOutcome] = Field(description="Outcome of each condition.")


class ConflictResolution(BaseModel):
    """Step 4: which of the matching policies wins."""

    held: list[MatchedPolicy] = Field(description="The policies whose conditions match, the winner first.")
    winner: MatchedPolicy | None = Field(description="The winning policy; null: no policy matches.")
    because: str = Field(description="Why it wins.")


class DryRunBody(BaseModel):
    """A decision, step by step."""

    context: DryRunContext = Field(description="Step 1.")
    matching: list[Matching] = Field(description="Step 2, for every policy.")
    conditions: list[ConditionsOutcome] = Field(description="Step 3, for the policies that match.")
    conflict_resolution: ConflictResolution = Field(description="Step 4.")
    decision: DecisionBody = Field(description="Step 5.")
    source: str = Field(description="Where it was decided.", examples=["SERVICE"])


class DryRun(CheckBody):
    """A check, and policies to evaluate instead of those in force."""

    policies: Annotated[list[dict[str, Any]] | None, ToldAs(list[PolicyBody] | None)] = Field(
        None, description="The policies to evaluate. Default: those in force."
    )
