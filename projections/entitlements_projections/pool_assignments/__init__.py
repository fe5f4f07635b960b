"""Assignments: which workspaces use which pools."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _assigned(event: Event, _: Row | None) -> Row:
    return {
        "role": event["role"],
        "may_overflow": event["may_overflow"],
        "assigned_at": event["timestamp"],
        "unassigned_at": None,
        "reason": "",
        "actor": event["actor"],
    }


def _unassigned(event: Event, row: Row | None) -> Row:
    assert row is not None, "a workspace leaves a pool it never had"
    return row | {"unassigned_at": event["timestamp"], "reason": event["reason"], "actor": event["actor"]}


class PoolAssignments(FoldedByEvent):
    """One row for each workspace that has or had a pool. The upsert adds the organization, which is the pool's."""

    folder = "pool_assignments"
    staged = ("pool_assignments",)
    key = ("pool_id", "workspace_id")
    parts = ("workspace_id",)
    columns = (
        "pool_id",
        "workspace_id",
        "role",
        "may_overflow",
        "assigned_at",
        "unassigned_at",
        "reason",
        "actor",
        "version",
    )
    folds: ClassVar = {"WorkspaceAssigned": _assigned, "WorkspaceUnassigned": _unassigned}
    events = frozenset(folds)
