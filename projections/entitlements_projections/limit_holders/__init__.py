"""Named holders of limits: one row for each."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _changed(event: Event, row: Row | None) -> Row | None:
    if not event["holder_id"]:
        return None  # Nobody in particular.
    del row
    return {field: event[field] for field in ("held", "workspace_id", "actor")} | {"changed_at": event["timestamp"]}


class LimitHolders(FoldedByEvent):
    """Named holders of limits: one row for each."""

    folder = "limit_holders"
    staged = ("limit_holders",)
    key = ("pool_id", "resource_key", "holder_id")
    parts = ("resource_key", "holder_id")
    columns = (
        "pool_id", "resource_key", "holder_id", "held", "workspace_id", "changed_at", "actor", "version",
    )  # fmt: skip
    folds: ClassVar = {"HoldingChanged": _changed}
    events = frozenset(folds)
