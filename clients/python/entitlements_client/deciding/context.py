"""What is asked, and under which circumstances. Callers send what they like: nothing here raises for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

_NOTHING: Final[dict[str, Any]] = {}
#: Bounds of a context, so that no caller makes a decision slow: characters of each text, and of all texts and names together; values in
#: all objects and lists; how deep they are nested below the context's parts.
TEXT_CHARACTERS_MAX: Final = 2_048
CHARACTERS_MAX: Final = 32_768
VALUES_MAX: Final = 1_000
DEPTH_MAX: Final = 8


class Context:
    """Context of a request, as JSON values sent by the caller.

    request_id  id of the request in logs           client    ip_address, user_agent, location (a country such as DE or US-CA)
    timestamp   when it was made, RFC 3339           resource  type, id, action
    customer    attributes of the customer: region, country, ...
    metadata    anything else
    """

    __slots__ = ("_fits", "client", "customer", "metadata", "request_id", "resource", "timestamp")

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
        self._fits: bool | None = None

    @property
    def fits(self) -> bool:
        """Whether it is within its bounds. Measured once: do not change a context after a decision."""
        if self._fits is None:
            parts = [part for part in (self.client, self.resource, self.customer, self.metadata) if part]
            texts = (self.request_id, self.timestamp)
            self._fits = _are_small(parts, texts) or _fits([(texts, 0), *((part, 1) for part in parts)])
        return self._fits

    @classmethod
    def from_document(cls, document: Any) -> Self:
        if not isinstance(document, Mapping):
            return cls()
        return cls(**{name: document.get(name) for name in _NAMES})

    def to_document(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _NAMES}


_SCALARS: Final = frozenset({int, float, bool, type(None)})
_NAMES: Final = ("client", "customer", "metadata", "request_id", "resource", "timestamp")


def _are_small(parts: list[dict[str, Any]], texts: tuple[Any, ...]) -> bool:
    """Whether objects obviously are within the bounds, as nearly all are: few short values, nothing nested."""
    characters = values = 0
    for text in texts:
        if type(text) is str:
            characters += len(text)
    for part in parts:
        values += len(part)
        for name, value in part.items():
            kind = type(value)
            if kind is str:
                characters += len(value)
            elif kind not in _SCALARS:
                return False
            characters += len(name) if type(name) is str else 0
    return characters <= TEXT_CHARACTERS_MAX and values <= VALUES_MAX


def _fits(parts: list[tuple[Any, int]]) -> bool:
    """Whether objects and lists, each with its depth, are within the bounds. Costs no more than they allow."""
    values = characters = 0
    while parts:
        part, depth = parts.pop()
        values += len(part) if depth else 0
        if values > VALUES_MAX:
            return False
        if isinstance(part, dict):
            characters += sum(len(name) for name in part if type(name) is str)
            part = part.values()
        for value in part:
            if type(value) is str:
                characters += len(value) if len(value) <= TEXT_CHARACTERS_MAX else CHARACTERS_MAX + 1
            elif isinstance(value, dict | list | tuple):
                if depth >= DEPTH_MAX:
                    return False
                parts.append((value, depth + 1))
        if characters > CHARACTERS_MAX:
            return False
    return True


NO_CONTEXT: Final = Context()


@dataclass(slots=True)
class Request:
    """A request: may a customer use a resource key? quantity in the smallest unit; None: access in general."""

    customer_id: str
    resource_key: str
    quantity: int | None = None
    subject_id: str = ""
    #: What is to be done; empty: what the context says of it.
    action: str = ""
    context: Context | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read a request in the format of POST /v1/check. Raises KeyError without a customer or a resource key."""
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
