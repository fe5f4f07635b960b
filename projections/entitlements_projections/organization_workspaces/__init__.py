"""Units of workspaces: one row for each."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _placed(event: Event, _: Row | None) -> Row:
    return {"unit_id": event["unit_id"], "placed_at": event["timestamp"], "actor": event["actor"]}


class OrganizationWorkspaces(FoldedByEvent):
    """Units of workspaces: one row for each."""

    folder = "organization_workspaces"
    staged = ("organization_workspaces",)
    key = ("organization_id", "workspace_id")
    parts = ("workspace_id",)
    columns = (
        "organization_id", "workspace_id", "unit_id", "placed_at", "actor", "version",
    )  # fmt: skip
    folds: ClassVar = {"WorkspacePlaced": _placed}
    events = frozenset(folds)
