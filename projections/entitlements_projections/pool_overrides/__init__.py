"""Overrides of pools and workspaces: one row for each."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _set(event: Event, _: Row | None) -> Row:
    fields = (
        "resource_key", "workspace_id", "allowed", "amount", "soft_limit", "hard_limit", "reason", "actor", "expires_at",
    )  # fmt: skip
    over = {"status": "set", "over_at": None, "over_reason": "", "over_actor": ""}
    return {field: event[field] for field in fields} | over | {"set_at": event["timestamp"]}


def _cleared(event: Event, row: Row | None) -> Row:
    assert row is not None, "an override is cleared that was never set"
    over = {"over_at": event["timestamp"], "over_reason": event["reason"], "over_actor": event["actor"]}
    return row | {"status": "cleared"} | over


def _expired(event: Event, row: Row | None) -> Row:
    assert row is not None, "an override expires that was never set"
    return row | {"status": "expired", "over_at": event["timestamp"]}


class PoolOverrides(FoldedByEvent):
    """Overrides of pools and workspaces: one row for each."""

    folder = "pool_overrides"
    staged = ("pool_overrides",)
    key = ("pool_id", "override_id")
    parts = ("override_id",)
    columns = (
        "pool_id", "override_id", "resource_key", "workspace_id", "status", "allowed", "amount", "soft_limit", "hard_limit", "reason", "actor", "set_at", "expires_at", "over_at", "over_reason", "over_actor", "version",
    )  # fmt: skip
    folds: ClassVar = {"OverrideSet": _set, "OverrideCleared": _cleared, "OverrideExpired": _expired}
    events = frozenset(folds)
