"""Decisions as plain records of AccessDecided: those of the service, and those that clients report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from entitlements.domain.aggregate import to_ms
from entitlements.domain.ids import DERIVED, derived_id, is_derived
from entitlements.domain.values import is_id
from entitlements.errors import InvalidRequest
from entitlements.intake.instants import NotAnInstant, read_instant
from entitlements.settings import QUANTITY_MAX

ACCESS_DECIDED: Final = "entitlements.access.AccessDecided"
#: Characters kept of what callers send beside ids; the rest is cut off.
TEXT_CHARACTERS_MAX: Final = 128
USER_AGENT_CHARACTERS_MAX: Final = 512
#: A report is taken as long as it is not from the future, by so many milliseconds of somebody's wrong clock.
AHEAD_MS_MAX: Final = 300_000
DAY_MS: Final = 86_400_000
#: Decisions that one reported decision may stand for.
COUNT_MAX: Final = 1_000_000
SOURCES: Final = frozenset({"LOCAL", "CACHED", "STALE", "LEASE", "FALLBACK"})

Entry = dict[str, Any]


class Asker(Protocol):
    """Who asks: entitlements.api.identity.Identity."""

    @property
    def key_id(self) -> str: ...
    @property
    def organization_id(self) -> str: ...
    @property
    def key_organization_id(self) -> str: ...


class Asked(Protocol):
    """What was asked: entitlements_client.deciding.Request."""

    @property
    def subject_id(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def context(self) -> Any: ...


class Decided(Protocol):
    """What was answered: entitlements_client.deciding.Decision. Read later than it was made, and in another thread."""

    @property
    def decision_id(self) -> str: ...
    @property
    def allowed(self) -> bool: ...
    @property
    def reason_code(self) -> str: ...
    @property
    def customer_id(self) -> str: ...
    @property
    def resource_key(self) -> str: ...
    @property
    def quantity(self) -> int | None: ...
    @property
    def entitlement_type(self) -> str | None: ...
    @property
    def policy_version(self) -> int: ...
    @property
    def decided_at(self) -> datetime: ...
    @property
    def as_of(self) -> Any: ...
    @property
    def source(self) -> str: ...


def of_decision(asker: Asker, asked: Asked, decided: Decided, count: int) -> Entry:
    """The record of a decision of the service."""
    as_of = decided.as_of
    return {
        "decision_id": decided.decision_id,
        "occurred_at": to_ms(decided.decided_at),
        "organization_id": asker.organization_id,
        "customer_id": decided.customer_id,
        "resource_key": decided.resource_key,
        "entitlement_type": decided.entitlement_type or "",
        "quantity": _quantity(decided.quantity),
        "subject_id": _text(asked.subject_id),
        "result": "allowed" if decided.allowed else "denied",
        "reason": decided.reason_code,
        "policy_version": decided.policy_version,
        "as_of": as_of.position,
        "lag_ms": as_of.lag_ms,
        "source": decided.source,
        "count": count,
        "asked_by": asker.key_id,
        "asked_by_organization": asker.key_organization_id,
        **_circumstances(asked.action, asked.context),
    }


def of_report(asker: Asker, told: Any, now_ms: int, keep_for_days: int) -> Entry:
    """The record of a decision that a client made and reports: a decision's document, with action, subject_id and context.

    A repeated report has the same id: the client's, else one that follows from all it says. Raises InvalidRequest.
    """
    if not isinstance(told, dict):
        raise InvalidRequest("A decision must be an object.")
    occurred_at = _instant(told.get("decided_at"))
    if occurred_at > now_ms + AHEAD_MS_MAX:
        raise InvalidRequest("decided_at is in the future.")
    if occurred_at < now_ms - keep_for_days * DAY_MS:
        raise InvalidRequest(f"decided_at is more than {keep_for_days} days ago, the retention of this key.")
    allowed, count, source = told.get("allowed"), told.get("count", 1), told.get("source")
    if not isinstance(allowed, bool):
        raise InvalidRequest("allowed must be true or false.")
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= COUNT_MAX:
        raise InvalidRequest(f"count must be 1 to {COUNT_MAX}.")
    if not isinstance(source, str) or source not in SOURCES:
        raise InvalidRequest(f"source must be one of {', '.join(sorted(SOURCES))}.")
    as_of = told.get("as_of")
    as_of = as_of if isinstance(as_of, Mapping) else {}
    return {
        "decision_id": _chosen(told) if told.get("decision_id") else _id_of(told),
        "occurred_at": occurred_at,
        "organization_id": asker.organization_id,
        "customer_id": _id(told, "customer_id"),
        "resource_key": _id(told, "resource_key"),
        "entitlement_type": _text(told.get("entitlement_type")),
        "quantity": _quantity(told.get("quantity")),
        "subject_id": _text(told.get("subject_id")),
        "result": "allowed" if allowed else "denied",
        "reason": _id(told, "reason_code"),
        "policy_version": _whole(told.get("policy_version")) or 0,
        "as_of": _text(as_of.get("position"), 1_024),
        "lag_ms": _whole(as_of.get("lag_ms")),
        "source": source,
        "count": count,
        "asked_by": asker.key_id,
        "asked_by_organization": asker.key_organization_id,
        **_circumstances(told.get("action"), told.get("context")),
    }


def _circumstances(action: Any, context: Any) -> Entry:
    """What a caller says of its request, whatever that is."""
    told = context if isinstance(context, Mapping) else None
    request_id = told.get("request_id") if told is not None else getattr(context, "request_id", None)
    client = _part(told.get("client") if told is not None else getattr(context, "client", None))
    resource = _part(told.get("resource") if told is not None else getattr(context, "resource", None))
    return {
        "action": _text(action) or _text(resource.get("action")),
        "request_id": _text(request_id),
        "ip_address": _text(client.get("ip_address")),
        "user_agent": _text(client.get("user_agent"), USER_AGENT_CHARACTERS_MAX),
        "resource_type": _text(resource.get("type")),
        "resource_id": _text(resource.get("id")),
    }


def _part(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, Mapping) else {}


def _text(told: Any, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """A text that Avro and Postgres can keep; anything else is said to be nothing."""
    if not isinstance(told, str):
        return ""
    cut = told[:characters_max]
    if cut.isascii() and "\0" not in cut:
        return cut
    return cut.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _whole(told: Any) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) and 0 <= told < 2**63 else None


def _quantity(told: Any) -> int | None:
    """Whatever was asked for; what is no quantity was refused, and the reason says so."""
    whole = _whole(told)
    return whole if whole is not None and whole <= QUANTITY_MAX else None


def _id(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not is_id(value) or _text(value) != value:
        raise InvalidRequest(f"{name} must be a string of 1 to 128 characters.")
    return value


def _instant(told: Any) -> int:
    try:
        return to_ms(read_instant(told))
    except (TypeError, NotAnInstant):
        pass
    raise InvalidRequest("decided_at must be an RFC 3339 time, such as 2026-01-31T12:00:00Z.")


def _chosen(told: Mapping[str, Any]) -> str:
    decision_id = _id(told, "decision_id")
    if is_derived(decision_id):
        raise InvalidRequest(f"decision_id must not start with {DERIVED}, which is reserved.")
    return decision_id


def _id_of(told: Mapping[str, Any]) -> str:
    said = json.dumps(told, sort_keys=True, default=str)
    return derived_id("decision", said)
