"""Provisions of pools: scheduled, active, suspended, ended."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _scheduled(event: Event, _: Row | None) -> Row:
    fields = (
        "source", "source_id", "billing_account_id", "set_id", "set_version", "quantity", "starts_at", "ends_at",
        "priority", "follows", "billing_period",
    )  # fmt: skip
    return {field: event[field] for field in fields} | {
        "planned_ends_at": event["ends_at"],
        "resource_keys": _keys(event),
        "lowering_keys": _lowering_keys(event),
        "status": "scheduled",
        "scheduled_at": event["timestamp"],
        "started_at": None,
        "ended_at": None,
        "end_reason": None,
        "status_reason": "",
        "actor": event["actor"],
    }


def _keys(event: Event) -> list[str]:
    """The keys that the rules of an event confer."""
    return [rule["resource_key"] for rule in event["rules"] if not rule["denied"]]


def _lowering_keys(event: Event) -> list[str]:
    """The keys of which there may be less once the rules of an event hold."""
    return [
        rule["resource_key"] for rule in event["rules"] if rule["denied"] or rule["stacking"] in {"min", "override"}
    ]


def _known(row: Row | None) -> Row:
    assert row is not None, "an event of a provision that was never scheduled"
    return row


def _started(event: Event, row: Row | None) -> Row:
    return _known(row) | {"status": "active", "started_at": event["timestamp"]}


def _suspended(event: Event, row: Row | None) -> Row:
    return _known(row) | {"status": "suspended", "status_reason": event["reason"], "actor": event["actor"]}


def _resumed(event: Event, row: Row | None) -> Row:
    return _known(row) | {"status": "active", "status_reason": event["reason"], "actor": event["actor"]}


def _end_scheduled(event: Event, row: Row | None) -> Row:
    return _end_withdrawn(event, row) | {"planned_ends_at": event["planned_ends_at"]}


def _end_withdrawn(event: Event, row: Row | None) -> Row:
    return _known(row) | {"ends_at": event["ends_at"], "status_reason": event["reason"], "actor": event["actor"]}


def _ended(event: Event, row: Row | None) -> Row:
    """A cancellation keeps its reason; what was said before of something else is not why it ended."""
    known = _known(row)
    was_cancelled = known["ends_at"] != known["planned_ends_at"]
    return known | {
        "status_reason": event["note"] or (known["status_reason"] if was_cancelled else ""),
        "status": "ended",
        "ended_at": event["timestamp"],
        "end_reason": event["reason"],
        "actor": event["actor"],
    }


def _revised(event: Event, row: Row | None) -> Row:
    return _known(row) | {
        "set_version": event["set_version"],
        "resource_keys": _keys(event),
        "lowering_keys": _lowering_keys(event),
        "status_reason": event["reason"],
        "actor": event["actor"],
    }


def _quantity_changed(event: Event, row: Row | None) -> Row:
    return _known(row) | {"quantity": event["quantity"], "status_reason": event["reason"], "actor": event["actor"]}


class PoolProvisions(FoldedByEvent):
    """One row for each provision of each pool."""

    folder = "pool_provisions"
    staged = ("pool_provisions",)
    key = ("pool_id", "provision_id")
    parts = ("provision_id",)
    columns = (
        "pool_id", "provision_id", "source", "source_id", "billing_account_id", "set_id", "set_version", "quantity",
        "status", "starts_at", "ends_at", "planned_ends_at", "resource_keys", "lowering_keys", "priority", "follows", "billing_period", "scheduled_at", "started_at", "ended_at", "end_reason", "status_reason",
        "actor", "version",
    )  # fmt: skip
    folds: ClassVar = {
        "ProvisionScheduled": _scheduled,
        "ProvisionStarted": _started,
        "ProvisionSuspended": _suspended,
        "ProvisionResumed": _resumed,
        "ProvisionEndScheduled": _end_scheduled,
        "ProvisionEndWithdrawn": _end_withdrawn,
        "ProvisionEnded": _ended,
        "ProvisionRevised": _revised,
        "ProvisionQuantityChanged": _quantity_changed,
    }
    events = frozenset(folds)
