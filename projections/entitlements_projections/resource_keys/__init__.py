"""Resource keys: the shared namespace.

Partitions are independent: a key may be used in one before its definition has been read from another. So a use makes a
row without description, and the definition completes it; the rows are the same whichever comes first. Every table
refers to this one, so it is written first, in the order of keys: two projectors never wait for each other in a circle.
"""

from __future__ import annotations

from typing import Any

from entitlements_projections.database import Cursor
from entitlements_projections.read_model import Event, ReadModel, Stage, with_instants
from entitlements_projections.statements import statement


class ResourceKeys(ReadModel):
    """One row for each key that was defined or used."""

    folder = "resource_keys"
    plain = True
    staged = ("resource_keys",)
    events = frozenset({
        "ResourceKeyDefined", "EntitlementSetDefined", "EntitlementsChanged", "UsageRecorded", "UsageReleased",
        "QuotaWarned", "QuotaExceeded", "OverrideSet", "MemberCapped", "OnDemandConfigured", "UsageReserved",
        "HoldingChanged", "UsageCorrected",
    })  # fmt: skip

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._defined: dict[str, tuple[Any, ...]] = {}

    def take(self, name: str, event: Event) -> None:
        """Collect one event."""
        if name == "UsageRecorded":
            self._used.update([line["resource_key"] for line in event["lines"]])
            self._used.update([total["resource_key"] for total in event["totals"]])
        elif name == "ResourceKeyDefined":
            key = event["originator_id"]
            fields = ("name", "data_type", "unit", "scale", "timestamp", "actor")
            self._defined[key] = (key, *(with_instants(event)[field] for field in fields), event["originator_version"])
        elif name == "EntitlementsChanged":
            self._used.update(change["resource_key"] for change in event["changes"])
        elif name == "EntitlementSetDefined":
            self._used.update(rule["resource_key"] for rule in event["rules"])
        else:
            self._used.add(event["resource_key"])

    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Add keys that are met for the first time, and complete those that were defined."""
        keys = self._used | self._defined.keys()
        if keys:
            undefined = (None,) * 6
            rows = (self._defined.get(key, (key, *undefined, 0)) for key in sorted(keys))
            stage.fill(cursor, "resource_keys", rows)
            cursor.execute(statement(self.folder, "upsert"))

    def clear(self) -> None:
        """Forget the collected events."""
        self._used.clear()
        self._defined.clear()
