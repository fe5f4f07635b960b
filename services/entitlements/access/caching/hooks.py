"""What other code of a process may hear of: typed facts, told in the order of the log.

    hooks = Hooks()
    hooks.on_entitlement_grant(lambda grant: welcome(grant.organization_id, grant.customer_id, grant.resource_key))

on_entitlement_grant      a customer has a key that it had from no pool before
on_subscription_change    what a customer has of a key is another than before, by whatever started, ended, was changed or withdrawn
on_usage_reset            a quota of a customer begins anew
on_bundle_update          an entitlement set has a new version; what it means for customers comes as subscription changes

The first three are fed by `entitlements.changes`, the last one, which is about no customer, by `entitlements.events`. By the time a
hook is called every cache of this process refuses what is older. Hooks are called in the follower's thread, at least once each
(`change_id` is the same for every repeat): whatever takes longer belongs into a queue, because news wait for it. A hook that
raises is logged and counted; neither other hooks nor the follower notice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What a customer has of a number from one pool; None: unlimited, not set, or without a period."""

    limit: int | None
    soft_limit: int | None
    hard_limit: int | None
    period: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What every change says. effective_at is aware UTC; the ledger's place is that of the frame with the cause."""

    change_id: str
    organization_id: str
    customer_id: str
    resource_key: str
    pool_id: str
    effective_at: datetime
    ledger_partition: int
    ledger_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChange(_Told):
    """What a customer has of a key changed: granted, revoked or changed. before, after: from this pool; None: nothing."""

    what: str
    entitlement_type: str
    before: Amount | None
    after: Amount | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementGrant(_Told):
    """A customer has a key now that it had from no pool before."""

    entitlement_type: str
    after: Amount | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReset(_Told):
    """A quota begins anew. consumed: in the period that is over; its bounds are None where it has none."""

    consumed: int
    period_start: datetime | None
    period_end: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleUpdate:
    """An entitlement set (what plans and bundles confer) has a new version."""

    set_id: str
    set_version: int


class Hooks:
    """Who wants to hear of what. Register before the follower starts; each is given the fact alone."""

    def __init__(self) -> None:
        self._registered: dict[type, list[Callable[[Any], None]]] = {}
        #: Calls of hooks that raised.
        self.failures = 0

    def on_subscription_change(self, hook: Callable[[SubscriptionChange], None]) -> None:
        """Call it for every key of every customer of which something else is had than before."""
        self._registered.setdefault(SubscriptionChange, []).append(hook)

    def on_entitlement_grant(self, hook: Callable[[EntitlementGrant], None]) -> None:
        """Call it for every key that a customer has and had not before."""
        self._registered.setdefault(EntitlementGrant, []).append(hook)

    def on_usage_reset(self, hook: Callable[[UsageReset], None]) -> None:
        """Call it for every quota of a customer that begins anew."""
        self._registered.setdefault(UsageReset, []).append(hook)

    def on_bundle_update(self, hook: Callable[[BundleUpdate], None]) -> None:
        """Call it for every new version of an entitlement set."""
        self._registered.setdefault(BundleUpdate, []).append(hook)

    def tell(self, fact: object) -> None:
        """Call whoever registered for this kind of fact. Never raises."""
        for hook in self._registered.get(type(fact), ()):
            call(hook, fact, self._failed)

    def tell_change(self, name: str, record: Mapping[str, Any]) -> None:
        """Tell a change by the short name of its record and the record, with instants as datetimes."""
        for fact in _facts_of_change(name, record):
            self.tell(fact)

    def _failed(self) -> None:
        self.failures += 1


def call(hook: Callable[[T], None], fact: T, failed: Callable[[], None]) -> None:
    """Call somebody else's code; what it raises is logged, and `failed` is called."""
    try:
        hook(fact)
    except Exception:  # noqa: BLE001
        failed()
        _log.exception("Cache hook failed on %s", type(fact).__name__)


def _facts_of_change(name: str, record: Mapping[str, Any]) -> list[object]:
    told = {field: record[field] for field in _Told.__slots__}
    if name == "QuotaReset":
        bounds = {field: record[field] for field in ("consumed", "period_start", "period_end")}
        return [UsageReset(**told, **bounds)]
    if not name.startswith("Entitlement"):
        return []
    kind, after = record["entitlement_type"], _amount(record["after"])
    what = name.removeprefix("Entitlement").lower()
    facts: list[object] = [
        SubscriptionChange(**told, what=what, entitlement_type=kind, before=_amount(record["before"]), after=after)
    ]
    return [*facts, EntitlementGrant(**told, entitlement_type=kind, after=after)] if what == "granted" else facts


def _amount(value: Mapping[str, Any] | None) -> Amount | None:
    return None if value is None else Amount(**{field: value[field] for field in Amount.__slots__})
