"""Every line of recorded usage, with billing attribution: append-only.

This is the busiest table, so a line is one tuple, one COPY row, one insert. Its key comes from the ledger (pool, version
of the pool, place in the event), so whatever is read twice is there once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, Final

from entitlements_projections.database import Connection, Cursor
from entitlements_projections.read_model import Event, ReadModel, Stage
from entitlements_projections.statements import statement

_DAY_SECONDS: Final = 86_400
#: Months outside have one partition before and one after (migration 0009).
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2099
#: Months after the present one whose partitions are there before their first usage.
_MONTHS_AHEAD: Final = 2


class UsageEvents(ReadModel):
    """One row for each bearer of each recorded line, one for each other change of what is held, and one for each part corrected."""

    folder = "usage_events"
    plain = True
    staged = ("usage_events",)
    events = frozenset({"UsageRecorded", "UsageReleased", "HoldingChanged", "UsageCorrected"})

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        # Days since 1970 whose month has a partition, as far as this connection knows.
        self._days: set[int] = set()

    def take(self, name: str, event: Event) -> None:
        """Collect one event."""
        if name == "UsageRecorded":
            pool_id, version = event["originator_id"], event["originator_version"]
            for index, line in enumerate(event["lines"]):
                details = line["details"]
                if details is None:
                    self._rows.append(_simple(pool_id, version, index, line))
                else:
                    self._rows.extend(_detailed(pool_id, version, index, line, details))
        elif name == "UsageCorrected":
            self._rows.extend(_corrected(event))
        else:
            self._rows.append(_held(event, -event["quantity"] if name == "UsageReleased" else event["change"]))

    def prepare(self, connection: Connection) -> None:
        """Make the partitions of months that are met for the first time, and of the months to come. Nobody waits for it."""
        met = {row[3] // (_DAY_SECONDS * 1000) for row in self._rows} - self._days
        if not met:
            return
        ahead = {_month_of(int(time.time()) // _DAY_SECONDS + 31 * months) for months in range(_MONTHS_AHEAD + 1)}
        months = sorted({_month_of(day) for day in met} | ahead)
        bounded = [month for month in months if _FIRST_YEAR <= month.year <= _LAST_YEAR]
        connection.execute(statement(self.folder, "add_months"), (bounded,))
        self._days |= met

    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Append the lines that are not there yet."""
        if self._rows:
            stage.write(cursor, statement(self.folder, "append"), "usage_events", self._rows)

    def clear(self) -> None:
        """Forget the collected events."""
        self._rows.clear()


def _month_of(day: int) -> date:
    """The first day of the month of a day since 1970."""
    return datetime.fromtimestamp(day * _DAY_SECONDS, UTC).date().replace(day=1)


def _simple(pool_id: str, version: int, index: int, line: Event) -> tuple[Any, ...]:
    overage, mode = line["overage"], line["mode"]
    bearer = "overage" if overage == line["quantity"] else "included"
    return (
        pool_id,
        version,
        index,
        line["occurred_at"],
        0,
        line["recorded_at"],
        line["resource_key"],
        line["quantity"],
        overage,
        mode,
        line["late"],
        line["workspace_id"],
        "",
        line["usage_id"],
        line["provision_id"],
        bearer,
        "",
        0,
        "",
    )


def _detailed(pool_id: str, version: int, index: int, line: Event, details: Event) -> Iterator[tuple[Any, ...]]:
    whole = _simple(pool_id, version, index, line)
    if not details["parts"]:
        yield (*whole[:12], details["subject_id"], *whole[13:18], details["reservation_id"])
    for number, part in enumerate(details["parts"]):
        yield (
            *whole[:4],
            number,
            *whole[5:7],
            part["quantity"],
            part["quantity"] if part["bearer"] == "overage" else 0,
            *whole[9:12],
            details["subject_id"],
            whole[13],
            part["provision_id"],
            part["bearer"],
            part["payer"],
            part["charge"],
            details["reservation_id"],
        )


def _corrected(event: Event) -> Iterator[tuple[Any, ...]]:
    whole = {"bearer": "included", "provision_id": "", "payer": "", "quantity": event["adjustment"], "charge": 0}
    for number, part in enumerate(event["parts"] or [whole]):
        yield (
            event["originator_id"],
            event["originator_version"],
            0,
            event["occurred_at"],
            number,
            event["timestamp"],
            event["resource_key"],
            part["quantity"],
            part["quantity"] if part["bearer"] == "overage" else 0,
            "correction",
            event["counted_in"] > 0,
            event["workspace_id"],
            event["subject_id"],
            event["corrects"],
            part["provision_id"],
            part["bearer"],
            part["payer"],
            part["charge"],
            "",
        )


def _held(event: Event, change: int) -> tuple[Any, ...]:
    at, mode = event["timestamp"], "release" if change < 0 else "strict"
    key, workspace_id, holder_id = event["resource_key"], event["workspace_id"], event.get("holder_id", "")
    place = (event["originator_id"], event["originator_version"], 0, at, 0, at)
    return (*place, key, change, 0, mode, False, workspace_id, holder_id, "", "", "included", "", 0, "")
