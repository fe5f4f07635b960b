"""How much of an organization is on its way to the ledger at once, in lines of usage: the rest waits here, behind its own and nobody else.

A partition is decided in the order of its log: whatever of one organization stands there comes before all that others send next. And what is
answered together goes on together in the loop. So calls of many put little into the log at a time, and the next when that is decided.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

#: Lines of usage of one organization that are under way from one worker: some 20 ms of an engine's time.
LINES_UNDER_WAY_MAX: Final = 2_000
#: Lines as which a command of one line counts: it costs the loop and the engine as much as so many of a batch.
LINES_OF_A_COMMAND: Final = 50
#: The same of a command that is not of usage: one about a pool of a thousand keys takes an engine tens of milliseconds.
LINES_OF_A_SLOW_COMMAND: Final = 500


class Windows:
    """For one event loop."""

    def __init__(self, lines_max: int = LINES_UNDER_WAY_MAX) -> None:
        self._lines_max = lines_max
        self._under_way: Counter[str] = Counter()
        self._waiting: dict[str, deque[tuple[int, asyncio.Future[None]]]] = {}

    @asynccontextmanager
    async def within(self, organization_id: str, lines: int) -> AsyncIterator[None]:
        """Wait until so many lines more may be under way, and count them until the end. First come, first served; alone any number fits."""
        if organization_id in self._waiting or not self._fits(organization_id, lines):
            await self._wait(organization_id, lines)
        else:
            self._under_way[organization_id] += lines
        try:
            yield
        finally:
            self._end(organization_id, lines)

    def _fits(self, organization_id: str, lines: int) -> bool:
        under_way = self._under_way[organization_id]
        return not under_way or under_way + lines <= self._lines_max

    async def _wait(self, organization_id: str, lines: int) -> None:
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(organization_id, deque()).append((lines, begun))
        try:
            await begun
        except asyncio.CancelledError:
            if begun.done() and not begun.cancelled():  # It was let in, and gave up at the same moment.
                self._end(organization_id, lines)
            else:
                self._let_in(organization_id)
            raise

    def _end(self, organization_id: str, lines: int) -> None:
        self._under_way[organization_id] -= lines
        self._let_in(organization_id)

    def _let_in(self, organization_id: str) -> None:
        waiting = self._waiting.get(organization_id, deque())
        while waiting and (waiting[0][1].cancelled() or self._fits(organization_id, waiting[0][0])):
            lines, begun = waiting.popleft()
            if not begun.cancelled():
                self._under_way[organization_id] += lines
                begun.set_result(None)
        if not waiting:
            self._waiting.pop(organization_id, None)
            if not self._under_way[organization_id]:
                del self._under_way[organization_id]
