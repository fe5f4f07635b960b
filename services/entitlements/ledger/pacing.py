"""How often who follows the ledger reads it: at once after a pause, and while frames keep coming not more than once every so often.

A transaction, or a request to the broker, costs much the same for one frame as for forty. So frames that come one by one share them,
and one that comes after a pause waits for no other.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds from one read to the next while frames keep coming: how long a frame waits for others at most.
READ_EVERY_FOR: Final = 0.02


class Pace:
    """When to read again."""

    def __init__(self, every_for: float = READ_EVERY_FOR, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_for, self._clock = every_for, clock
        self._next = float("-inf")

    def rest_for(self) -> float:
        """Seconds until the next read; 0: it is time."""
        return max(0.0, self._next - self._clock())

    def has_read(self, frames: int, frames_max: int) -> None:
        """So many frames have been read, of at most so many. No rest after as many as that: there are more, and nothing to wait for."""
        if frames >= frames_max:
            self._next = float("-inf")
        elif frames:
            self._next = self._clock() + self._every_for
