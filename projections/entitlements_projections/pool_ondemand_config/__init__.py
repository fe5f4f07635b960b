"""On-demand configuration: one row for each pool and key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar

from entitlements_projections.bearing import at_this_rate, borne_by
from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent, Key


def _configured(event: Event, row: Row | None) -> Row:
    fields = ("enabled", "payer", "currency", "unit_price", "price_per", "spending_cap", "alert_at", "actor")
    spent = {"alerted": 0, "alerted_at": None, "spent": 0}
    # What was spent stays spent; rounding begins anew at the new price.
    goes_on = spent if row is None else {name: row[name] for name in spent}
    is_same_price = row is not None and all(row[name] == event[name] for name in ("unit_price", "price_per"))
    rounded = {name: row[name] if row is not None and is_same_price else 0 for name in ("bought", "charged")}
    return {field: event[field] for field in fields} | goes_on | rounded | {"configured_at": event["timestamp"]}


def _reset(event: Event, row: Row | None) -> Row | None:  # noqa: ARG001 - that it happened is all.
    return None if row is None else row | {"spent": 0, "bought": 0, "charged": 0}


def _paid(parts: list[Event], event: Event, row: Row | None) -> Row:  # noqa: ARG001 - as every step.
    assert row is not None, "spending that was never configured"
    bought, charged = at_this_rate(parts)
    return row | {
        "spent": row["spent"] + sum(part["charge"] for part in parts),
        "bought": row["bought"] + bought,
        "charged": row["charged"] + charged,
    }


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
        "pool_id", "resource_key", "enabled", "payer", "currency", "unit_price", "price_per", "spending_cap", "alert_at", "alerted", "alerted_at", "spent", "bought", "charged", "configured_at", "actor", "version",
    )  # fmt: skip
    folds: ClassVar = {"OnDemandConfigured": _configured, "SpendingAlerted": _alerted, "QuotaReset": _reset}
    events = frozenset({*folds, "UsageRecorded", "UsageCorrected"})

    def facts(self, name: str, event: Event) -> Iterator[tuple[Key, Callable[[Row | None], Row | None]]]:
        """The row an event is about, or one for each key of which a payer bears more or less."""
        if name in self.folds:
            yield from super().facts(name, event)
            return
        for key, parts in borne_by("on_demand", event).items():
            yield (event["originator_id"], key), partial(_paid, parts, event)
