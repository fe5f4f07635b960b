"""Commands that come while others are under way go together: one request to the broker, and one frame of the ledger, for all of them.

A partition decides one frame at a time, so a command that arrives while one is decided waits anyway. Here it
waits where that saves requests to the broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

#: Seconds that a command waits at most for those before it: an engine that takes over may be silent for longer.
WAIT_FOR_MAX: Final = 0.005


class _Lane:
    """One partition. under_way: commands that were sent and are not answered."""

    __slots__ = ("timer", "under_way", "waiting")

    def __init__(self) -> None:
        self.under_way = 0
        self.waiting: dict[Place, Callable[[], None]] = {}
        self.timer: asyncio.TimerHandle | None = None

    def let_go(self) -> None:
        """Send whatever waits, in the order it came."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        waiting, self.waiting = self.waiting, {}
        self.under_way += len(waiting)
        for send in waiting.values():
            send()


class Place:
    """The place of one command, from when it comes until it is answered or given up: say `leave` then."""

    __slots__ = ("_lane",)

    def __init__(self, lane: _Lane) -> None:
        self._lane = lane

    def leave(self) -> None:
        """It is answered, or nobody waits for it any more; what was not sent yet is not sent."""
        lane = self._lane
        if lane.waiting.pop(self, None) is not None:
            return
        lane.under_way -= 1
        if not lane.under_way and lane.waiting:
            lane.let_go()


class Together:
    """For one event loop."""

    def __init__(self, wait_for_max: float = WAIT_FOR_MAX) -> None:
        self._wait_for_max = wait_for_max
        self._lanes: dict[int, _Lane] = {}

    def send(self, partition: int, send: Callable[[], None]) -> Place:
        """Call send, which raises nothing: at once, or when those of the partition are answered that are under way."""
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = _Lane()
        place = Place(lane)
        if not lane.under_way:
            lane.under_way = 1
            send()
            return place
        lane.waiting[place] = send
        if lane.timer is None:
            lane.timer = asyncio.get_running_loop().call_later(self._wait_for_max, lane.let_go)
        return place
