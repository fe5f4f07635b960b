"""Which provision occupied which plan ladder, and when. The table refuses two at once (`one_active_provision_per_ladder`)."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _scheduled(event: Event, _: Row | None) -> Row | None:
    if event["ladder"] is None:
        return None
    return {"ladder": event["ladder"], "rung": event["rung"], "started_at": None, "ended_at": None}


def _started(event: Event, row: Row | None) -> Row | None:
    return None if row is None else row | {"started_at": event["timestamp"]}


def _ended(event: Event, row: Row | None) -> Row | None:
    return None if row is None else row | {"ended_at": event["timestamp"]}


class PoolProvisionLadders(FoldedByEvent):
    """One row for each provision that is a rung of a ladder."""

    folder = "pool_provision_ladders"
    staged = ("pool_provision_ladders",)
    key = ("pool_id", "provision_id")
    parts = ("provision_id",)
    columns = ("pool_id", "provision_id", "ladder", "rung", "started_at", "ended_at", "version")
    folds: ClassVar = {"ProvisionScheduled": _scheduled, "ProvisionStarted": _started, "ProvisionEnded": _ended}
    events = frozenset(folds)
