"""Features of pools: had or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedRows, Key


def _changed(event: Event, change: Event, row: Row | None) -> Row | None:
    if change["entitlement_type"] != "boolean":
        # The key is a number from now on; as a feature it is gone.
        return _lost(event, row) if row is not None and row["held"] else None
    return {
        "held": change["after"] is not None,
        "stacking": change["stacking"],
        "min_role": change["after"]["min_role"] if change["after"] is not None else "",
        "provision_ids": [contribution["provision_id"] for contribution in change["contributions"]],
        "changed_at": event["timestamp"],
    }


def _lost(event: Event, row: Row) -> Row:
    return row | {"held": False, "provision_ids": [], "changed_at": event["timestamp"]}


class BooleanEntitlements(FoldedRows):
    """One row for each feature a pool has or had."""

    folder = "boolean_entitlements"
    staged = ("boolean_entitlements",)
    key = ("pool_id", "resource_key")
    columns = ("pool_id", "resource_key", "held", "stacking", "min_role", "provision_ids", "changed_at", "version")
    events = frozenset({"EntitlementsChanged"})

    def facts(self, name: str, event: Event) -> Iterator[tuple[Key, Callable[[Row | None], Row | None]]]:  # noqa: ARG002 - one event.
        """A row for each key that changed."""
        for change in event["changes"]:
            yield (event["originator_id"], change["resource_key"]), partial(_changed, event, change)
