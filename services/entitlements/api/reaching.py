"""Requests that wait until the read models know positions of the ledger wait in the loop, and hold neither a thread nor a connection.

Whatever positions are waited for, and a caller may name any: one look at the tables at a time serves all who wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeAlias, TypeVar

from entitlements_projections.errors import NotReachedYet

T = TypeVar("T")
#: By partition the offset of a frame.
Positions: TypeAlias = Mapping[int, int]
#: Where the tables are: at once if that is elsewhere than is known already, else after some time.
Look: TypeAlias = Callable[[Positions], Awaitable[Positions]]


class Latest(Generic[T]):
    """For one event loop. Tells what was asked after whoever wants it came: one question at a time serves all who came before it."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._under_way: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """The answer. Raises what the question raises."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._ask_after(self._under_way))
        return await asyncio.shield(self._next)  # Whoever goes away leaves the others theirs.

    async def _ask_after(self, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait((before,))
        self._under_way, self._next = self._next, None
        return await self._ask()


class Reaching:
    """For one event loop. It looks while somebody waits."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._known: Positions = {}
        self._waiting: dict[asyncio.Future[None], Positions] = {}
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, wanted: Positions, within_for: float) -> None:
        """Wait until the tables know the frames at these positions. Raises NotReachedYet, and what a look raises."""
        if self._missing(wanted) is None:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[reached] = wanted
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._go_on_looking())
        try:
            async with asyncio.timeout(within_for):
                await reached
        except TimeoutError:
            missing = self._missing(wanted)
            if missing is not None:
                raise NotReachedYet(missing) from None
        finally:
            self._waiting.pop(reached, None)

    async def _go_on_looking(self) -> None:
        """Until nobody waits. Who waits hears of a look that fails; who comes after that has it tried again."""
        try:
            while self._waiting:
                self._known = await self._look(self._known)
                for reached in [one for one, wanted in self._waiting.items() if self._missing(wanted) is None]:
                    del self._waiting[reached]
                    if not reached.done():
                        reached.set_result(None)
        except Exception as error:  # noqa: BLE001 - each of them hears it.
            for reached in self._waiting:
                if not reached.done():
                    reached.set_exception(error)
            self._waiting.clear()
        finally:
            self._looking = None

    def _missing(self, wanted: Positions) -> str | None:
        for partition, offset in wanted.items():
            known = self._known.get(partition, -1)
            if known < offset:
                return f"Partition {partition} is at {known}, not at {offset}."
        return None
