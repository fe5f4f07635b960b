"""Lists take their own threads: however much they look through, no other organization waits for them, nor does any other request."""

from __future__ import annotations

import asyncio
import threading
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

from entitlements.access.log.reading import DECISIONS
from entitlements.api.listing import CURSOR_CHARACTERS_MAX
from entitlements.api.services import LIST_THREADS, Services
from entitlements.api.turns import Turns
from entitlements.api.views import CUSTOMERS_AT_ONCE
from entitlements_projections.reading import cursors, lists
from entitlements_projections.reading.listing import Listing


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
