"""Pools of campaigns: one row for each pool that is or was in one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedRows, Key


def _in(at: Any, row: Row | None) -> Row:
    return {"added_at": at, "times": 1 if row is None else row["times"] + 1, "removed_at": None}


def _out(at: Any, row: Row | None) -> Row:
    assert row is not None, "a pool leaves a campaign that it was never in"
    return row | {"removed_at": at}


class CampaignPools(FoldedRows):
    """Pools of campaigns: one row for each pool that is or was in one."""

    folder = "campaign_pools"
    staged = ("campaign_pools",)
    key = ("campaign_id", "pool_id")
    columns = (
        "campaign_id", "pool_id", "added_at", "times", "removed_at", "version",
    )  # fmt: skip
    events = frozenset({"CampaignPoolsChanged"})

    def facts(self, name: str, event: Event) -> Iterator[tuple[Key, Callable[[Row | None], Row | None]]]:  # noqa: ARG002
        """One row for each pool that comes or goes."""
        for pool_ids, fold in ((event["removed"], _out), (event["added"], _in)):
            for pool_id in pool_ids:
                yield (event["originator_id"], pool_id), partial(fold, event["timestamp"])
