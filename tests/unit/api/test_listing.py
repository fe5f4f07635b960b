"""Lists take their own threads: however much they look through, no other organization waits for them, nor does any other request."""

from __future__ import annotations

import asyncio
import threading
from contextlib import nullcontext
from typing import Any

from entitlements.api.services import LIST_THREADS, Services
from entitlements.api.turns import Turns
from entitlements.api.views import CUSTOMERS_AT_ONCE


class NoDatabase:
    def connection(self) -> Any:
        return nullcontext()


def test_slow_lists_keep_no_other_reader_and_no_other_organization_waiting() -> None:
    services: Any = object.__new__(Services)
    services.database = NoDatabase()
    services.threads, services.listing = Turns("api", 2), Turns("lists", LIST_THREADS)
    go_on = threading.Event()

    async def main() -> None:
        slow = [
            asyncio.create_task(services.read_list("noisy", services.database, lambda _: go_on.wait(20)))
            for _ in range(3 * LIST_THREADS)
        ]
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert await services.in_thread("noisy", lambda: "answered") == "answered"
            assert await services.read_list("quiet", services.database, lambda _: "a page") == "a page"
        assert not any(each.done() for each in slow)
        go_on.set()
        assert all(await asyncio.gather(*slow))

    asyncio.run(main())
    services.threads.close()
    services.listing.close()


def test_what_is_read_about_many_takes_a_turn_for_each_slice() -> None:
    services: Any = object.__new__(Services)
    services.database, services.threads = NoDatabase(), Turns("api")
    reads: list[tuple[str, int]] = []

    async def main() -> None:
        async def about(name: str, count: int) -> None:
            await services.read_many(name, lambda _, part: reads.append((name, len(part))), range(count))

        await asyncio.gather(about("noisy", 3 * CUSTOMERS_AT_ONCE + 1), about("quiet", 2))

    asyncio.run(main())
    services.threads.close()
    assert [each for each in reads if each[0] == "noisy"] == [("noisy", CUSTOMERS_AT_ONCE)] * 3 + [("noisy", 1)]
    assert reads.index(("quiet", 2)) <= 1
