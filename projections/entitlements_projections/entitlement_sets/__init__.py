"""Versions of entitlement sets, their rules and the sets they extend. All are only ever added to."""

from __future__ import annotations

from typing import Any, Final

from entitlements_projections.database import Cursor
from entitlements_projections.read_model import Event, ReadModel, Stage
from entitlements_projections.statements import statement

_RULE: Final = (
    "resource_key", "rule_type", "amount", "soft_limit", "hard_limit", "period", "stacking", "per_unit",
    "denied", "anchored", "recurs", "rollover_min", "rollover_max", "overage_at_reset", "grace_for", "credit_key", "credit_rate", "credit_per", "min_role",
)  # fmt: skip


class EntitlementSets(ReadModel):
    """One row for each version of each set, and one for each rule in it and for each set it extends."""

    folder = "entitlement_sets"
    staged = ("entitlement_sets", "entitlement_set_rules", "entitlement_set_parents")
    events = frozenset({"EntitlementSetDefined"})

    def __init__(self) -> None:
        self._sets: list[tuple[Any, ...]] = []
        self._rules: list[tuple[Any, ...]] = []
        self._parents: list[tuple[Any, ...]] = []

    def take(self, name: str, event: Event) -> None:  # noqa: ARG002 - one event.
        """Collect one event."""
        key = (event["originator_id"], event["version"])
        fields = ("name", "ladder", "rung", "timestamp", "actor", "inheritance", "own_rules")
        self._sets.append((*key, *(event[field] for field in fields)))
        parents = enumerate(event["extends"])
        self._parents.extend((*key, place, parent["set_id"], parent["version"]) for place, parent in parents)
        self._rules.extend((*key, place, *(rule[name] for name in _RULE)) for place, rule in enumerate(event["rules"]))

    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Add the versions that are not there yet."""
        if self._sets:
            stage.write(cursor, statement(self.folder, "insert_sets"), "entitlement_sets", self._sets)
            stage.write(cursor, statement(self.folder, "insert_rules"), "entitlement_set_rules", self._rules)
        if self._parents:
            stage.write(cursor, statement(self.folder, "insert_parents"), "entitlement_set_parents", self._parents)

    def clear(self) -> None:
        """Forget the collected events."""
        self._sets.clear()
        self._rules.clear()
        self._parents.clear()
