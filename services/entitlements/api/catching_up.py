"""What the read models do not know is unknown only once they have all that was decided until now.

A customer that was made a moment ago, or usage that was recorded then, may not be there yet. To call it unknown would be an answer for
good: the usage of a new customer would be lost, and a repeat would count twice in another pool. So either the read models reach the end
of the ledger, or the answer is one that passes (503).

The end of a partition may be a record that never counts, such as a rival's frame (ledger/chain.py), and no read model ever stands there.
Then the ledger itself is read from where the read models stand.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import closing
from typing import Final, TypeAlias

from confluent_kafka import KafkaException

from entitlements.api.reaching import Latest
from entitlements.errors import LedgerError, ServerIsAway
from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.tail import LedgerTail
from entitlements.settings import Settings
from entitlements_projections.errors import NotReachedYet

#: Seconds that the read models are waited for.
KNOWN_WITHIN_FOR: Final = 2.0
#: Seconds for reading what follows in the ledger.
READ_WITHIN_FOR: Final = 5.0

#: By partition: where the read models stand, the first frame after it that counts (None: there is none), and the end up to which it was looked.
Following: TypeAlias = Mapping[int, tuple[int, int | None, int]]


class CatchingUp:
    """For one event loop.

    reach: waits so many seconds until the read models know offsets by partition, or raises NotReachedYet. ends: where each partition of
    the ledger ends. follow: what follows in the ledger after what the read models know.
    """

    def __init__(
        self,
        reach: Callable[[Mapping[int, int], float], Awaitable[None]],
        ends: Latest[dict[int, int]],
        follow: Callable[[], Awaitable[Following]],
    ) -> None:
        self._reach, self._ends, self._following = reach, ends, Latest(follow)
        #: By partition: a frame, and the last record after it when it was looked whether one of them counts: none does.
        self._idle: dict[int, tuple[int, int]] = {}

    async def wait(self, partitions: Collection[int] | None = None) -> None:
        """Wait until the read models have all that was decided until now; partitions: of these alone. Raises ServerIsAway: they have not."""
        ends = await self._ends.get()
        last = {partition: ends[partition] - 1 for partition in partitions or ends if ends[partition]}
        counting = {partition: self._that_counts(partition, at) for partition, at in last.items()}
        try:
            await self._reach(counting, KNOWN_WITHIN_FOR)
        except NotReachedYet as error:
            following = await self._following.get()
            self._idle |= {p: (known, before - 1) for p, (known, first, before) in following.items() if first is None}
            firsts = {partition: first for partition, (_, first, _) in following.items() if first is not None}
            if any(firsts.get(partition, at + 1) <= at for partition, at in last.items()):
                raise ServerIsAway(f"The read models are behind the ledger. {error}") from error

    def _that_counts(self, partition: int, at: int) -> int:
        known, idle_until = self._idle.get(partition, (at, at))
        return known if known < at <= idle_until else at


def what_follows(settings: Settings, known: Mapping[int, ChainPosition], ends: Mapping[int, int]) -> Following:
    """Of each partition that ends after what is known: the first frame there that counts. Raises ServerIsAway."""
    start = {p: known.get(p, ChainPosition()) for p in ends}
    behind = {partition: at for partition, at in start.items() if at.offset < ends[partition] - 1}
    found: dict[int, tuple[int, int | None, int]] = {}
    until = time.monotonic() + READ_WITHIN_FOR
    try:
        with closing(LedgerTail(settings, behind)) as tail:
            while behind:
                for frame in tail.read(max_frames=100):
                    if frame.partition in behind:
                        at = behind.pop(frame.partition)
                        found[frame.partition] = (at.offset, frame.offset, ends[frame.partition])
                for partition in [each for each in behind if tail.next_offset(each) >= ends[each]]:
                    found[partition] = (behind.pop(partition).offset, None, ends[partition])
                if behind and time.monotonic() > until:
                    raise ServerIsAway("Reading the ledger timed out.")
    except (LedgerError, KafkaException) as error:
        raise ServerIsAway(f"The ledger cannot be read: {error}") from error
    return found
