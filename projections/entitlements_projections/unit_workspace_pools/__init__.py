"""What follows from units for workspaces: one row for each workspace and pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedRows, Key


class UnitWorkspacePools(FoldedRows):
    """What follows from units for workspaces: one row for each workspace and pool."""

    folder = "unit_workspace_pools"
    staged = ("unit_workspace_pools",)
    key = ("organization_id", "workspace_id", "pool_id")
    columns = (
        "organization_id", "workspace_id", "pool_id", "role", "may_overflow", "changed_at", "version",
    )  # fmt: skip
    events = frozenset({"UnitDefined", "WorkspacePlaced", "UnitAssigned", "UnitUnassigned"})

    def facts(self, name: str, event: Event) -> Iterator[tuple[Key, Callable[[Row | None], Row | None]]]:  # noqa: ARG002
        """One row for each workspace and pool that the event concerns."""
        for change in event["assignments"]:
            row = {field: change[field] for field in ("role", "may_overflow")} | {"changed_at": event["timestamp"]}
            key = (event["originator_id"], change["workspace_id"], change["pool_id"])
            yield key, lambda _, row=row: dict(row)  # type: ignore[misc]
