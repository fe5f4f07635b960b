"""Views that several requests miss at the same moment are loaded together: one set of statements reads many as it reads one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

#: Loads under way at once, those of one organization, and customers that one of them reads.
LOADS_MAX: Final = 4
LOADS_OF_ONE_MAX: Final = 2
TOGETHER_MAX: Final = 500

#: Loads the views of an organization's customers.
Load = Callable[[str, Sequence[str]], Awaitable[dict[str, bytes]]]


class Gathering:
    """For one event loop. What is asked for while a load is under way waits for the next one, and goes with whatever came meanwhile."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._waiting: dict[str, dict[str, asyncio.Future[bytes]]] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._loading: Counter[str] = Counter()

    async def one(self, organization_id: str, customer_id: str) -> bytes:
        """The view of a customer, read after this was asked. Raises what the load raises."""
        those = self._waiting.setdefault(organization_id, {})
        found = those.get(customer_id)
        if found is None:
            found = those[customer_id] = asyncio.get_running_loop().create_future()
            self._begin()
        return await asyncio.shield(found)  # Whoever goes away leaves the others theirs.

    def _begin(self) -> None:
        if len(self._under_way) < LOADS_MAX and self._next() is not None:
            task = asyncio.get_running_loop().create_task(self._work())
            self._under_way.add(task)
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._begin()

    def _next(self) -> str | None:
        """The organization that has waited longest; of one that loads as much as it may nobody waits."""
        return next((each for each in self._waiting if self._loading[each] < LOADS_OF_ONE_MAX), None)

    async def _work(self) -> None:
        organization_id = self._next()
        if organization_id is None:
            return  # Several were missed in one turn of the loop, and a load that began before this one took all of them.
        those = self._waiting.pop(organization_id)
        asked = dict(list(those.items())[:TOGETHER_MAX])
        for customer_id in asked:
            del those[customer_id]
        if those:
            self._waiting[organization_id] = those  # Behind all others.
        self._loading[organization_id] += 1
        try:
            loaded = await self._load(organization_id, list(asked))
        except BaseException as error:  # noqa: BLE001 - each of them hears it.
            for found in asked.values():
                if not found.done():
                    found.set_exception(error)
                    found.exception()  # Nobody may be left to hear it.
            return
        finally:
            self._loading[organization_id] -= 1
            if not self._loading[organization_id]:
                del self._loading[organization_id]
        for customer_id, found in asked.items():
            if not found.done():
                found.set_result(loaded[customer_id])
