"""Units of organizations: one row for each."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _defined(event: Event, _: Row | None) -> Row:
    fields = {field: event[field] for field in ("parent_unit_id", "name", "actor")}
    return fields | {"defined_at": event["timestamp"], "removed_at": None}


def _removed(event: Event, row: Row | None) -> Row:
    assert row is not None, "a unit is removed that was never defined"
    return row | {"removed_at": event["timestamp"], "actor": event["actor"]}


class OrganizationUnits(FoldedByEvent):
    """Units of organizations: one row for each."""

    folder = "organization_units"
    staged = ("organization_units",)
    key = ("organization_id", "unit_id")
    parts = ("unit_id",)
    columns = (
        "organization_id", "unit_id", "parent_unit_id", "name", "defined_at", "removed_at", "actor", "version",
    )  # fmt: skip
    folds: ClassVar = {"UnitDefined": _defined, "UnitRemoved": _removed}
    events = frozenset(folds)
