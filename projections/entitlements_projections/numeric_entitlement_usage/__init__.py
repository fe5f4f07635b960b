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
    staged = ("numeric_entitlement_usage", "withdrawn")
    events = frozenset({
        "UsageRecorded", "UsageReleased", "HoldingChanged", "UsageCorrected", "QuotaWarned", "QuotaExceeded",
        "ExceededWithdrawn", "OveragePaid", "OverageForgiven",
    })  # fmt: skip

    def __init__(self) -> None:
        # Values: consumed, elsewhere, owed, warned_at, exceeded_at, counted_at, version.
        self._totals: dict[tuple[str, str, Any, Any], list[Any]] = {}
        # What a correction withdrew: whatever stood before does not hold, and may have been told again since.
        self._withdrawn: set[tuple[str, str, Any, Any]] = set()

    def take(self, name: str, event: Event) -> None:
        """Collect one event."""
        if name == "UsageRecorded":
            for total in event["totals"]:
                self._count(event, total)
        elif name in ("UsageReleased", "HoldingChanged", "UsageCorrected", "OveragePaid", "OverageForgiven"):
            self._count(event, event["total"])
            for total in event.get("others", ()):
                self._count(event, total)
        elif name == "ExceededWithdrawn":
            self._count(event, event)[4] = None
            self._withdrawn.add(
                (event["originator_id"], event["resource_key"], event["period_start"], event["period_end"])
            )
        else:
            # The consumption these carry is the one at their moment; the totals of a later event replace it.
            self._count(event, event)[3 if name == "QuotaWarned" else 4] = event["timestamp"]

    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Write the newest total of every row that moved."""
        if self._totals:
            rows = ((*key, *row) for key, row in self._totals.items())
            stage.write(cursor, statement(self.folder, "upsert"), "numeric_entitlement_usage", rows)
            if self._withdrawn:
                gone = ((*key, self._totals[key][4], self._totals[key][6]) for key in self._withdrawn)
                stage.write(cursor, statement(self.folder, "withdraw"), "withdrawn", gone)

    def clear(self) -> None:
        """Forget the collected events."""
        self._totals.clear()
        self._withdrawn.clear()

    def _count(self, event: Event, total: Event) -> list[Any]:
        key = (event["originator_id"], total["resource_key"], total["period_start"], total["period_end"])
        row = self._totals.get(key)
        if row is None:
            row = self._totals[key] = [total["consumed"], None, None, None, None, 0, 0]
        row[0], row[5], row[6] = total["consumed"], event["timestamp"], event["originator_version"]
        # Thresholds do not say who bears what, nor what is owed: it is as it was.
        row[1], row[2] = total.get("elsewhere", row[1]), total.get("owed", row[2])
        return row
