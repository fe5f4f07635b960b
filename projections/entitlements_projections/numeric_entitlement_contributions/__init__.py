"""What each active provision adds to each limit or quota. Every change carries the full list, which replaces the one before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from entitlements_projections.database import Cursor
from entitlements_projections.read_model import Event, ReadModel, Stage
from entitlements_projections.statements import statement


class NumericEntitlementContributions(ReadModel):
    """One row for each provision that contributes to a key of a pool."""

    folder = "numeric_entitlement_contributions"
    staged = ("restacked_entitlements", "numeric_entitlement_contributions")
    events = frozenset({"EntitlementsChanged"})

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], tuple[int, list[Event]]] = {}

    def take(self, name: str, event: Event) -> None:  # noqa: ARG002 - one event.
        """Collect one event."""
        for change in event["changes"]:
            listed = [] if change["entitlement_type"] == "boolean" else change["contributions"]
            self._newest[event["originator_id"], change["resource_key"]] = (event["originator_version"], listed)

    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Replace the list of every key that changed."""
        if not self._newest:
            return
        stage.write(cursor, statement(self.folder, "forget"), "restacked_entitlements", self._newest)
        stage.write(cursor, statement(self.folder, "insert"), "numeric_entitlement_contributions", self._rows())

    def clear(self) -> None:
        """Forget the collected events."""
        self._newest.clear()

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        for (pool_id, resource_key), (version, contributions) in self._newest.items():
            for position, item in enumerate(contributions):
                said = (
                    item["limit"],
                    item["soft_limit"],
                    item["hard_limit"],
                    item["carried"],
                    item["consumed"],
                    item["kept"],
                    item["recurs"],
                )
                yield pool_id, resource_key, item["provision_id"], position, *said, version
