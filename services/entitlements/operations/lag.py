"""How far the read models are behind the ledger: watched every second by a thread.

The lag of a partition is the time since the read models knew all of it: whoever looks notes the end of the ledger, and when the
read models reach it. So an hour without any frame is no lag of an hour, and nobody's clock matters but ours.

How old the read models were when we began to look, nobody noted. So a partition is first caught up with: up to the end it had at the
first look, and again when its position goes back, because its tables were dropped or restored.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

import psycopg

from entitlements.errors import ServerIsAway
from entitlements.ledger.ends import TopicEnds
from entitlements.operations.metrics import PROJECTION_LAG_FRAMES, PROJECTION_LAG_SECONDS
from entitlements.settings import Settings
from entitlements_projections.database import connect
from entitlements_projections.positions import read_offsets

LOOK_EVERY_FOR: Final = 1.0
ANSWER_WITHIN_FOR: Final = 5.0
#: Ends remembered of a partition: above it the oldest stays, and only how long ago exactly becomes coarser.
_ENDS_MAX: Final = 1_000

_log = logging.getLogger(__name__)


class PartitionLag:
    """The lag of one partition, from what was seen of its end and of the read models."""

    def __init__(self) -> None:
        #: (end of the ledger, when it was first seen), rising.
        self._ends: deque[tuple[int, float]] = deque()
        self.frames = 0
        self.known = 0
        #: The end to reach before the lag means anything; None: it was reached.
        self.goal: int | None = None
        self._is_seen = False

    def see(self, end: int, known: int, now: float) -> float:
        """The ledger ends before offset `end`, the read models know what is before `known`: the lag in seconds."""
        if (not self._ends or self._ends[-1][0] < end) and len(self._ends) < _ENDS_MAX:
            self._ends.append((end, now))
        while self._ends and self._ends[0][0] <= known:
            self._ends.popleft()
        self.frames = max(0, end - known)
        if not self._is_seen or known < self.known:
            self.goal = end
        if self.goal is not None and known >= self.goal:
            self.goal = None
        self._is_seen, self.known = True, known
        return now - self._ends[0][1] if self._ends and self.frames else 0.0


class ProjectionLag:
    """Watches the lag of all partitions. Close it."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._ends = TopicEnds(settings, within_for=ANSWER_WITHIN_FOR)
        self._partitions = {number: PartitionLag() for number in range(settings.partitions)}
        self._seconds: float | None = None
        self._looked_at = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="projection-lag", daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float | None:
        """The largest lag of a partition, in seconds; None: nobody could look for a while."""
        return None if self._monotonic() - self._looked_at > 3 * ANSWER_WITHIN_FOR else self._seconds

    @property
    def catching_up(self) -> dict[int, tuple[int, int]]:
        """By partition that the read models have yet to catch up with: the frames they have, of how many."""
        return {
            number: (partition.known, partition.goal)
            for number, partition in self._partitions.items()
            if partition.goal is not None
        }

    def close(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join(ANSWER_WITHIN_FOR)

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(connect(self._settings.postgres)) as connection:
                    while not self._stopping.is_set():
                        self._look(connection)
                        self._stopping.wait(LOOK_EVERY_FOR)
            except (psycopg.Error, ServerIsAway) as error:
                # Readiness says that it is not known; Postgres and Kafka have checks of their own.
                _log.debug("Lag unknown: %s", error)
                self._stopping.wait(LOOK_EVERY_FOR)

    def _look(self, connection: Any) -> None:
        ends = self._ends.of("ledger", self._partitions)
        known = read_offsets(connection)  # After the ends: what is written meanwhile makes no lag.
        now, seconds = self._monotonic(), 0.0
        for number, partition in self._partitions.items():
            lag = partition.see(ends[number], known.get(number, -1) + 1, now)
            PROJECTION_LAG_SECONDS.labels(number).set(lag)
            PROJECTION_LAG_FRAMES.labels(number).set(partition.frames)
            seconds = max(seconds, lag)
        self._seconds, self._looked_at = seconds, now
