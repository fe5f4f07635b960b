"""What is asked, and under which circumstances. Callers send what they like: nothing here raises for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

_NOTHING: Final[dict[str, Any]] = {}


class Context:
    """The circumstances of a request: values of JSON, as the caller sends them. What is not there is missing.

    request_id  names the request in logs            client    ip_address, user_agent, location (a country such as DE or US-CA)
    timestamp   when it was made, RFC 3339           resource  type, id, action
    customer    what the caller knows of the customer: region, country, ...
    metadata    anything else
    """

    __slots__ = ("client", "customer", "metadata", "request_id", "resource", "timestamp")

    def __init__(
        self,
        *,
        request_id: Any = None,
        timestamp: Any = None,
        client: Any = None,
        resource: Any = None,
        customer: Any = None,
        metadata: Any = None,
    ) -> None:
        self.request_id = request_id
        self.timestamp = timestamp
        # A part that is no object says nothing.
        self.client: dict[str, Any] = client if isinstance(client, dict) else _NOTHING
        self.resource: dict[str, Any] = resource if isinstance(resource, dict) else _NOTHING
        self.customer: dict[str, Any] = customer if isinstance(customer, dict) else _NOTHING
        self.metadata: dict[str, Any] = metadata if isinstance(metadata, dict) else _NOTHING

    @classmethod
    def from_document(cls, document: Any) -> Self:
        if not isinstance(document, Mapping):
            return cls()
        return cls(**{name: document.get(name) for name in cls.__slots__})

    def to_document(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in sorted(self.__slots__)}


NO_CONTEXT: Final = Context()


@dataclass(slots=True)
class Request:
    """May this customer use this key? quantity in the smallest unit; None asks only whether the customer has access."""

    customer_id: str
    resource_key: str
    quantity: int | None = None
    subject_id: str = ""
    #: What is to be done; empty: what the context says of it.
    action: str = ""
    context: Context | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read a request as POST /v1/check has it. Raises KeyError without a customer or a key."""
        context = document.get("context")
        return cls(
            document["customer_id"],
            document["resource_key"],
            document.get("quantity"),
            document.get("subject_id") or "",
            document.get("action") or "",
            None if context is None else Context.from_document(context),
        )


def context_of(request: Request) -> Context:
    """The circumstances of a request, whatever was given for them."""
    context: Any = request.context
    if context is None:
        return NO_CONTEXT
    return context if isinstance(context, Context) else Context.from_document(context)
