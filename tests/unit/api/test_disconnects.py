"""Long work whose client is gone is given up, and what waits for its turn is never begun."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from entitlements.api.disconnects import while_connected
from entitlements.api.problems import Problem
from entitlements.api.turns import Turns

Receive = Callable[[], Awaitable[dict[str, Any]]]


def client() -> tuple[Receive, Callable[[], None]]:
    """What a client sends after its body: nothing, until it leaves."""
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    return receive, gone.set


def test_work_that_waits_for_its_turn_is_not_begun_when_its_client_has_gone() -> None:
    computed: list[str] = []
    first = threading.Event()

    async def all_of_them() -> None:
        turns = Turns("test", waiting_max=4)
        staying, _ = client()
        leaving, leave = client()
        begun = asyncio.create_task(turns.call("acme", first.wait, 10))
        await asyncio.sleep(0)
        abandoned = [
            asyncio.create_task(while_connected(leaving, turns.call("acme", computed.append, "abandoned")))
            for _ in range(3)
        ]
        awaited = asyncio.create_task(while_connected(staying, turns.call("acme", computed.append, "awaited")))
        await asyncio.sleep(0.001)
        leave()
        for task in abandoned:
            with pytest.raises(Problem, match="closed its connection"):
                await task
        more = [asyncio.create_task(turns.call("acme", computed.append, "more")) for _ in range(3)]  # There is room.
        await asyncio.sleep(0)
        first.set()
        await asyncio.gather(begun, awaited, *more)
        turns.close()

    asyncio.run(all_of_them())
    assert computed == ["awaited", "more", "more", "more"]


def test_what_the_work_raises_is_raised_and_nothing_goes_on_listening() -> None:
    async def fail() -> None:
        raise LookupError("broken")

    async def all_of_them() -> set[asyncio.Task[Any]]:
        receive, _ = client()
        with pytest.raises(LookupError, match="broken"):
            await while_connected(receive, fail())
        await asyncio.sleep(0)
        return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[return-value]

    assert asyncio.run(all_of_them()) == set()
