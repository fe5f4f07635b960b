"""Which frames of ours count (docs/architecture.md 3.6): by the broker's word where that is enough, else by the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from confluent_kafka import Message

from entitlements.errors import ServerIsAway
from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.ends import TopicEnds
from entitlements.ledger.owned import Owned, UnderWay
from entitlements.ledger.tail import LedgerFrame, LedgerTail
from entitlements.settings import Settings

_log = logging.getLogger(__name__)

#: A frame of which nobody says whether it counts for so long (seconds) is given up, and the log asked what became of it.
CONFIRMED_WITHIN_FOR: Final = 45.0
#: Seconds to wait for where the ledger ends.
_END_WITHIN_FOR: Final = 0.5


class Frames:
    """The frames under way of all partitions that an engine owns.

    The log of a partition is read only where the broker's word does not tell: from the frame of our position to the one under way, or
    to its end where somebody else has written behind us.
    """

    def __init__(
        self,
        settings: Settings,
        owned: Mapping[int, Owned],
        confirmed: Callable[[Owned, UnderWay], None],
        start_over: Callable[[int, str], None],
        on_foreign: Callable[[Message], None],
    ) -> None:
        """confirmed: hears of each frame that counts, once. start_over: of a partition whose state is worth nothing, and why."""
        self._topic = settings.topic("ledger")
        self._owned, self._confirmed, self._start_over = owned, confirmed, start_over
        self._tail = LedgerTail(settings, {}, on_foreign)
        self._ends = TopicEnds(settings, within_for=_END_WITHIN_FOR)

    def look(self) -> None:
        """What has become of frames under way. Raises LedgerError: the ledger does not continue."""
        now = time.monotonic()
        for number, owned in list(self._owned.items()):
            under_way, before = owned.under_way, owned.partition.position
            if under_way is None:
                continue
            if under_way.failed or now - under_way.since > CONFIRMED_WITHIN_FOR:
                self._start_over(number, "nobody knows what became of a frame")
            elif under_way.offset == before.offset + 1:  # Nothing stands between.
                self._confirm(
                    owned, ChainPosition(before.offset + 1, under_way.last_command, under_way.hash, before.tips)
                )
            elif under_way.offset is not None and not owned.is_read:
                self._read_log(owned)
        for frame in self._tail.read(timeout=0):
            self._read(frame)
        self._stop_reading()

    def look_at_ends(self) -> None:
        """Where nothing is under way, what somebody else has written is found: a rival's frame, or one that was altered."""
        quiet = {n: owned for n, owned in self._owned.items() if owned.under_way is None and not owned.is_read}
        if not quiet:
            return
        try:
            ends = self._ends.at((self._topic, number) for number in quiet)
        except ServerIsAway as error:
            _log.debug("Ends of the ledger unknown: %s", error)
            return
        for (_, number), end in ends.items():
            owned = quiet[number]
            if end > max(owned.partition.position.offset + 1, owned.known_end):
                owned.known_end = end
                self._read_log(owned)

    def forget(self, partitions: Iterable[int]) -> None:
        """Read nothing more of these partitions."""
        self._tail.drop(partitions)

    def close(self) -> None:
        """Stop reading."""
        self._tail.close()

    def _read_log(self, owned: Owned) -> None:
        """Read what stands behind the frame of our position."""
        owned.is_read = True
        self._tail.add({owned.partition.number: owned.partition.position})

    def _read(self, frame: LedgerFrame) -> None:
        """A valid frame of a partition whose log is read."""
        owned = self._owned.get(frame.partition)
        if owned is None or not owned.is_read or frame.offset <= owned.partition.position.offset:
            return
        under_way = owned.under_way
        if under_way is None or frame.position_after.hash != under_way.hash:
            self._start_over(frame.partition, f"frame {frame.offset} was written by a rival")
            return
        self._confirm(owned, frame.position_after)

    def _stop_reading(self) -> None:
        """Where nothing is looked for any more."""
        for number, owned in self._owned.items():
            if owned.is_read and owned.under_way is None and self._tail.next_offset(number) >= owned.known_end:
                owned.is_read = False
                self._tail.drop([number])

    def _confirm(self, owned: Owned, position: ChainPosition) -> None:
        under_way = owned.under_way
        assert under_way is not None, "it is confirmed once"
        owned.partition.position, owned.under_way = position, None
        self._confirmed(owned, under_way)
