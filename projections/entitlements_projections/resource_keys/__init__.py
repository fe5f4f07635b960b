"""Resource keys: the shared namespace.

Partitions are independent: a key may be used in one before its definition has been read from another. So a use makes a
row without description, and the definition completes it; the rows are the same whichever comes first. Every table
refers to this one, so it is written first, in the order of keys: two projectors never wait for each other in a circle.
"""

from __future__ import annotations

from typing import Any, Final

from entitlements.domain.aggregate import from_ms
from entitlements_projections.database import Cursor
from entitlements_projections.read_model import Event, ReadModel, Stage, with_instants
from entitlements_projections.statements import statement

#: Columns beside the key of one that was only used.
_UNDESCRIBED: Final = ((None,) * 6) + (0,) + ((None,) * 5)


class ResourceKeys(ReadModel):
    """One row for each key that was defined or used, and one for each key that a key inherits from."""

    folder = "resource_keys"
    plain = True
    staged = ("resource_keys", "resource_key_parents")
    events = frozenset({
        "ResourceKeyDefined", "EntitlementSetDefined", "EntitlementsChanged", "UsageRecorded", "UsageReleased",
        "QuotaWarned", "QuotaExceeded", "OverrideSet", "MemberCapped", "OnDemandConfigured", "UsageReserved",
        "HoldingChanged", "UsageCorrected",
    })  # fmt: skip

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._defined: dict[str, tuple[Any, ...]] = {}
        self._parents: dict[str, list[tuple[Any, ...]]] = {}

    def take(self, name: str, event: Event) -> None:
        """Collect one event."""
        if name == "UsageRecorded":
            self._used.update([line["resource_key"] for line in event["lines"]])
            self._used.update([total["resource_key"] for total in event["totals"]])
        elif name == "ResourceKeyDefined":
            self._define(event["originator_id"], event)
        elif name == "EntitlementsChanged":
            self._used.update(change["resource_key"] for change in event["changes"])
        elif name == "EntitlementSetDefined":
            self._used.update(rule["resource_key"] for rule in event["rules"])
        else:
            self._used.add(event["resource_key"])

    def _define(self, key: str, event: Event) -> None:
        version, terms = event["originator_version"], event["terms"] or {}
        described = with_instants(event)
        fields = ("name", "data_type", "unit", "scale", "timestamp", "actor")
        said = ("entitlement_type", "default_value", "override_policy", "usage_tracking")
        constraints = terms.get("constraints")
        self._defined[key] = (
            key,
            *(described[field] for field in fields),
            version,
            *(terms.get(field) for field in said),
            constraints and _with_dates(constraints),
        )
        parents = terms.get("inherits_from", [])
        self._used.update(parents)
        self._parents[key] = [(key, place, parent, version) for place, parent in enumerate(parents)]

    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Add keys that are met for the first time, and complete those that were defined."""
        keys = self._used | self._defined.keys()
        if keys:
            rows = [self._defined.get(key, (key, *_UNDESCRIBED)) for key in sorted(keys)]
            stage.write(cursor, statement(self.folder, "upsert"), "resource_keys", rows)
        if self._defined:
            stage.write(cursor, statement(self.folder, "forget_parents"), "resource_keys", self._defined.values())
            parents = (row for rows in self._parents.values() for row in rows)
            stage.write(cursor, statement(self.folder, "insert_parents"), "resource_key_parents", parents)

    def clear(self) -> None:
        """Forget the collected events."""
        self._used.clear()
        self._defined.clear()
        self._parents.clear()


def _with_dates(constraints: dict[str, Any]) -> dict[str, Any]:
    """Constraints as JSON has them: instants as ISO 8601."""
    dates = {name: constraints[name] for name in ("start_date", "end_date")}
    return constraints | {name: None if ms is None else from_ms(ms).isoformat() for name, ms in dates.items()}
