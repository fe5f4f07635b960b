"""Resource pools: status and clock.

The clock moves with every event of a pool, usage too, because the present of a pool in backfill is its clock.
That is one narrow update per pool and batch, apart from the rare events that change anything else.
"""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Cursor, Row
from entitlements_projections.read_model import POOL_EVENTS, Event, Fold, FoldedByEvent, ReadModel, Stage
from entitlements_projections.statements import statement


def _opened(event: Event, _: Row | None) -> Row:
    at = event["timestamp"]
    return {
        "organization_id": event["organization_id"],
        "billing_account_id": event["billing_account_id"],
        "name": event["name"],
        "status": "open",
        "status_reason": "",
        "status_actor": event["actor"],
        "opened_at": at,
        "status_at": at,
        "backfill_from": event["backfill_from"],
        "backfilling": event["backfill_from"] is not None,
        "time_zone": event["time_zone"],
        "anchor_at": event["anchor_at"],
        "clock": at,
    }


def _became(status: str) -> Fold:
    def fold(event: Event, row: Row | None) -> Row:
        assert row is not None, "an event of a pool that was never opened"
        at = event["timestamp"]
        row.update(status=status, status_reason=event["reason"], status_actor=event["actor"], status_at=at, clock=at)
        return row

    return fold


def _backfill_ended(event: Event, row: Row | None) -> Row:
    assert row is not None, "an event of a pool that was never opened"
    row.update(backfilling=False, clock=event["timestamp"])
    return row


def _calendar_changed(event: Event, row: Row | None) -> Row:
    assert row is not None, "an event of a pool that was never opened"
    row.update(time_zone=event["time_zone"], anchor_at=event["anchor_at"], clock=event["timestamp"])
    return row


class ResourcePools(FoldedByEvent):
    """Pools as their own events leave them."""

    folder = "resource_pools"
    staged = ("resource_pools",)
    key = ("pool_id",)
    columns = (
        "pool_id", "organization_id", "billing_account_id", "name", "status", "status_reason", "status_actor",
        "opened_at", "status_at", "backfill_from", "backfilling", "time_zone", "anchor_at", "clock", "version",
    )  # fmt: skip
    folds: ClassVar = {
        "PoolOpened": _opened,
        "PoolSuspended": _became("suspended"),
        "PoolResumed": _became("open"),
        "PoolClosed": _became("closed"),
        "BackfillEnded": _backfill_ended,
        "CalendarChanged": _calendar_changed,
    }
    events = frozenset(folds)


class PoolClocks(ReadModel):
    """Clock and version of pools after the newest event of whatever kind."""

    folder = "resource_pools"
    plain = True
    staged = ("pool_clocks",)
    events = POOL_EVENTS

    def __init__(self) -> None:
        self._clocks: dict[str, tuple[str, int, int]] = {}

    def take(self, name: str, event: Event) -> None:  # noqa: ARG002 - all events are alike here.
        """Collect one event."""
        pool_id = event["originator_id"]
        self._clocks[pool_id] = (pool_id, event["originator_version"], event["timestamp"])

    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Move the clocks forward."""
        if self._clocks:
            stage.write(cursor, statement(self.folder, "move_clocks"), "pool_clocks", self._clocks.values())

    def clear(self) -> None:
        """Forget the collected events."""
        self._clocks.clear()
