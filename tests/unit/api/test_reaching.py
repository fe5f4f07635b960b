"""Requests wait for positions together, and hold nothing meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from entitlements.api.reaching import Latest, Reaching
from entitlements.errors import ServerIsAway
from entitlements_projections.errors import NotReachedYet


class Tables:
    """What the tables know; a look tells it when it is news, and counts."""

    def __init__(self) -> None:
        self.offsets: dict[int, int] = {}
        self.looks = self.under_way = 0
        self.is_away = False

    async def look(self, known: Mapping[int, int]) -> dict[int, int]:
        self.looks += 1
        self.under_way += 1
        assert self.under_way == 1, "one look at a time"
        for _ in range(5):
            if self.offsets != known:
                break
            await asyncio.sleep(0.001)
        self.under_way -= 1
        if self.is_away:
            raise ServerIsAway("Postgres.")
        return dict(self.offsets)


def test_whoever_waits_goes_on_when_its_position_is_there() -> None:
    async def run() -> None:
        tables = Tables()
        reaching = Reaching(tables.look)
        soon = [asyncio.create_task(reaching.wait({0: 3}, 5)) for _ in range(100)]
        late = asyncio.create_task(reaching.wait({0: 3, 1: 7}, 5))
        await asyncio.sleep(0.01)
        tables.offsets = {0: 4}
        await asyncio.gather(*soon)
        assert not late.done()
        tables.offsets = {0: 4, 1: 7}
        await late
        looks = tables.looks
        await reaching.wait({0: 4}, 5)
        assert tables.looks == looks, "what is known is not looked for"

    asyncio.run(run())


def test_whoever_waits_in_vain_is_told_and_nobody_looks_any_more() -> None:
    async def run() -> None:
        tables = Tables()
        tables.offsets = {0: 1}
        reaching = Reaching(tables.look)
        with pytest.raises(NotReachedYet, match="Partition 0 is at 1, not at 9"):
            await reaching.wait({0: 9}, 0.02)
        await asyncio.sleep(0.02)
        looks = tables.looks
        await asyncio.sleep(0.02)
        assert tables.looks == looks

    asyncio.run(run())


def test_a_look_that_fails_is_told_to_all_who_wait_and_tried_again_for_the_next() -> None:
    async def run() -> None:
        tables = Tables()
        reaching = Reaching(tables.look)
        tables.is_away = True
        told = await asyncio.gather(*(reaching.wait({0: 1}, 5) for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in told] == [ServerIsAway] * 3
        tables.is_away, tables.offsets = False, {0: 1}
        await reaching.wait({0: 1}, 5)

    asyncio.run(run())


def test_whoever_wants_the_latest_hears_what_was_asked_after_it_came() -> None:
    async def run() -> None:
        asked = under_way = 0

        async def ask() -> int:
            nonlocal asked, under_way
            asked += 1
            number, under_way = asked, under_way + 1
            assert under_way == 1, "one question at a time"
            await asyncio.sleep(0.01)
            under_way -= 1
            if number == 3:
                raise ServerIsAway("Kafka.")
            return number

        latest = Latest(ask)
        first = [asyncio.create_task(latest.get()) for _ in range(100)]
        await asyncio.sleep(0.005)
        second = [asyncio.create_task(latest.get()) for _ in range(100)]
        assert set(await asyncio.gather(*first)) == {1}
        assert set(await asyncio.gather(*second)) == {2}
        with pytest.raises(ServerIsAway):
            await latest.get()
        assert await latest.get() == 4

    asyncio.run(run())
