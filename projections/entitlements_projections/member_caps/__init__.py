"""Caps of members: one row for each workspace or subject and key."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _capped(event: Event, _: Row | None) -> Row:
    return {field: event[field] for field in ("amount", "period", "actor")} | {"capped_at": event["timestamp"]}


class MemberCaps(FoldedByEvent):
    """Caps of members: one row for each workspace or subject and key."""

    folder = "member_caps"
    staged = ("member_caps",)
    key = ("pool_id", "workspace_id", "subject_id", "resource_key")
    parts = ("workspace_id", "subject_id", "resource_key")
    columns = (
        "pool_id", "workspace_id", "subject_id", "resource_key", "amount", "period", "capped_at", "actor", "version",
    )  # fmt: skip
    folds: ClassVar = {"MemberCapped": _capped}
    events = frozenset(folds)
