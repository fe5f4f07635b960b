"""Limits and quotas of pools, as stacking left them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from entitlements.domain.aggregate import from_ms
from entitlements_projections.bearing import at_this_rate, borne_by, owed_since
from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedRows, Key

_NOTHING: Final = {
    "held": False, "effective_limit": None, "soft_limit": None, "hard_limit": None, "grace_for": 0, "credit_key": None,
    "credit_rate": 0, "credit_per": 1, "override_id": "",
}  # fmt: skip


#: What a period begins with, if nothing else is said.
_ANEW: Final = {
    "begins_with": 0,
    "uncounted": 0,
    "credit_quantity": 0,
    "credit_units": 0,
    "moved_start": None,
    "moved_end": None,
}


def _changed(event: Event, change: Event, row: Row | None) -> Row | None:
    kind, after = change["entitlement_type"], change["after"]
    if kind == "boolean":
        return _became_a_feature(event, after, row)
    return {
        "entitlement_type": kind,
        "stacking": change["stacking"],
        "changed_at": event["timestamp"],
        **(_NOTHING if after is None else _value(after)),
        **_counting(event, change, row),
        "uncounted": change["uncounted"],
        **_drawn_on_credits(change, row),
        "anchor_at": None if row is None else row["anchor_at"],
        "over_allocated": row is not None and row["over_allocated"],
    }


def _reset(event: Event, row: Row | None) -> Row | None:
    """That a period ends by the calendar is for the reader to see; what the next one begins with is said here."""
    if row is None:
        return None
    begins_with = sum(owed["quantity"] for owed in event["owed"])
    anchor_at = event["anchor_at"] or row["anchor_at"]
    return (
        row | _ANEW | {"counts_from": event["originator_version"], "begins_with": begins_with, "anchor_at": anchor_at}
    )


def _paid(parts: list[Event], event: Event, row: Row | None) -> Row | None:  # noqa: ARG001 - as every step.
    if row is None:
        return None
    quantity, units = at_this_rate(parts)
    return row | {"credit_quantity": row["credit_quantity"] + quantity, "credit_units": row["credit_units"] + units}


def _owed(event: Event, row: Row | None) -> Row | None:
    """Where nothing is used any more, a period begins with what is owed then."""
    return None if row is None else row | {"begins_with": event["total"]["owed"]}


def _moved(period: Event, event: Event, row: Row | None) -> Row | None:  # noqa: ARG001 - as every step.
    """By another calendar the period under way ends at another instant."""
    start, end = from_ms(period["period_start"]), from_ms(period["period_end"])
    return None if row is None else row | {"moved_start": start, "moved_end": end}


def _over_allocated(event: Event, row: Row | None) -> Row | None:  # noqa: ARG001 - that it happened is all.
    return None if row is None else row | {"over_allocated": True}


def _over_allocation_ended(event: Event, row: Row | None) -> Row | None:  # noqa: ARG001 - that it happened is all.
    return None if row is None else row | {"over_allocated": False}


_OF_ONE_KEY: Final = {
    "QuotaReset": _reset,
    "OveragePaid": _owed,
    "OverageForgiven": _owed,
    "LimitOverAllocated": _over_allocated,
    "OverAllocationEnded": _over_allocation_ended,
}


def _became_a_feature(event: Event, after: Event | None, row: Row | None) -> Row | None:
    """As a number the key is gone. A feature has no period, so a quota that comes back counts anew."""
    if row is None:
        return None
    changed_at = event["timestamp"] if row["held"] else row["changed_at"]
    gone = row | _NOTHING | {"changed_at": changed_at}
    return gone if after is None else gone | {"period": None} | ({} if row["period"] is None else _ANEW)


def _value(after: Event) -> Row:
    return {
        "held": True,
        "effective_limit": after["limit"],
        "soft_limit": after["soft_limit"],
        "hard_limit": after["hard_limit"],
        "grace_for": after["grace_for"],
        "credit_key": after["credit_key"],
        "credit_rate": after["credit_rate"],
        "credit_per": after["credit_per"],
        "override_id": after["override_id"],
    }


def _counting(event: Event, change: Event, row: Row | None) -> Row:
    """Another period starts counting anew; one that is lost and regained goes on (domain/entitlement.py)."""
    after = change["after"]
    if row is not None and change["period"] == row["period"]:
        counting = {name: row[name] for name in ("period", "counts_from", "anchored", *_ANEW)}
    else:
        begins = {"period": change["period"], "counts_from": event["originator_version"], "anchored": False}
        # What was owed was said just before.
        counting = begins | _ANEW | ({} if row is None else {"begins_with": row["begins_with"]})
    return counting | ({} if after is None else {"anchored": after["anchored"]})


def _drawn_on_credits(change: Event, row: Row | None) -> Row:
    """At another credit rate than the last one rounding begins anew (domain/entitlement.py)."""
    after, rate = change["after"], None if row is None else row["rated_at"]
    if after is None or after["credit_key"] is None:
        return {"rated_at": rate}
    new = f"{after['credit_rate']}/{after['credit_per']} {after['credit_key']}"
    return {"rated_at": new} if new == rate else {"rated_at": new, "credit_quantity": 0, "credit_units": 0}


class NumericEntitlements(FoldedRows):
    """One row for each limit or quota a pool has or had."""

    folder = "numeric_entitlements"
    staged = ("numeric_entitlements",)
    key = ("pool_id", "resource_key")
    columns = (
        "pool_id", "resource_key", "entitlement_type", "held", "effective_limit", "soft_limit", "hard_limit", "period",
        "stacking", "anchored", "anchor_at", "grace_for", "credit_key", "override_id", "over_allocated", "changed_at",
        "counts_from", "credit_rate", "credit_per", "credit_quantity", "credit_units", "rated_at", "begins_with", "uncounted",
        "moved_start", "moved_end", "version",
    )  # fmt: skip
    events = frozenset({"EntitlementsChanged", "CalendarChanged", "UsageRecorded", "UsageCorrected", *_OF_ONE_KEY})

    def facts(self, name: str, event: Event) -> Iterator[tuple[Key, Callable[[Row | None], Row | None]]]:
        """A row for each key that changed, or of which credits bear more or less."""
        pool_id = event["originator_id"]
        if name in _OF_ONE_KEY:
            yield (pool_id, event["resource_key"]), partial(_OF_ONE_KEY[name], event)
        elif name == "EntitlementsChanged":
            for change in event["changes"]:
                yield (pool_id, change["resource_key"]), partial(_changed, event, change)
        elif name == "CalendarChanged":
            for period in event["periods"]:
                yield (pool_id, period["resource_key"]), partial(_moved, period, event)
        else:
            for key, parts in borne_by("credit", event).items():
                yield (pool_id, key), partial(_paid, parts, event)
            for total in owed_since(event):
                yield (pool_id, total["resource_key"]), partial(_owed, {"total": total})
