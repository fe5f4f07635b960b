"""Ends the process when it stands still: Faust's consumers have been seen to die in silence.

It asks the broker itself, in a thread of its own, and believes only committed offsets: whatever hangs, be it the consumer, the
event loop or the commits, shows in them.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from entitlements.changes.tables import Kafka

log = logging.getLogger(__name__)

#: Seconds without progress, though there is work, after which the process ends.
STANDSTILL_FOR_MAX: Final = 60.0
_LOOK_EVERY: Final = 5.0
_ANSWER_FOR_MAX: Final = 5.0

Place = tuple[str, int]


class Look(NamedTuple):
    """What the broker says of one partition: the offset committed (none: 0 or less) and its end."""

    committed: int
    first: int
    end: int

    @property
    def has_work(self) -> bool:
        """Whether something is there that is not handled."""
        return max(self.committed, self.first) < self.end


class Standstill:
    """Since when each partition that has work has not moved. No I/O; times are seconds of a monotonic clock."""

    def __init__(self, limit_for: float = STANDSTILL_FOR_MAX) -> None:
        self._limit_for = limit_for
        self._since: dict[Place, tuple[int, float]] = {}

    def see(self, looks: dict[Place, Look], now: float) -> list[Place]:
        """The partitions that had work and did not move for too long."""
        before, self._since = self._since, {}
        for place, look in looks.items():
            if look.has_work:
                committed, since = before.get(place, (None, now))
                self._since[place] = (look.committed, since if committed == look.committed else now)
        return [place for place, (_, since) in self._since.items() if now - since > self._limit_for]

    def forget(self) -> None:
        """The broker does not answer: nobody can make progress, and nobody is to blame."""
        self._since.clear()


class Watchdog(threading.Thread):
    """Calls `bite` with a sentence when partitions that are ours stand still; with none of ours, when any does.

    A worker that has nothing while the others work is idle. One that has nothing while nobody works is stuck.
    """

    def __init__(
        self, *, kafka: Kafka, everything: Iterable[Place], ours: Callable[[], set[Place]], bite: Callable[[str], None]
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._kafka = kafka
        self._everything = sorted(everything)
        self._ours = ours
        self._bite = bite
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def run(self) -> None:
        """Look every few seconds until stopped."""
        standstill = Standstill()
        with closing(self._kafka.consumer()) as consumer:
            while not self._stopping.wait(_LOOK_EVERY):
                try:
                    looks = self._look(consumer)
                except KafkaException as error:
                    log.debug("The watchdog gets no response: %s", error)
                    standstill.forget()
                    continue
                ours = self._ours()
                looks = {place: look for place, look in looks.items() if place in ours or not ours}
                if stuck := standstill.see(looks, time.monotonic()):
                    self._bite(f"No progress for {STANDSTILL_FOR_MAX:.0f} s on {stuck}, though there is work.")

    def _look(self, consumer: Consumer) -> dict[Place, Look]:
        places = [TopicPartition(*place) for place in self._everything]
        looks: dict[Place, Look] = {}
        for place in consumer.committed(places, timeout=_ANSWER_FOR_MAX):
            first, end = consumer.get_watermark_offsets(place, timeout=_ANSWER_FOR_MAX)
            looks[place.topic, place.partition] = Look(place.offset, first, end)
        return looks
