"""The bodies of questions: as they are decoded, and as the OpenAPI document tells them. answer_bodies.py has the answers."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from pydantic import Field, JsonValue

from entitlements.api.problems import Problem
from entitlements.intake.strict import INTEGER_MAX, INTEGER_MIN, Id, MaybeId, Strict
from entitlements_client.deciding import Context

#: Questions that one call may hold.
MANY_MAX: Final = 10_000
#: Whatever is no quantity is answered as `invalid_quantity`, as far as an answer can repeat it.
_Integer = Annotated[int, msgspec.Meta(ge=INTEGER_MIN, le=INTEGER_MAX)]


class Client(msgspec.Struct, forbid_unknown_fields=True):
    """Where a request comes from: what policies can compare of it."""

    ip_address: str | None = None
    user_agent: str | None = None
    location: str | None = None


class Resource(msgspec.Struct, forbid_unknown_fields=True):
    """What a request is about."""

    type: str | None = None
    id: str | None = None
    action: str | None = None


class Circumstances(msgspec.Struct, forbid_unknown_fields=True):
    """The circumstances of a request. What is misspelt would be passed over, and a policy not hold: it is refused."""

    request_id: str | None = None
    timestamp: str | None = None
    client: Client | None = None
    resource: Resource | None = None
    customer: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None

    def context(self) -> Context:
        """As decisions take it."""
        return Context(
            request_id=self.request_id,
            timestamp=self.timestamp,
            client=_stated(self.client),
            resource=_stated(self.resource),
            customer=self.customer,
            metadata=self.metadata,
        )


def _stated(part: Client | Resource | None) -> dict[str, str] | None:
    return (
        None
        if part is None
        else {name: value for name, value in msgspec.structs.asdict(part).items() if value is not None}
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


class ChecksApart(msgspec.Struct, forbid_unknown_fields=True):
    """Checks of which each is still the JSON that it came as, and nothing beside them."""

    checks: list[msgspec.Raw]


class ClientContext(Strict):
    """Origin of a request, which policies can compare."""

    ip_address: str | None = Field(None, description="IP address of the end user.", examples=["203.0.113.7"])
    user_agent: str | None = Field(None, description="User agent of the end user.")
    location: str | None = Field(None, description="Country or subdivision, such as DE or US-CA.", examples=["DE"])


class ResourceContext(Strict):
    """Resource that a request is about, which policies can compare."""

    type: str | None = Field(None, description="Type of the resource.", examples=["report"])
    id: str | None = Field(None, description="Id of the resource.", examples=["r-1"])
    action: str | None = Field(
        None, description="The requested action, unless the request has one.", examples=["export"]
    )


class ContextBody(Strict):
    """Context of a request, as JSON values."""

    request_id: str | None = Field(None, description="Id of the request in logs.", examples=["req-17"])
    timestamp: str | None = Field(
        None, description="Time of the request, RFC 3339. Default: now.", examples=["2026-11-21T12:00:00Z"]
    )
    client: ClientContext | None = Field(
        None, description="Origin of the request.", examples=[{"ip_address": "203.0.113.7", "location": "DE"}]
    )
    resource: ResourceContext | None = Field(
        None, description="Requested resource.", examples=[{"type": "report", "id": "r-1", "action": "export"}]
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
