"""Limits and quotas of pools, as stacking left them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedRows, Key

_NOTHING: Final = {"held": False, "effective_limit": None, "soft_limit": None, "hard_limit": None}


def _changed(event: Event, change: Event, row: Row | None) -> Row | None:
    kind, after = change["entitlement_type"], change["after"]
    if kind == "boolean":
        return _became_a_feature(event, after, row)
    return {
        "entitlement_type": kind,
        "stacking": change["stacking"],
        "changed_at": event["timestamp"],
        **(_NOTHING if after is None else _value(after)),
        **_counting(event, after, row),
    }


def _became_a_feature(event: Event, after: Event | None, row: Row | None) -> Row | None:
    """As a number the key is gone. A feature has no period, so a quota that comes back counts anew."""
    if row is None:
        return None
    changed_at = event["timestamp"] if row["held"] else row["changed_at"]
    return row | _NOTHING | {"changed_at": changed_at, "period": row["period"] if after is None else None}


def _value(after: Event) -> Row:
    return {
        "held": True,
        "effective_limit": after["limit"],
        "soft_limit": after["soft_limit"],
        "hard_limit": after["hard_limit"],
    }


def _counting(event: Event, after: Event | None, row: Row | None) -> Row:
    """Another period starts counting anew; one that is lost and regained goes on (domain/entitlement.py)."""
    if row is not None and (after is None or after["period"] == row["period"]):
        return {"period": row["period"], "counts_from": row["counts_from"]}
    return {"period": after and after["period"], "counts_from": event["originator_version"]}


class NumericEntitlements(FoldedRows):
    """One row for each limit or quota a pool has or had."""

    folder = "numeric_entitlements"
    staged = ("numeric_entitlements",)
    key = ("pool_id", "resource_key")
    columns = (
        "pool_id", "resource_key", "entitlement_type", "held", "effective_limit", "soft_limit", "hard_limit", "period",
        "stacking", "changed_at", "counts_from", "version",
    )  # fmt: skip
    events = frozenset({"EntitlementsChanged"})

    def facts(self, name: str, event: Event) -> Iterator[tuple[Key, Callable[[Row | None], Row | None]]]:  # noqa: ARG002 - one event.
        """A row for each key that changed."""
        for change in event["changes"]:
            yield (event["originator_id"], change["resource_key"]), partial(_changed, event, change)
