"""Hands what happened to the streams of a worker, a few at a time, so that many streams never keep a question waiting."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from entitlements.api.following import Follower, Place, Told

#: Streams that are handed something before others have their turn: each costs some 50 us to wake and send.
AT_ONCE: Final = 5
#: Of the time of the loop, the share that streams may take: after a round they rest for this many times as long as it took.
REST: Final = 2.0


class Batch(list[Told]):
    """What an organization was told, in order; the same object for all of its streams."""

    __slots__ = ("here", "rendered")

    def __init__(self, told: Sequence[Told] = (), here: Mapping[Place, int] | None = None) -> None:
        super().__init__(told)
        #: Where a stream stands after it: the next offset of each place, with what others were told meanwhile.
        self.here: Mapping[Place, int] = here or {}
        #: As bytes, and where streams stand afterwards, by where they stood before: most streams stand where others do.
        self.rendered: dict[tuple[tuple[Place, int], ...], tuple[bytes, dict[Place, int]]] = {}


class Listener(Protocol):
    """One stream."""

    def enqueue(self, batch: Batch | None) -> None:
        """Take what happened; in the loop. None: something was missed, load everything again."""
        ...


class Fanout:
    """Hears the follower for all streams of one event loop. What happens while a round goes on is one batch of the next."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._loop = asyncio.get_running_loop()
        self._listeners: dict[str, set[Listener]] = defaultdict(set)
        self._waiting: list[Told] = []
        self._missed = False
        self._here: dict[Place, int] = {}
        self._round: asyncio.Task[None] | None = None
        follower.attach(self._hear)

    def attach(self, organization_id: str, listener: Listener) -> None:
        """Hand a stream what happens from now on, to its organization and to everybody."""
        self._listeners[organization_id].add(listener)

    def detach(self, organization_id: str, listener: Listener) -> None:
        """Hand a stream nothing any more."""
        self._listeners[organization_id].discard(listener)
        if not self._listeners[organization_id]:
            del self._listeners[organization_id]

    def _hear(self, told: list[Told] | None) -> None:
        """In the follower's thread."""
        self._loop.call_soon_threadsafe(self._take, told)

    def _take(self, told: list[Told] | None) -> None:
        if told is None:
            self._missed = True
        else:
            self._waiting += told
            self._here |= {one.place: one.offset + 1 for one in told}
        if self._round is None or self._round.done():
            self._round = self._loop.create_task(self._go_round())

    async def _go_round(self) -> None:
        """Until nothing waits. Bounded by the streams there are; a cancellation at the worker's end loses nothing that is kept."""
        while self._waiting or self._missed:
            told, self._waiting = self._waiting, []
            missed, self._missed = self._missed, False
            here = dict(self._here)
            began_at = self._loop.time()
            if missed:
                await self._hand([one for those in self._listeners.values() for one in those], None)
            else:
                for organization_id, batch in _by_organization(told, list(self._listeners)).items():
                    await self._hand(list(self._listeners.get(organization_id, ())), Batch(batch, here))
            await asyncio.sleep((self._loop.time() - began_at) * REST)

    @staticmethod
    async def _hand(listeners: Sequence[Listener], batch: Batch | None) -> None:
        for place, listener in enumerate(listeners, 1):
            listener.enqueue(batch)
            if place % AT_ONCE == 0:
                await asyncio.sleep(0)
                await asyncio.sleep(0)  # They have rendered and sent what they were handed.


def _by_organization(told: Sequence[Told], listening: Sequence[str]) -> dict[str, list[Told]]:
    """What each organization that listens hears, in order: its own, and what concerns everybody."""
    found: dict[str, list[Told]] = {}
    names = frozenset(listening)
    for one in told:
        for name in listening if one.organization_id is None else (one.organization_id,):
            if name in names:
                found.setdefault(name, []).append(one)
    return found
