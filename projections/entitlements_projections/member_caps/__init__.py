"""What members may draw, and what they drew: one row for each cap, and for each override of a workspace with an amount.

drawing  what the events of a pool change about the caps of its members

All caps of a pool are folded together, because some events concern many of them. Most pools have none: of those
nothing but the place of their events is kept.
"""

from __future__ import annotations

from typing import Any, Final

from entitlements.domain.aggregate import to_ms
from entitlements_projections.database import Connection, Cursor, Row
from entitlements_projections.member_caps.drawing import Line, Members, line_in
from entitlements_projections.read_model import Event, Key, ReadModel, Stage
from entitlements_projections.statements import statement

__all__ = ["MemberCaps"]

_BEGIN: Final = frozenset({"MemberCapped", "OverrideSet"})


class MemberCaps(ReadModel):
    """One row for each member and key, and for each override with an amount."""

    folder = "member_caps"
    plain = True
    staged = ("member_caps",)
    key: Final[Key] = ("pool_id", "workspace_id", "subject_id", "resource_key", "override_id")
    columns: Final = (
        *key, "amount", "period", "time_zone", "drawn", "drawn_from", "drawn_until", "counts_from", "capped_at", "actor", "version",
    )  # fmt: skip
    events = frozenset({
        "CalendarChanged", "HoldingChanged", "MemberCapped", "OverrideCleared", "OverrideExpired", "OverrideSet", "PoolOpened",
        "QuotaReset", "UsageCorrected", "UsageRecorded", "UsageReleased",
    })  # fmt: skip

    def __init__(self) -> None:
        self._events: dict[str, list[tuple[str, Event]]] = {}
        self._beginning: set[str] = set()
        self._zones: dict[str, str] = {}

    def take(self, name: str, event: Event) -> None:
        """Collect one event."""
        self._events.setdefault(event["originator_id"], []).append((name, event))
        if name in _BEGIN:
            self._beginning.add(event["originator_id"])

    def prepare(self, connection: Connection) -> None:
        """Learn by which zones pools count: the pools' rows are written before the caps, and would say what comes after."""
        if self._beginning:
            self._zones = dict(connection.execute(statement(self.folder, "zones"), (list(self._beginning),)).fetchall())

    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Fold the events of every pool that has caps, and write the rows that changed once."""
        if not self._events:
            return
        held = self._load(cursor)
        changed: list[Row] = []
        for pool_id in held.keys() | self._beginning:
            members = Members(held.get(pool_id, []), self._zones.get(pool_id, "UTC"))
            for place, (name, event) in enumerate(self._events[pool_id]):
                line = None
                if name == "UsageCorrected" and members.are_concerned(event):
                    line = self._corrected_line(cursor, pool_id, place, event, members.oldest)
                members.take(name, event, line)
            changed += members.changed()
        if changed:
            rows = ([row[column] for column in self.columns] for row in changed)
            stage.write(cursor, statement(self.folder, "upsert"), "member_caps", rows)

    def clear(self) -> None:
        """Forget the collected events."""
        self._events.clear()
        self._beginning.clear()
        self._zones = {}

    def _load(self, cursor: Cursor) -> dict[str, list[Row]]:
        cursor.execute(statement(self.folder, "load"), (list(self._events),))
        names = [column.name for column in cursor.description or ()]
        held: dict[str, list[Row]] = {}
        for record in cursor.fetchall():
            row: dict[str, Any] = dict(zip(names, record, strict=True))
            held.setdefault(row["pool_id"], []).append(row)
        return held

    def _corrected_line(self, cursor: Cursor, pool_id: str, place: int, event: Event, since: int) -> Line | None:
        """The line that an event corrects: in this batch, or else in the table of all lines."""
        for name, earlier in reversed(self._events[pool_id][:place]):
            found = line_in(earlier, event["corrects"]) if name == "UsageRecorded" else None
            if found is not None:
                return found
        wanted = (pool_id, event["corrects"], since, event["originator_version"])
        row = cursor.execute(statement(self.folder, "recorded_line"), wanted).fetchone()
        return None if row is None else Line(row[0], to_ms(row[1]), row[2])
