"""The bodies of questions and their answers: as they are decoded, and as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from entitlements.api.problems import Problem
from entitlements.intake.strict import INTEGER_MAX, INTEGER_MIN, Id, Strict
from entitlements_client.deciding import Context

#: Questions that one call may hold.
MANY_MAX: Final = 10_000
#: Whatever is no quantity is answered as `invalid_quantity`, as far as an answer can repeat it.
_Integer = Annotated[int, msgspec.Meta(ge=INTEGER_MIN, le=INTEGER_MAX)]


class Circumstances(msgspec.Struct):
    """The circumstances of a request; values of JSON. Anything else in it is not looked at."""

    request_id: str | None = None
    timestamp: str | None = None
    client: dict[str, Any] | None = None
    resource: dict[str, Any] | None = None
    customer: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None

    def context(self) -> Context:
        """As decisions take it."""
        return Context(
            request_id=self.request_id,
            timestamp=self.timestamp,
            client=self.client,
            resource=self.resource,
            customer=self.customer,
            metadata=self.metadata,
        )


class Check(msgspec.Struct, forbid_unknown_fields=True):
    """May this customer use this key? Without a quantity: has it access at all."""

    customer_id: str
    resource_key: str
    quantity: _Integer | None = None
    subject_id: str = ""
    action: str = ""
    context: Circumstances | None = None


class Checks(msgspec.Struct, forbid_unknown_fields=True):
    """Several questions: one by one, or every customer with every key."""

    checks: list[Check] | None = None
    customer_ids: list[str] | None = None
    resource_keys: list[str] | None = None
    quantity: _Integer | None = None
    subject_id: str = ""
    action: str = ""
    context: Circumstances | None = None

    def all_of_them(self) -> list[Check]:
        """The questions. Raises Problem: invalid_request."""
        customers, keys = self.customer_ids or [], self.resource_keys or []
        if (self.checks is None) == (not customers or not keys):
            raise Problem("invalid_request", "Give checks, or customer_ids and resource_keys.")
        count = len(customers) * len(keys) if self.checks is None else len(self.checks)
        if not 0 < count <= MANY_MAX:
            raise Problem("invalid_request", f"One call asks 1 to {MANY_MAX} questions, not {count}.")
        if self.checks is not None:
            return self.checks
        same = (self.quantity, self.subject_id, self.action, self.context)
        return [Check(customer, key, *same) for customer in customers for key in keys]


class ContextBody(Strict):
    """The circumstances of a request; values of JSON."""

    model_config = ConfigDict(strict=True, extra="ignore")

    request_id: str | None = Field(None, examples=["req-17"])
    timestamp: str | None = Field(None, examples=["2026-11-21T12:00:00Z"])
    client: dict[str, Any] | None = Field(None, examples=[{"ip_address": "203.0.113.7", "location": "DE"}])
    resource: dict[str, Any] | None = Field(None, examples=[{"type": "report", "id": "r-1", "action": "export"}])
    customer: dict[str, Any] | None = Field(None, examples=[{"region": "eu"}])
    metadata: dict[str, Any] | None = None


class CheckBody(Strict):
    """May this customer use this key? Without a quantity: has it access at all."""

    customer_id: Id = Field(examples=["ws-1"])
    resource_key: Id = Field(examples=["api_calls"])
    quantity: int | None = Field(
        None, ge=INTEGER_MIN, le=INTEGER_MAX, description="In the smallest unit of the key.", examples=[3]
    )
    subject_id: str = Field("", max_length=128)
    action: str = Field("", max_length=128)
    context: ContextBody | None = None


class ChecksBody(Strict):
    """Several questions: one by one, or every customer with every key."""

    checks: list[CheckBody] | None = None
    customer_ids: list[Id] | None = Field(None, examples=[["ws-1", "ws-2"]])
    resource_keys: list[Id] | None = Field(None, examples=[["api_calls", "sso"]])
    quantity: int | None = Field(None, ge=INTEGER_MIN, le=INTEGER_MAX)
    subject_id: str = ""
    action: str = ""
    context: ContextBody | None = None


class AsOfBody(BaseModel):
    """How fresh an answer is."""

    position: str = Field(description="Of the ledger: partition:offset, with commas.", examples=["0:17,3:201"])
    decided_at: str | None
    read_at: str
    lag_ms: int | None = Field(description="How far the read models were behind the ledger; null: nobody knows.")


class DecisionBody(BaseModel):
    """The answer and its reason."""

    model_config = ConfigDict(extra="allow")

    decision_id: str
    allowed: bool
    reason_code: str = Field(
        examples=["allowed", "quota_exceeded", "not_entitled", "provision_suspended", "policy_denied"]
    )
    sentence: str = Field(examples=["3 of api_calls requested, 2 remaining."])
    customer_id: str
    resource_key: str
    quantity: int | None
    entitlement_type: str | None
    pool_id: str | None
    limit: int | None
    consumed: int | None
    owed: int | None = Field(
        description="Overage that nobody has paid, of this period and earlier ones; null: a feature."
    )
    remaining: int | None = Field(
        description="The largest quantity that strict usage could have; null: without end, or a feature."
    )
    resets_at: str | None
    ends_at: str | None = Field(
        description="From then on the answer may be another by itself: something ends, or a policy begins or ceases to apply."
    )
    data_type: str | None = Field(
        description="boolean or integer; null: the customer has nothing of the key, and it is not defined."
    )
    matched_policies: list[dict[str, Any]]
    policy_version: int
    contributions: list[dict[str, Any]]
    as_of: AsOfBody
    decided_at: str
    source: str = Field(examples=["SERVICE"])


class DecisionsBody(BaseModel):
    """The answers, in the order of the questions."""

    decisions: list[DecisionBody]


class EntryBody(BaseModel):
    """What a customer has of one key."""

    model_config = ConfigDict(extra="allow")

    resource_key: str
    entitlement_type: str
    allowed: bool
    reason_code: str
    pool_id: str | None
    limit: int | None
    consumed: int | None
    owed: int | None
    remaining: int | None
    resets_at: str | None
    valid_until: str | None = Field(
        description="From then on this may be otherwise: an end, an expiry or a reset is due."
    )
    ends_at: str | None = Field(
        description="From then on this says nothing any more: something ends or expires. A reset takes nothing away."
    )


class ViewBody(BaseModel):
    """All that a customer has."""

    model_config = ConfigDict(extra="allow")

    customer_id: str
    organization_id: str
    as_of: AsOfBody
    subscription: dict[str, Any] | None
    members: dict[str, str]
    members_complete: bool
    entitlements: dict[str, EntryBody]


class EntitlementBody(BaseModel):
    """What a customer has of one key, and how fresh that is."""

    customer_id: str
    as_of: AsOfBody
    entitlement: EntryBody


class RemainingAsked(Strict):
    """What is left to many customers of many keys."""

    customer_ids: list[Id] = Field(min_length=1, max_length=MANY_MAX)
    resource_keys: list[Id] = Field(min_length=1, max_length=MANY_MAX)


class RemainingBody(BaseModel):
    """An entry for every customer and key."""

    remaining: list[dict[str, Any]]


class PoliciesBody(BaseModel):
    """The policies of the key's organization."""

    model_config = ConfigDict(extra="allow")

    organization_id: str
    version: int
    policies: list[dict[str, Any]]
    keys: dict[str, str] = Field(
        description="The type of every resource key that is defined.",
        examples=[{"api_calls": "integer", "sso": "boolean"}],
    )


class DryRun(CheckBody):
    """A question, and the policies to try instead of those in force."""

    policies: list[dict[str, Any]] | None = Field(None, description="Left out: those in force.")
