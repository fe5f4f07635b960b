"""What operators see of the engine: counted by the frame, not by the command, and traced where somebody asks for it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from entitlements.operations import metrics
from entitlements.operations.spans import FrameSpans, TracedCommands
from entitlements.operations.tracing import Headers

if TYPE_CHECKING:
    from entitlements.ledger.partition import Batch


class WrittenFrame:
    """A frame on its way: what it holds is counted now, how long it was away when it counts."""

    def __init__(
        self, batch: Batch, commands: int, traced: TracedCommands | None, frame_bytes: int, topic: str, began: float
    ) -> None:
        """Commands: how many. topic: of the commands. began: when deciding it began, in seconds of the monotonic clock."""
        self._written_at = time.monotonic()
        deciding_for = self._written_at - began
        metrics.ENGINE_COMMANDS.inc(commands)
        metrics.ENGINE_LINES.inc(batch.lines)
        metrics.ENGINE_FRAME_BYTES.inc(frame_bytes)
        metrics.ENGINE_DECIDING_SECONDS.inc(deciding_for)
        for code, count in Counter(refusal.code for refusal in batch.refusals).items():
            metrics.ENGINE_REFUSALS.labels(code).inc(count)
        self._spans = FrameSpans.begin(traced, topic, deciding_for)
        #: What the frame's record carries of its events.
        self.event_headers: Headers = []
        if self._spans is not None:
            self._spans.decided(batch.first_command, batch.last_command, batch.refusals)
            if batch.causes is not None:
                self.event_headers = self._spans.event_headers(batch.causes.found)

    @property
    def headers(self) -> Headers:
        """What the frame's record and its outcomes carry of it."""
        return [] if self._spans is None else self._spans.headers

    def confirmed(self, offset: int) -> None:
        """The frame counts."""
        metrics.ENGINE_FRAMES.inc()
        metrics.ENGINE_CONFIRMATION_SECONDS.observe(time.monotonic() - self._written_at)
        if self._spans is not None:
            self._spans.confirmed(offset)

    def given_up(self) -> None:
        """Nobody knows what became of it."""
        if self._spans is not None:
            self._spans.given_up()


def note_load(partitions: int, waiting: int) -> None:
    """How much an engine has to do."""
    metrics.ENGINE_PARTITIONS.set(partitions)
    metrics.ENGINE_WAITING.set(waiting)


def note_start_over() -> None:
    """A partition is learned again."""
    metrics.ENGINE_START_OVERS.inc()
