"""How much of one organization is under way at once: the rest waits behind its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from entitlements.api.windows import Windows


def in_a_loop(test: Callable[[], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        return await asyncio.wait_for(test(), 10.0)

    return asyncio.run(run())


class Work:
    """Work of organizations in one set of windows: what has begun, and each ends when it is told to."""

    def __init__(self, lines_max: int) -> None:
        self.windows = Windows(lines_max)
        self.begun: list[str] = []
        self._go_on: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, name: str, lines: int, organization_id: str = "noisy") -> None:
        self._go_on[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._work(name, lines, organization_id))
        await asyncio.sleep(0)

    async def _work(self, name: str, lines: int, organization_id: str) -> None:
        async with self.windows.within(organization_id, lines):
            self.begun.append(name)
            await self._go_on[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self._go_on[name].set()
            await asyncio.gather(self._tasks[name], return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)

    async def give_up(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.gather(self._tasks[name], return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)


def test_what_does_not_fit_waits_and_others_do_not_wait_for_it() -> None:
    async def all_of_it() -> list[str]:
        work = Work(10)
        await work.begin("a", 6)
        await work.begin("b", 6)
        await work.begin("c", 4)  # It would fit, and does not overtake its own.
        await work.begin("quiet", 10, "quiet")
        assert work.begun == ["a", "quiet"]
        await work.end("a")
        await work.end("b", "c", "quiet")
        return work.begun

    assert in_a_loop(all_of_it) == ["a", "quiet", "b", "c"]


def test_alone_any_number_fits() -> None:
    async def all_of_it() -> list[str]:
        work = Work(10)
        await work.begin("more than all", 11)
        await work.begin("next", 1)
        assert work.begun == ["more than all"]
        await work.end("more than all", "next")
        return work.begun

    assert in_a_loop(all_of_it) == ["more than all", "next"]


def test_who_gives_up_leaves_its_place_to_the_next() -> None:
    async def all_of_it() -> list[str]:
        work = Work(10)
        await work.begin("a", 10)
        await work.begin("b", 10)
        await work.begin("c", 10)
        await work.give_up("b")
        assert work.begun == ["a"]
        await work.give_up("a")
        assert work.begun == ["a", "c"]
        await work.end("c")
        assert not work.windows._under_way
        assert not work.windows._waiting
        return work.begun

    assert in_a_loop(all_of_it) == ["a", "c"]


def test_who_was_let_in_and_gave_up_at_the_same_moment_keeps_nothing() -> None:
    async def all_of_it() -> list[str]:
        work = Work(10)
        await work.begin("a", 10)
        await work.begin("b", 10)
        await work.begin("c", 10)
        work._go_on["a"].set()
        await asyncio.sleep(0)
        await work.give_up("b")
        await work.end("c")
        assert not work.windows._under_way
        return work.begun

    assert in_a_loop(all_of_it) == ["a", "c"]
