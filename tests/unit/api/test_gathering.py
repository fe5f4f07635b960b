"""Views that are missed at the same moment are loaded together."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence

import pytest

from entitlements.api.gathering import LOADS_MAX, LOADS_OF_ONE_MAX, TOGETHER_MAX, Gathering


class Slow:
    """Loads when it is told to."""

    def __init__(self) -> None:
        self.loads: list[list[str]] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, organization_id: str, customer_ids: Sequence[str]) -> dict[str, bytes]:
        self.loads.append([f"{organization_id}/{customer_id}" for customer_id in customer_ids])
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return {customer_id: f"{organization_id}/{customer_id}".encode() for customer_id in customer_ids}


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_comes_while_a_load_is_under_way_goes_together() -> None:
    async def story() -> None:
        slow = Slow()
        gathering = Gathering(slow)
        asked = []
        for customer_id in ("a", "b", "c", "d", "c"):
            asked.append(asyncio.ensure_future(gathering.one("acme", customer_id)))
            await settled()
        assert slow.loads == [["acme/a"], ["acme/b"]][:LOADS_OF_ONE_MAX]
        slow.go.set()
        assert await asyncio.gather(*asked) == [b"acme/a", b"acme/b", b"acme/c", b"acme/d", b"acme/c"]
        assert slow.loads[LOADS_OF_ONE_MAX:] == [["acme/c", "acme/d"]]

    asyncio.run(story())


def test_organizations_are_never_mixed() -> None:
    async def story() -> None:
        slow = Slow()
        slow.go.set()
        gathering = Gathering(slow)
        names = [(organization, "same") for organization in ("one", "two", "three")]
        found = await asyncio.gather(*(gathering.one(*name) for name in names))
        assert found == [b"one/same", b"two/same", b"three/same"]
        assert all(len({name.partition("/")[0] for name in load}) == 1 for load in slow.loads)

    asyncio.run(story())


def test_one_organization_that_misses_without_end_leaves_loads_to_others() -> None:
    async def story() -> None:
        slow = Slow()
        gathering = Gathering(slow)
        asked = []
        for number in range(3 * LOADS_MAX):
            asked.append(asyncio.ensure_future(gathering.one("noisy", f"c{number}")))
            await settled()
        asked.append(asyncio.ensure_future(gathering.one("quiet", "one")))
        await settled()
        assert [load[0].partition("/")[0] for load in slow.loads] == ["noisy"] * LOADS_OF_ONE_MAX + ["quiet"]
        slow.go.set()
        await asyncio.gather(*asked)

    asyncio.run(story())


def test_what_is_left_over_of_many_waits_behind_other_organizations() -> None:
    async def story() -> None:
        slow = Slow()
        gathering = Gathering(slow)
        asked = []
        for number in range(LOADS_MAX):  # All loads are under way.
            asked.append(asyncio.ensure_future(gathering.one(f"o{number}", "first")))
            await settled()
        asked += [asyncio.ensure_future(gathering.one("noisy", f"c{n}")) for n in range(2 * TOGETHER_MAX)]
        await settled()
        asked.append(asyncio.ensure_future(gathering.one("quiet", "one")))
        await settled()
        slow.go.set()
        await asyncio.gather(*asked)
        order = [load[0].partition("/")[0] for load in slow.loads[LOADS_MAX:]]
        assert order == ["noisy", "quiet", "noisy"]

    asyncio.run(story())


def test_a_load_that_fails_fails_for_those_who_waited_and_for_nobody_after() -> None:
    async def story() -> None:
        slow = Slow()
        slow.go.set()
        slow.error = RuntimeError("away")
        gathering = Gathering(slow)
        with pytest.raises(RuntimeError, match="away"):
            await gathering.one("acme", "a")
        slow.error = None
        assert await gathering.one("acme", "a") == b"acme/a"

    asyncio.run(story())


def test_whoever_goes_away_leaves_the_others_theirs() -> None:
    async def story() -> None:
        slow = Slow()
        gathering = Gathering(slow)
        first, second = (asyncio.ensure_future(gathering.one("acme", "a")) for _ in range(2))
        await settled()
        first.cancel()
        slow.go.set()
        assert await second == b"acme/a"

    asyncio.run(story())


@pytest.mark.parametrize("customer_ids", [("a", "b"), ("a", "b", "c")])
def test_what_is_missed_in_one_turn_of_the_loop_is_one_load_and_no_work_is_left_without_any(
    customer_ids: tuple[str, ...],
) -> None:
    unheard: list[dict[str, object]] = []

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
        slow = Slow()
        slow.go.set()
        gathering = Gathering(slow)
        found = await asyncio.gather(*(gathering.one("acme", each) for each in customer_ids))
        assert found == [f"acme/{each}".encode() for each in customer_ids]
        assert slow.loads == [[f"acme/{each}" for each in customer_ids]]
        await settled()
        gc.collect()  # A task whose error nobody took says so when it goes.
        await settled()

    asyncio.run(story())
    assert unheard == []
