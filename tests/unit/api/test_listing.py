"""Lists take their own threads: however much they look through, nobody else waits for them."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

from entitlements.access.log.reading import DECISIONS
from entitlements.api.listing import CURSOR_CHARACTERS_MAX
from entitlements.api.services import LIST_THREADS, Services
from entitlements_projections.reading import cursors, lists
from entitlements_projections.reading.listing import Listing


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


@pytest.mark.parametrize("character", ["\U0001f600", "\1", '"', "\\", "\u2028", "x"])
@pytest.mark.parametrize(
    "listing",
    [*(each for each in vars(lists).values() if isinstance(each, Listing)), DECISIONS],
    ids=lambda each: each.name,
)
def test_a_list_takes_its_own_cursors_however_long_their_ids(listing: Listing, character: str) -> None:
    values: dict[type, Any] = {str: character * 128, int: -(2**63) + 1, datetime: datetime(9999, 1, 1, 1, 1, 1, 1, UTC)}
    place = cursors.Place(side="before", values=tuple(values[kind] for kind in listing.key.values()))
    cursor = cursors.written(place, listing.name, listing.key, {"organization_id": character * 128})
    assert len(cursor) <= CURSOR_CHARACTERS_MAX
    assert cursors.read(cursor, listing.name, listing.key, {"organization_id": character * 128}) == place
