"""The pools that usage knows a customer by: read once, from whatever has them, and never believed where there are none."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from entitlements.access.caching.floors import Concerned, Floors
from entitlements.access.caching.in_process import InProcess
from entitlements.api.customer_pools import CustomerPools

POOLS = [("p2", True), ("p1", False)]


class Source:
    """Knows the pools of every customer but one, as of a position. loads: customers of each load."""

    def __init__(self) -> None:
        self.loads: list[list[str]] = []
        self.position = 0

    def load(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        self.loads.append(list(customer_ids))
        return {name: self._document([] if name == "nobody" else POOLS) for name in customer_ids}

    def _document(self, pools: list[tuple[str, bool]]) -> bytes:
        those = [{"pool_id": pool_id, "may_overflow": may_overflow} for pool_id, may_overflow in pools]
        return json.dumps({"as_of": {"position": f"0:{self.position}"}, "pools": those}).encode()


def in_memory(source: Source) -> tuple[InProcess, Floors]:
    floors = Floors(behind_for_max=60.0)
    floors.known_at(time.monotonic())
    return InProcess(source, ttl_for=60.0, size=10, floors=floors), floors


async def directly(organization_id: str, call: Callable[..., dict[str, bytes]], *arguments: Any) -> dict[str, bytes]:
    return call(*arguments)


def test_pools_are_read_once_and_are_at_hand_until_something_is_heard() -> None:
    source = Source()
    level, floors = in_memory(source)
    pools = CustomerPools(level, Source(), 10, directly)
    assert pools.at_hand("acme", "c") == []
    assert asyncio.run(pools.read("acme", "c")) == POOLS
    assert [pools.at_hand("acme", "c") for _ in range(3)] == [POOLS] * 3
    assert source.loads == [["c"]]
    floors.rise(0, 7, Concerned(customers=frozenset({("acme", "c")})))
    assert pools.at_hand("acme", "c") == []
    source.position = 7
    assert asyncio.run(pools.read("acme", "c")) == POOLS
    assert pools.at_hand("acme", "c") == POOLS


def test_a_view_that_is_in_memory_says_them_too() -> None:
    source, views = Source(), Source()
    of_views, _ = in_memory(views)
    pools = CustomerPools(in_memory(source)[0], of_views, 10, directly)
    of_views.load("acme", ["c"])
    assert pools.at_hand("acme", "c") == POOLS
    assert source.loads == []


def test_of_a_customer_without_pools_nothing_is_at_hand() -> None:
    pools = CustomerPools(in_memory(Source())[0], Source(), 10, directly)
    assert asyncio.run(pools.read("acme", "nobody")) == []
    assert pools.at_hand("acme", "nobody") == []


def test_without_memory_they_are_neither_kept_nor_read() -> None:
    source = Source()
    pools = CustomerPools(None, source, 10, directly)
    assert asyncio.run(pools.read("acme", "c")) == []
    assert pools.at_hand("acme", "c") == []
    assert source.loads == []
