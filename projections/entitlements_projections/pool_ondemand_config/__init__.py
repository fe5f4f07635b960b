"""On-demand configuration: one row for each pool and key."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _configured(event: Event, row: Row | None) -> Row:
    fields = ("enabled", "payer", "currency", "unit_price", "price_per", "spending_cap", "alert_at", "actor")
    told = (
        {"alerted": 0, "alerted_at": None} if row is None else {name: row[name] for name in ("alerted", "alerted_at")}
    )
    return {field: event[field] for field in fields} | told | {"configured_at": event["timestamp"]}


def _alerted(event: Event, row: Row | None) -> Row:
    assert row is not None, "an alert of what was never configured"
    return row | {"alerted": event["percent"], "alerted_at": event["timestamp"]}


class PoolOndemandConfig(FoldedByEvent):
    """On-demand configuration: one row for each pool and key."""

    folder = "pool_ondemand_config"
    staged = ("pool_ondemand_config",)
    key = ("pool_id", "resource_key")
    parts = ("resource_key",)
    columns = (
        "pool_id", "resource_key", "enabled", "payer", "currency", "unit_price", "price_per", "spending_cap", "alert_at", "alerted", "alerted_at", "configured_at", "actor", "version",
    )  # fmt: skip
    folds: ClassVar = {"OnDemandConfigured": _configured, "SpendingAlerted": _alerted}
    events = frozenset(folds)
