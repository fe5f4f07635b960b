"""Plan ladders: what sets and provisions are rungs of.

Partitions are independent: a set or a provision may name a ladder before its definition has been read from another. So the first use
makes a row without description, as for resource keys, and the definition completes it; the rows are the same whichever comes
first. What refers to a ladder is written after this table, in the same transaction: the foreign keys always hold. Rows are written in the
order of ladders: two projectors never wait for each other in a circle.
"""

from __future__ import annotations

from typing import Any, Final

from entitlements_projections.database import Cursor
from entitlements_projections.read_model import Event, ReadModel, Stage
from entitlements_projections.statements import statement

#: Columns beside the id of a ladder that was only named.
_UNDESCRIBED: Final = (None, None, None, None, 0)


class PlanLadders(ReadModel):
    """One row for each ladder that was defined or named."""

    folder = "plan_ladders"
    staged = ("plan_ladders",)
    events = frozenset({"LadderDefined", "EntitlementSetDefined", "ProvisionScheduled"})

    def __init__(self) -> None:
        self._named: set[str] = set()
        self._defined: dict[str, tuple[Any, ...]] = {}

    def take(self, name: str, event: Event) -> None:
        """Collect one event."""
        if name == "LadderDefined":
            fields = ("name", "rungs", "timestamp", "actor", "originator_version")
            self._defined[event["originator_id"]] = tuple(event[field] for field in fields)
        elif event["ladder"] is not None:
            self._named.add(event["ladder"])

    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Add ladders that are met for the first time, and complete those that were defined."""
        ladders = sorted(self._named | self._defined.keys())
        if ladders:
            rows = ((ladder, *self._defined.get(ladder, _UNDESCRIBED)) for ladder in ladders)
            stage.write(cursor, statement(self.folder, "upsert"), "plan_ladders", rows)

    def clear(self) -> None:
        """Forget the collected events."""
        self._named.clear()
        self._defined.clear()
