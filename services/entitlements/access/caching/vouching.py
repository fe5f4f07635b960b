"""Until when everything that was decided has been published: then a view that nothing was heard about is as good as read anew.

The publisher stores its position with its group once a second, after everything before it is written. Where that is beyond the end that
the ledger had at an instant, all that was decided until this instant is in `entitlements.events`, and whoever has read that to its end
has heard of it. A publisher that stands still stores nothing, and the instant stays where it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from entitlements.access.caching.floors import Floors
from entitlements.errors import ServerIsAway
from entitlements.ledger import clients
from entitlements.ledger.ends import Place, TopicEnds
from entitlements.settings import Settings

_log = logging.getLogger(__name__)

#: Seconds between looks: as often as a publisher stores.
LOOK_EVERY_FOR: Final = 1.0
_ANSWER_FOR_MAX: Final = 2.0


class Published(NamedTuple):
    """All that was decided until an instant of the monotonic clock stands before these places."""

    at: float
    ends: Mapping[Place, int]


class Vouching:
    """Looks in a thread of its own, which the broker may hold up. `pass_on` tells floors what it has found."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ends = TopicEnds(settings, within_for=_ANSWER_FOR_MAX)
        self._found: Published | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vouching", daemon=True)

    def pass_on(self, floors: Floors, following: Mapping[Place, int]) -> None:
        """Vouch for floors that were raised by everything before these places."""
        found = self._found
        if found is not None and all(following.get(place, 0) >= end for place, end in found.ends.items()):
            floors.vouch(found.at)
            self._found = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()

    def _run(self) -> None:
        consumer: Consumer | None = None
        wanted: tuple[float, Mapping[int, int]] | None = None
        while not self._stopping.wait(LOOK_EVERY_FOR):
            try:
                consumer = consumer or clients.member(self._settings, "publisher")
                # One end is waited for until it is reached: the newest runs away from whoever stores once a second.
                wanted = wanted or (time.monotonic(), self._ends.of("ledger", range(self._settings.partitions)))
                at, ends = wanted
                stored = self._stored(consumer)
                if all(stored.get(partition, 0) >= end for partition, end in ends.items()):
                    partitions = range(self._settings.partitions)
                    events = self._settings.topic("events")
                    self._found = Published(at, self._ends.at((events, partition) for partition in partitions))
                    wanted = None
            except (KafkaException, ServerIsAway) as error:
                _log.debug("Nobody vouches for views: %s", error)
                wanted = None
                if consumer is not None:
                    consumer.close()
                    consumer = None
        if consumer is not None:
            consumer.close()

    def _stored(self, consumer: Consumer) -> dict[int, int]:
        topic = self._settings.topic("ledger")
        asked = [TopicPartition(topic, partition) for partition in range(self._settings.partitions)]
        found: list[Any] = consumer.committed(asked, timeout=_ANSWER_FOR_MAX)
        return {at.partition: max(at.offset, 0) for at in found if at.error is None}
