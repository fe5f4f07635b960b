"""The fields that conditions may name, and how each is read from a request, its context and what the customer has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from entitlements_client.deciding.context import Context, Request, context_of
from entitlements_client.deciding.instants import plain, rfc3339
from entitlements_client.deciding.kinds import kind_of
from entitlements_client.deciding.refusals import PolicyIsInvalid, require_text, shown
from entitlements_client.deciding.view import CustomerView, Entry

#: Bounds of a path such as metadata.order.country.
PATH_CHARACTERS_MAX: Final = 256
PATH_NAMES_MAX: Final = 8


class Facts:
    """All that one decision knows."""

    __slots__ = ("context", "entry", "now_s", "request", "view")

    def __init__(
        self, view: CustomerView, entry: Entry | None, request: Request, context: Context, now_s: float
    ) -> None:
        self.view, self.entry, self.request, self.context, self.now_s = view, entry, request, context, now_s


#: The values of fields, by their places in a FieldTable: only of those that are read, because there may be very many.
Values = dict[int, Any]
#: Reads one field. None: it is missing; a field that is null says no more than one that is not there.
Reader = Callable[[Facts], Any]


def action_of(request: Request) -> str:
    """What is to be done: by the request, else by its context; empty: nobody says."""
    action: Any = request.action or (request.context is not None and context_of(request).resource.get("action"))
    return action if isinstance(action, str) else ""


def role_of(view: CustomerView, request: Request) -> str | None:
    """The role of the subject in the customer; None: it has none, or the view does not tell."""
    subject: Any = request.subject_id
    return view.members.get(subject) if isinstance(subject, str) else None


def _timestamp(facts: Facts) -> Any:
    sent = facts.context.timestamp
    return rfc3339(facts.now_s) if sent is None else plain(sent)


def _of_entry(name: str) -> Reader:
    def read(facts: Facts) -> Any:
        return getattr(facts.entry, name, None)

    return read


def _of_subscription(name: str) -> Reader:
    def read(facts: Facts) -> Any:
        subscription = facts.view.subscription
        return None if subscription is None else subscription.get(name)

    return read


def _tier(facts: Facts) -> Any:
    """The set that is subscribed to, by whichever name the view tells it."""
    subscription = facts.view.subscription or {}
    tier = subscription.get("tier")
    return subscription.get("set_id") if tier is None else tier


def _of_client(name: str) -> Reader:
    return lambda facts: facts.context.client.get(name)


def _of_resource(name: str) -> Reader:
    return lambda facts: facts.context.resource.get(name)


class Items(list[Any]):
    """A list that a caller sends. What is in it is found by its hash, once somebody asks."""

    __slots__ = ("_by_kind",)
    _by_kind: dict[str, set[Any]]

    def holds(self, value: Any, kind: str) -> bool:
        """Whether a value of a kind (operators.kind_of) is in it."""
        try:
            by_kind = self._by_kind
        except AttributeError:
            by_kind = self._by_kind = {}
            for item in self:
                kind_of_it = kind_of(item)
                if kind_of_it is not None:
                    by_kind.setdefault(kind_of_it, set()).add(item)
        return value in by_kind.get(kind, ())


_SUBSCRIPTION: Final = (
    "pool_id", "set_version", "ladder", "rung", "status", "source", "source_id", "provision_id", "quantity", "starts_at", "ends_at",
)  # fmt: skip
_ENTRY: Final = (
    "resource_key", "entitlement_type", "allowed", "reason_code", "pool_id", "limit", "soft_limit", "hard_limit", "consumed",
    "owed", "reserved", "remaining", "period", "period_start", "resets_at",
)  # fmt: skip
#: Every field by its path, apart from those of customer and metadata, where callers choose the names.
READERS: Final[dict[str, Reader]] = {
    "customer.id": lambda facts: facts.request.customer_id,
    "request.id": lambda facts: facts.context.request_id,
    "request.timestamp": _timestamp,
    "request.quantity": lambda facts: facts.request.quantity,
    "resource.action": lambda facts: action_of(facts.request) or None,
    "subject.id": lambda facts: facts.request.subject_id or None,
    "subject.role": lambda facts: role_of(facts.view, facts.request) or None,
    "subscription.tier": _tier,
    "subscription.set_id": _tier,
    **{f"subscription.{name}": _of_subscription(name) for name in _SUBSCRIPTION},
    **{f"entitlement.{name}": _of_entry(name) for name in _ENTRY},
    **{f"client.{name}": _of_client(name) for name in ("ip_address", "user_agent", "location")},
    **{f"resource.{name}": _of_resource(name) for name in ("type", "id")},
}


def reader_of(field: Any, path: str) -> Reader:
    """How to read a field. Raises PolicyIsInvalid for one that cannot be."""
    field = require_text(field, path, PATH_CHARACTERS_MAX)
    if field in READERS:
        return READERS[field]
    root, *names = field.split(".")
    if root not in {"customer", "metadata"}:
        same = sorted(name for name in READERS if name.startswith(root + "."))
        known = (
            ", ".join(same) if same else "customer.*, subscription.*, entitlement.*, client.*, resource.*, subject.*, "
        )
        raise PolicyIsInvalid(
            "unknown_field",
            path,
            f"unknown field {shown(field)}; use {known if same else known + 'request.* and metadata.*'}",
        )
    if not names or len(names) >= PATH_NAMES_MAX or not all(names):
        raise PolicyIsInvalid(
            "unknown_field",
            path,
            f"unknown field {shown(field)}; use a path under {root}.*, at most {PATH_NAMES_MAX} levels deep",
        )
    return _nested(root, names) if names[1:] else _flat(root, names[0])


def _flat(root: str, name: str) -> Reader:
    if root == "customer":
        return lambda facts: _sent(facts.context.customer.get(name))
    return lambda facts: _sent(facts.context.metadata.get(name))


def _sent(found: Any) -> Any:
    """What a caller sends, as JSON has it."""
    kind = type(found)
    if kind is str or kind is int or kind is bool or found is None:
        return found
    return Items(map(plain, found)) if isinstance(found, list | tuple) else plain(found)


def _nested(root: str, names: list[str]) -> Reader:
    def read(facts: Facts) -> Any:
        found: Any = facts.context.customer if root == "customer" else facts.context.metadata
        for name in names:
            if not isinstance(found, dict):
                return None
            found = found.get(name)
        return _sent(found)

    return read


class FieldTable:
    """The fields of many policies, each read once for a decision: conditions know them by their place in the table."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._names: list[str] = []
        self.readers: list[Reader] = []

    def place(self, field: Any, path: str) -> int:
        """The place of a field. Raises PolicyIsInvalid for one that cannot be."""
        known = self._places.get(field) if isinstance(field, str) else None
        if known is not None:
            return known
        self.readers.append(reader_of(field, path))
        self._names.append(field)
        self._places[field] = len(self.readers) - 1
        return len(self.readers) - 1

    def field(self, place: int) -> str:
        """The field at a place."""
        return self._names[place]

    @staticmethod
    def values(reads: Iterable[tuple[int, Reader]], facts: Facts) -> Values:
        """The values of some fields by their places; None: missing."""
        return {place: read(facts) for place, read in reads}
