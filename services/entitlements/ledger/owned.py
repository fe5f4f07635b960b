"""A partition that an engine owns: the commands that wait, and the frame that is under way."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from entitlements.ledger.snapshots import Snapshots

if TYPE_CHECKING:
    from confluent_kafka import Message

    from entitlements.ledger.observing import WrittenFrame
    from entitlements.ledger.outcomes import Result
    from entitlements.ledger.partition import Partition
    from entitlements.settings import Settings

#: Bounds of one frame: commands, and bytes of commands. What is decided is about as large as what was asked.
BATCH_COMMANDS_MAX: Final = 5_000
BATCH_BYTES_MAX: Final = 512 * 1024


@dataclass
class UnderWay:
    """A frame that was written, and of which nobody knows yet that it counts."""

    hash: bytes
    last_command: int
    results: list[tuple[str, Result]]
    seen: WrittenFrame
    since: float = field(default_factory=time.monotonic)
    failed: bool = False
    #: Where the broker says that it stands; None: it has not said yet. Below zero: it was written, nobody knows where.
    offset: int | None = None


class Owned:
    """A partition that this engine owns."""

    def __init__(self, settings: Settings, partition: Partition, producer: Any) -> None:
        self.partition = partition
        self.waiting: deque[Message] = deque()
        self.under_way: UnderWay | None = None
        self.snapshots = Snapshots(settings, producer, partition)
        self.committed = -1
        #: The log is known up to here: what stands after the frame of our position counts for nothing.
        self.known_end = 0
        #: The log is read: for the frame under way, or for what somebody else has written.
        self.is_read = False
        #: Commands in the next frame at most; less than usual after a frame that became too large.
        self.batch_commands_max = BATCH_COMMANDS_MAX

    def next_batch(self) -> list[Message]:
        """Commands for one frame, without those that are decided already."""
        batch: list[Message] = []
        size = 0
        decided = self.partition.position.last_command if self.partition.position.offset >= 0 else -1
        while self.waiting and len(batch) < self.batch_commands_max and size < BATCH_BYTES_MAX:
            message = self.waiting.popleft()
            if message.offset() > decided:  # type: ignore[operator]
                batch.append(message)
                size += len(message)
        return batch
