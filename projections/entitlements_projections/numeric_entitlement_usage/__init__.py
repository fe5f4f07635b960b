"""What each pool consumed of each quota in each period, and what it holds of each limit.

Events carry absolute totals, so the newest of a batch is all that is written: a thousand lines of one pool are one row.
"""

from __future__ import annotations

from typing import Any

from entitlements_projections.database import Cursor
from entitlements_projections.read_model import Event, ReadModel, Stage
from entitlements_projections.statements import statement


class NumericEntitlementUsage(ReadModel):
    """One row for each pool, key and period in which something was counted."""

    folder = "numeric_entitlement_usage"
    plain = True
    staged = ("numeric_entitlement_usage",)
    events = frozenset({"UsageRecorded", "UsageReleased", "QuotaWarned", "QuotaExceeded"})

    def __init__(self) -> None:
        # Values: consumed, warned_at, exceeded_at, counted_at, version.
        self._totals: dict[tuple[str, str, Any, Any], list[Any]] = {}

    def take(self, name: str, event: Event) -> None:
        """Collect one event."""
        if name == "UsageRecorded":
            for total in event["totals"]:
                self._count(event, total)
        elif name == "UsageReleased":
            self._count(event, event["total"])
        else:
            # The consumption these carry is the one at their moment; the totals of a later event replace it.
            self._count(event, event)[1 if name == "QuotaWarned" else 2] = event["timestamp"]

    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Write the newest total of every row that moved."""
        if self._totals:
            stage.fill(cursor, "numeric_entitlement_usage", ((*key, *row) for key, row in self._totals.items()))
            cursor.execute(statement(self.folder, "upsert"))

    def clear(self) -> None:
        """Forget the collected events."""
        self._totals.clear()

    def _count(self, event: Event, total: Event) -> list[Any]:
        key = (event["originator_id"], total["resource_key"], total["period_start"], total["period_end"])
        row = self._totals.get(key)
        if row is None:
            row = self._totals[key] = [total["consumed"], None, None, event["timestamp"], event["originator_version"]]
        else:
            row[0], row[3], row[4] = total["consumed"], event["timestamp"], event["originator_version"]
        return row
