"""Every line of recorded usage, with billing attribution: append-only.

This is the busiest table, so a line is one tuple, one COPY row, one insert. Its key comes from the ledger (pool, version
of the pool, place in the event), so whatever is read twice is there once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from entitlements_projections.database import Connection, Cursor
from entitlements_projections.read_model import Event, ReadModel, Stage
from entitlements_projections.statements import statement

_DAY_SECONDS: Final = 86_400
#: Months outside have one partition before and one after (migration 0009).
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2099


class UsageEvents(ReadModel):
    """One row for each recorded line, and one for each time that something held was given back."""

    folder = "usage_events"
    plain = True
    staged = ("usage_events",)
    events = frozenset({"UsageRecorded", "UsageReleased"})

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        # Days since 1970 whose month has a partition, as far as this connection knows.
        self._days: set[int] = set()

    def take(self, name: str, event: Event) -> None:
        """Collect one event."""
        pool_id, version = event["originator_id"], event["originator_version"]
        if name == "UsageRecorded":
            self._rows.extend(
                (
                    pool_id,
                    version,
                    index,
                    line["occurred_at"],
                    line["recorded_at"],
                    line["resource_key"],
                    line["quantity"],
                    line["overage"],
                    line["mode"],
                    line["late"],
                    line["workspace_id"],
                    line["usage_id"],
                    line["provision_id"],
                )
                for index, line in enumerate(event["lines"])
            )
        else:
            at, key, quantity = event["timestamp"], event["resource_key"], -event["quantity"]
            self._rows.append(
                (pool_id, version, 0, at, at, key, quantity, 0, "release", False, event["workspace_id"], "", "")
            )

    def prepare(self, connection: Connection) -> None:
        """Make the partitions of months that are met for the first time; in a transaction of its own, so that readers wait briefly."""
        met = {row[3] // (_DAY_SECONDS * 1000) for row in self._rows} - self._days
        months = sorted({datetime.fromtimestamp(day * _DAY_SECONDS, UTC).date().replace(day=1) for day in met})
        bounded = [month for month in months if _FIRST_YEAR <= month.year <= _LAST_YEAR]
        if bounded:
            connection.execute(statement(self.folder, "add_months"), (bounded,))
        self._days |= met

    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Append the lines that are not there yet."""
        if self._rows:
            stage.fill(cursor, "usage_events", self._rows)
            cursor.execute(statement(self.folder, "append"))

    def clear(self) -> None:
        """Forget the collected events."""
        self._rows.clear()
