"""Roles of members: one row for each subject in a unit or a workspace."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _set(event: Event, _: Row | None) -> Row:
    return {"role": event["role"], "set_at": event["timestamp"], "actor": event["actor"]}


class OrganizationMembers(FoldedByEvent):
    """Roles of members: one row for each subject in a unit or a workspace."""

    folder = "organization_members"
    staged = ("organization_members",)
    key = ("organization_id", "unit_id", "workspace_id", "subject_id")
    parts = ("unit_id", "workspace_id", "subject_id")
    columns = (
        "organization_id", "unit_id", "workspace_id", "subject_id", "role", "set_at", "actor", "version",
    )  # fmt: skip
    folds: ClassVar = {"MemberRoleSet": _set}
    events = frozenset(folds)
