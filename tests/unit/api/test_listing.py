"""Lists take their own threads: however much they look through, nobody else waits for them."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

from entitlements.api.services import LIST_THREADS, Services


class NoDatabase:
    def connection(self) -> Any:
        return nullcontext()


def test_slow_lists_keep_no_other_reader_waiting() -> None:
    services: Any = object.__new__(Services)
    services.database = NoDatabase()
    services.threads, services.listing = ThreadPoolExecutor(2), ThreadPoolExecutor(LIST_THREADS)
    go_on = threading.Event()

    async def main() -> None:
        slow = [
            asyncio.create_task(services.read_list(services.database, lambda _: go_on.wait(20)))
            for _ in range(3 * LIST_THREADS)
        ]
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert await services.in_thread(lambda: "answered") == "answered"
        assert not any(each.done() for each in slow)
        go_on.set()
        assert all(await asyncio.gather(*slow))

    asyncio.run(main())
    services.threads.shutdown()
    services.listing.shutdown()
