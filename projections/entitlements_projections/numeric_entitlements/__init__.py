"""Limits and quotas of pools, as stacking left them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedRows, Key

_NOTHING: Final = {
    "held": False, "effective_limit": None, "soft_limit": None, "hard_limit": None, "grace_for": 0, "credit_key": None,
    "override_id": "",
}  # fmt: skip


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
        "anchor_at": None if row is None else row["anchor_at"],
        "over_allocated": row is not None and row["over_allocated"],
    }


def _reset(event: Event, row: Row | None) -> Row | None:
    """Only by hand: what ends by the calendar is for the reader to see."""
    if row is None or not event["manual"]:
        return None
    return row | {"anchor_at": event["anchor_at"] or row["anchor_at"], "counts_from": event["originator_version"]}


def _over_allocated(event: Event, row: Row | None) -> Row | None:  # noqa: ARG001 - that it happened is all.
    return None if row is None else row | {"over_allocated": True}


def _over_allocation_ended(event: Event, row: Row | None) -> Row | None:  # noqa: ARG001 - that it happened is all.
    return None if row is None else row | {"over_allocated": False}


_OF_ONE_KEY: Final = {
    "QuotaReset": _reset,
    "LimitOverAllocated": _over_allocated,
    "OverAllocationEnded": _over_allocation_ended,
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
        "grace_for": after["grace_for"],
        "credit_key": after["credit_key"],
        "override_id": after["override_id"],
    }


def _counting(event: Event, after: Event | None, row: Row | None) -> Row:
    """Another period starts counting anew; one that is lost and regained goes on (domain/entitlement.py)."""
    if row is not None and (after is None or after["period"] == row["period"]):
        kept = ("period", "counts_from", "anchored") if after is None else ("period", "counts_from")
        counting = {name: row[name] for name in kept}
    else:
        counting = {"period": after and after["period"], "counts_from": event["originator_version"], "anchored": False}
    return counting | ({} if after is None else {"anchored": after["anchored"]})


class NumericEntitlements(FoldedRows):
    """One row for each limit or quota a pool has or had."""

    folder = "numeric_entitlements"
    staged = ("numeric_entitlements",)
    key = ("pool_id", "resource_key")
    columns = (
        "pool_id", "resource_key", "entitlement_type", "held", "effective_limit", "soft_limit", "hard_limit", "period",
        "stacking", "anchored", "anchor_at", "grace_for", "credit_key", "override_id", "over_allocated", "changed_at",
        "counts_from", "version",
    )  # fmt: skip
    events = frozenset({"EntitlementsChanged", *_OF_ONE_KEY})

    def facts(self, name: str, event: Event) -> Iterator[tuple[Key, Callable[[Row | None], Row | None]]]:
        """A row for each key that changed."""
        if name in _OF_ONE_KEY:
            yield (event["originator_id"], event["resource_key"]), partial(_OF_ONE_KEY[name], event)
            return
        for change in event["changes"]:
            yield (event["originator_id"], change["resource_key"]), partial(_changed, event, change)
