"""How many pools an organization may open: by a count that is remembered for a moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from entitlements.api.auth.errors import TooManyPoolsOfOrganization
from entitlements.api.pool_counts import COUNTED_FOR, PoolCounts
from entitlements.api.problems import problem_of
from entitlements_projections.reading.access import count_pools


class Tables:
    """What the read models know, and how often it was counted."""

    def __init__(self) -> None:
        self.pools: dict[str, list[str]] = {"acme": ["p-1", "p-2"]}
        self.counted = 0
        self.now = 50.0

    async def read(self, organization_id: str, function: Any, *arguments: Any) -> Any:
        if function is count_pools:
            self.counted += 1
            return min(len(self.pools.get(organization_id, [])), arguments[1])
        return next((name for name, pools in self.pools.items() if arguments[0] in pools), None)


def test_an_organization_opens_as_many_pools_as_it_may() -> None:
    async def all_of_it() -> None:
        tables = Tables()
        counts = PoolCounts(4, tables.read, lambda: tables.now)
        await counts.take_one("acme", "p-3")
        await counts.take_one("acme", "p-4")
        with pytest.raises(TooManyPoolsOfOrganization) as refused:
            await counts.take_one("acme", "p-5")
        problem = problem_of(refused.value).document()
        assert (problem["status"], problem["bound"], problem["maximum"]) == (409, "pools", 4)
        await counts.take_one("acme", "p-1")  # It is there: to open it again changes nothing.
        await counts.take_one("globex", "p-6")
        assert tables.counted == 2
        tables.now += COUNTED_FOR + 1  # The two were never opened.
        await counts.take_one("acme", "p-5")

    asyncio.run(all_of_it())
