"""What units are assigned: one row for each unit and pool."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _assigned(event: Event, _: Row | None) -> Row:
    fields = {field: event[field] for field in ("role", "may_overflow", "actor")}
    return fields | {"assigned_at": event["timestamp"], "unassigned_at": None}


def _unassigned(event: Event, row: Row | None) -> Row:
    assert row is not None, "a unit loses what it was never assigned"
    return row | {"unassigned_at": event["timestamp"], "actor": event["actor"]}


class UnitAssignments(FoldedByEvent):
    """What units are assigned: one row for each unit and pool."""

    folder = "unit_assignments"
    staged = ("unit_assignments",)
    key = ("organization_id", "unit_id", "pool_id")
    parts = ("unit_id", "pool_id")
    columns = (
        "organization_id", "unit_id", "pool_id", "role", "may_overflow", "assigned_at", "unassigned_at", "actor", "version",
    )  # fmt: skip
    folds: ClassVar = {"UnitAssigned": _assigned, "UnitUnassigned": _unassigned}
    events = frozenset(folds)
