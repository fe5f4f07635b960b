"""The bodies of questions: as they are decoded, and as the OpenAPI document tells them. answer_bodies.py has the answers."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from pydantic import ConfigDict, Field, JsonValue

from entitlements.api.problems import Problem
from entitlements.intake.strict import INTEGER_MAX, INTEGER_MIN, Id, MaybeId, Strict
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
    """A check: whether a customer may use a resource key. Without a quantity: access in general."""

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
            raise Problem("invalid_request", "Set checks, or customer_ids and resource_keys.")
        count = len(customers) * len(keys) if self.checks is None else len(self.checks)
        if not 0 < count <= MANY_MAX:
            raise Problem("invalid_request", f"A request has 1 to {MANY_MAX} checks, not {count}.")
        if self.checks is not None:
            return self.checks
        same = (self.quantity, self.subject_id, self.action, self.context)
        return [Check(customer, key, *same) for customer in customers for key in keys]


class ContextBody(Strict):
    """Context of a request, as JSON values."""

    model_config = ConfigDict(strict=True, extra="ignore")

    request_id: str | None = Field(None, description="Id of the request in logs.", examples=["req-17"])
    timestamp: str | None = Field(
        None, description="Time of the request, RFC 3339. Default: now.", examples=["2026-11-21T12:00:00Z"]
    )
    client: dict[str, JsonValue] | None = Field(
        None,
        description="Origin of the request: `ip_address`, `user_agent`, `location` (a country or subdivision, such as DE or US-CA).",
        examples=[{"ip_address": "203.0.113.7", "location": "DE"}],
    )
    resource: dict[str, JsonValue] | None = Field(
        None,
        description="Requested resource: `type`, `id`, `action`.",
        examples=[{"type": "report", "id": "r-1", "action": "export"}],
    )
    customer: dict[str, JsonValue] | None = Field(
        None, description="Attributes of the customer, such as its region.", examples=[{"region": "eu"}]
    )
    metadata: dict[str, JsonValue] | None = Field(None, description="Any other attributes that policies use.")


_QUANTITY: Final = "Quantity in the smallest unit of the key. Default: answered as for 1."
_SUBJECT: Final = "The member of the customer. Default: none."
_ACTION: Final = "The requested action, for policies. Default: none."


class CheckBody(Strict):
    """A check: whether a customer may use a resource key. Without a quantity: access in general."""

    customer_id: Id = Field(description="The customer.", examples=["ws-1"])
    resource_key: Id = Field(description="The resource key.", examples=["api_calls"])
    quantity: int | None = Field(None, ge=INTEGER_MIN, le=INTEGER_MAX, description=_QUANTITY, examples=[3])
    subject_id: MaybeId = Field("", description=_SUBJECT)
    action: str = Field("", max_length=128, description=_ACTION)
    context: ContextBody | None = Field(None, description="Context of the request, for policies.")


class ChecksBody(Strict):
    """Many checks: either `checks`, or each of `customer_ids` with each of `resource_keys`."""

    checks: list[CheckBody] | None = Field(
        None, min_length=1, max_length=MANY_MAX, description="The checks, each with fields of its own."
    )
    customer_ids: list[Id] | None = Field(None, description="The customers.", examples=[["ws-1", "ws-2"]])
    resource_keys: list[Id] | None = Field(None, description="The resource keys.", examples=[["api_calls", "sso"]])
    quantity: int | None = Field(None, ge=INTEGER_MIN, le=INTEGER_MAX, description=_QUANTITY)
    subject_id: MaybeId = Field("", description=_SUBJECT)
    action: str = Field("", max_length=128, description=_ACTION)
    context: ContextBody | None = Field(None, description="Context of the request, for policies.")


class RemainingQuery(Strict):
    """Customers and resource keys: each customer is combined with each key."""

    customer_ids: list[Id] = Field(min_length=1, max_length=MANY_MAX, description="The customers.")
    resource_keys: list[Id] = Field(min_length=1, max_length=MANY_MAX, description="The resource keys.")
