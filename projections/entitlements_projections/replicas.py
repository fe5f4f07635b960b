"""Which replicas of Postgres are fresh enough to be read: measured by what they have, not by what clocks say.

The positions of the projector stand in a table and move in the transaction that moves the rows. So a replica that shows the
positions which the primary showed at an instant has everything that the primary had then, and its lag is the time since: replaying
late, a connection that is cut, and a pause of the replay are all the same. No clock of another machine is asked.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import psycopg

from entitlements_projections.database import Connection, connect
from entitlements_projections.positions import read_offsets

_log = logging.getLogger(__name__)

#: Seconds between looks at each server: what a replica's lag is at least taken for.
LOOK_EVERY_FOR: Final = 0.2
#: Seconds until a server that does not answer is tried again.
TRY_AGAIN_AFTER_FOR: Final = 1.0
CONNECT_WITHIN_FOR: Final = 2
_NEVER: Final = float("-inf")


@dataclass(slots=True)
class _Seen:
    """What a replica had when it was looked at last, on the monotonic clock; never: it does not answer."""

    positions: Mapping[int, int] = field(default_factory=dict)
    at: float = _NEVER


class Replicas:
    """Watches a primary and its replicas, each in a thread of its own: `with Replicas(...) as replicas: replicas.fresh()`."""

    def __init__(self, primary: str, replicas: Sequence[str], *, lag_max_for: float) -> None:
        """Addresses are connection URLs. lag_max_for: seconds by which a replica that is read may be behind, at most."""
        assert lag_max_for > LOOK_EVERY_FOR, "a replica is never known to be fresher than the last look"
        self._primary, self._lag_max_for = primary, lag_max_for
        self._seen = {url: _Seen() for url in replicas}
        self._turn = itertools.count()
        #: What the primary had at instants of the monotonic clock, the newest last.
        self._history: deque[tuple[float, Mapping[int, int]]] = deque(maxlen=round(lag_max_for / LOOK_EVERY_FOR) + 2)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(url,), name="replicas", daemon=True)
            for url in (primary, *replicas)
        ]

    def fresh(self, at_least: Mapping[int, int] | None = None) -> list[str]:
        """The replicas that may be read now and have these positions, in the order in which to ask; they take turns."""
        now = time.monotonic()
        with self._lock:
            able = [
                url
                for url, seen in self._seen.items()
                if self._lag(seen, now) <= self._lag_max_for and _includes(seen.positions, at_least or {})
            ]
        if not able:
            return []
        first = next(self._turn) % len(able)
        return able[first:] + able[:first]

    def lags(self) -> dict[str, float]:
        """By replica the seconds by which it is behind at most; inf: it does not answer, or is behind by more than is remembered."""
        now = time.monotonic()
        with self._lock:
            return {url: self._lag(seen, now) for url, seen in self._seen.items()}

    def failed(self, url: str) -> None:
        """A replica did not answer: it is passed by until it is seen well again."""
        with self._lock:
            self._seen[url].at = _NEVER

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _lag(self, seen: _Seen, now: float) -> float:
        """The seconds since the primary had nothing that is not there. The lock is held."""
        if now - seen.at > self._lag_max_for:
            return float("inf")  # What it has may be enough, but it may not answer.
        return now - next((at for at, had in reversed(self._history) if _includes(seen.positions, had)), _NEVER)

    def _watch(self, url: str) -> None:
        connection: Connection | None = None
        while not self._stopping.is_set():
            try:
                if connection is None:
                    connection = connect(url, connect_within_for=CONNECT_WITHIN_FOR)
                self._look(url, connection)
                self._stopping.wait(LOOK_EVERY_FOR)
            except psycopg.Error as error:
                _log.warning("Skipping a Postgres server: %s", error)
                if url != self._primary:
                    self.failed(url)
                if connection is not None:
                    connection.close()
                connection = None
                self._stopping.wait(TRY_AGAIN_AFTER_FOR)
        if connection is not None:
            connection.close()

    def _look(self, url: str, connection: Connection) -> None:
        now = time.monotonic()  # Before the question: what it says was so then, or is newer.
        positions = read_offsets(connection)
        with self._lock:
            if url == self._primary:
                self._history.append((now, positions))
            else:
                self._seen[url] = _Seen(positions, now)


def _includes(position: Mapping[int, int], floor: Mapping[int, int]) -> bool:
    return all(position.get(partition, -1) >= offset for partition, offset in floor.items())
