"""How a step works through its topic: at least once, in order, nothing missing, nothing invented.

For each batch, in this order:

1. Records are handled one after the other, on rows in memory that nobody else sees. What cannot be handled goes out
   to the quarantine like any other result.
2. What follows from them is written, and every write is acknowledged by the broker.
3. The changed rows are written to their compacted topic, and acknowledged.
4. The rows are remembered, and the offsets may be committed.

A crash before 3 repeats the batch from the old rows: the same results with the same ids, in the same order, which readers
recognise. A crash after 3, in whole or in part, repeats it too: rows that had advanced find nothing new in it, and what
followed was already written. So an advanced row proves that its results are in Kafka.

Any error in 2 and 3 ends the process: nothing later may be written after something is missing. The producer is
idempotent, so that the broker, too, refuses a batch after a missing one. A supervisor starts the process again.

Every offset is checked against the one that must come next: records that were skipped on the way to us are never
taken for handled, but asked for again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from entitlements.changes.facts import Unfit
from entitlements.changes.records import Outgoing
from entitlements.operations.onward import derived
from entitlements.operations.tracing import TRACEPARENT
from entitlements_schemas import WireError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from opentelemetry.trace import Span

    from entitlements.changes.records import Incoming, Quarantine
    from entitlements.changes.steps import Step
    from entitlements.changes.tables import Kafka, Loaded, Rows

log = logging.getLogger(__name__)

#: Records that may wait for acknowledgement before the rest of a batch is handled.
UNWRITTEN_MAX: Final = 5_000
#: How often a record that was skipped is asked for, and the seconds between.
ASK_AGAIN_TIMES_MAX: Final = 20
ASK_AGAIN_EVERY: Final = 0.5


class Broken(Exception):
    """The step failed; the process restarts from the committed offsets."""


class Write(Protocol):
    """Hands a record to the producer; what it returns is done when the broker has it."""

    async def __call__(self, record: Outgoing) -> Awaitable[Any]: ...


class GoTo(Protocol):
    """Makes the consumer go on at this offset."""

    async def __call__(self, topic: str, partition: int, offset: int) -> None: ...


@dataclass(slots=True)
class Asked:
    """A record that must come next, but did not: how often it was asked for, and when last."""

    offset: int
    times: int = 0
    at: float = -ASK_AGAIN_EVERY


@dataclass(slots=True)
class Turn:
    """One time of having partitions. next_offsets: by partition what must come next; asked: what was asked for again."""

    generation: int
    next_offsets: dict[int, int]
    asked: dict[int, Asked] = field(default_factory=dict)


@dataclass(slots=True)
class _Pending:
    """Handled, but not written yet."""

    rows: dict[tuple[int, bytes], Any] = field(default_factory=dict)
    results: list[Outgoing] = field(default_factory=list)
    next_offsets: dict[int, int] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)


class Lane:
    """One step at work. `begin`, then `finish` and `end` bracket a turn of having partitions; `work` is called between them."""

    def __init__(
        self,
        *,
        step: Step[Any, Any],
        rows: Rows,
        kafka: Kafka,
        quarantine: Quarantine,
        write: Write,
        go_to: GoTo,
        turn_for: float,
    ) -> None:
        """turn_for: seconds after which the group may have given our partitions to somebody else without our hearing it."""
        self.step = step
        self.rows = rows
        self.handled = 0
        self._kafka = kafka
        self._quarantine = quarantine
        self._write = write
        self._go_to = go_to
        self._turn_for = turn_for
        self._turn: Turn | None = None
        self._open = False
        self._working = asyncio.Lock()

    # --- Partitions come and go ----------------------------------------------------------------------------------

    async def begin(self, partitions: set[int], generation: int, still: Callable[[], bool] = lambda: True) -> None:
        """These partitions are ours, if they `still` are when all is ready: load their rows, find out where to go on.

        Raises ServerIsAway.
        """
        async with self._working:
            self._turn = None
            loaded = await asyncio.to_thread(self._kafka.load, self.step.rows_topic, sorted(partitions))
            next_offsets = await asyncio.to_thread(self._kafka.next_offsets, self.step.topic, sorted(partitions))
            if not still():
                return
            await self._mend(loaded)
            self.rows.replace(loaded)
            self._turn = Turn(generation, next_offsets)
            self._open = True
        log.debug("%s: %d rows of partitions %s", self.step.name, len(self.rows), sorted(partitions))

    async def finish(self) -> None:
        """Finish the batch at work and take no other; what is committable stays so until `end`. Raises TimeoutError."""
        async with asyncio.timeout(self._turn_for), self._working:
            self._open = False

    def end(self) -> None:
        """The partitions are not ours any more."""
        self._turn = None

    def committable(self) -> dict[tuple[str, int], int]:
        """By topic and partition the next offset, with everything before it handled and written."""
        turn = self._turn
        return {(self.step.topic, partition): offset for partition, offset in turn.next_offsets.items()} if turn else {}

    async def _mend(self, loaded: dict[int, Loaded]) -> None:
        writes = [
            await self._write(Outgoing(self.step.rows_topic, partition, key, value, []))
            for partition, part in loaded.items()
            for key, value in part.stale.items()
        ]
        if writes:
            log.warning("%s: rewrote %d rows that an older version had overwritten.", self.step.name, len(writes))
            await asyncio.gather(*writes)

    # --- A batch -------------------------------------------------------------------------------------------------

    async def work(self, messages: Sequence[tuple[Incoming, int]]) -> None:
        """Handle records, each with the generation it was read in. Raises Broken, or whatever a write raised."""
        async with self._working:
            turn, started_at = self._turn, time.monotonic()
            if turn is None or not self._open:
                return  # Read before the partitions went; whoever has them reads it again.
            pending = _Pending()
            for message, generation in messages:
                if not await self._is_next(turn, pending, message, generation):
                    continue
                self._handle(message, pending)
                if len(pending.results) >= UNWRITTEN_MAX:
                    await self._flush(turn, pending, started_at)
                    started_at = time.monotonic()
            await self._flush(turn, pending, started_at)

    async def _is_next(self, turn: Turn, pending: _Pending, message: Incoming, generation: int) -> bool:
        partition, offset = message.partition, message.offset
        if generation != turn.generation or partition not in turn.next_offsets:
            return False
        wanted = pending.next_offsets.get(partition, turn.next_offsets[partition])
        return offset == wanted or (offset > wanted and await self._nothing_is_between(turn, partition, wanted, offset))

    async def _nothing_is_between(self, turn: Turn, partition: int, wanted: int, offset: int) -> bool:
        """Whether the offsets between hold no record, such as the marks of a transaction. Else asks for them again."""
        asked = turn.asked.get(partition)
        if asked is None or asked.offset != wanted:
            first = await asyncio.to_thread(self._kafka.first_offset_from, self.step.topic, partition, wanted)
            if first == offset:
                return True
            asked = turn.asked[partition] = Asked(wanted)
        if time.monotonic() - asked.at >= ASK_AGAIN_EVERY:
            if asked.times >= ASK_AGAIN_TIMES_MAX:
                raise Broken(f"{self.step.topic}/{partition}: expected offset {wanted}, got {offset}.")
            log.debug("%s/%d: expected offset %d, got %d", self.step.topic, partition, wanted, offset)
            asked.times, asked.at = asked.times + 1, time.monotonic()
            await self._go_to(self.step.topic, partition, wanted)
        return False

    async def ask_for_what_is_late(self, late: dict[int, int]) -> None:
        """Make the consumer go back where records are there, but none came for a while. late: offsets by partition."""
        async with self._working:
            turn = self._turn
            if turn is not None and self._open:
                for partition, offset in late.items():
                    if turn.next_offsets.get(partition) == offset:
                        await self._go_to(self.step.topic, partition, offset)

    def _handle(self, message: Incoming, pending: _Pending) -> None:
        """Errors are the record's own: there is no I/O here."""
        partition = message.partition
        try:
            work = self.step.read(message)
            if work is not None:
                place = (partition, work.key)
                row = pending.rows.get(place)
                if row is None:
                    row = self.step.row(self.rows.get(*place))
                pending.results += self._traced(message, self.step.apply(row, work, message.offset), pending)
                pending.rows[place] = row
        except (Unfit, WireError) as error:
            said = (type(error).__doc__ or "").strip().splitlines()[0]
            self._put_aside(message, pending, error.code, f"{said} {error}".strip())
        except Exception as error:  # noqa: BLE001  (Whatever one record does must not stop the others.)
            self._put_aside(message, pending, "unexpected_error", f"{type(error).__name__}: {error}")
        pending.next_offsets[partition] = message.offset + 1
        self.handled += 1

    def _traced(self, message: Incoming, following: list[Outgoing], pending: _Pending) -> list[Outgoing]:
        """What follows carries on the trace of what it follows from."""
        if not following:
            return following
        span, traceparent = derived(self.step.follow, message.topic, message.offset, message.headers)
        if span is not None:
            pending.spans.append(span)
        if not traceparent:
            return following
        return [each._replace(headers=[*each.headers, (TRACEPARENT, traceparent)]) for each in following]

    def _put_aside(self, message: Incoming, pending: _Pending, code: str, reason: str) -> None:
        log.warning(
            "%s/%d/%d quarantined: %s. %s",
            message.topic,
            message.partition,
            message.offset,
            code,
            reason[:300],
        )
        pending.results.append(self._quarantine.record(message, code=code, reason=reason, now=datetime.now(UTC)))

    async def _flush(self, turn: Turn, pending: _Pending, started_at: float) -> None:
        """Steps 2 to 4."""
        await self._written(pending.results)
        for span in pending.spans:
            span.end()
        if time.monotonic() - started_at > self._turn_for:
            raise Broken(f"A batch took longer than {self._turn_for:.0f} s; the partitions may be reassigned by now.")
        rows = {place: self.step.row_to_bytes(row) for place, row in pending.rows.items()}
        rows = {place: value for place, value in rows.items() if value != self.rows.get(*place)}
        await self._written(
            [Outgoing(self.step.rows_topic, partition, key, value, []) for (partition, key), value in rows.items()]
        )
        for (partition, key), value in rows.items():
            self.rows.put(partition, key, value)
        turn.next_offsets.update(pending.next_offsets)
        pending.rows.clear()
        pending.results.clear()
        pending.spans.clear()
        pending.next_offsets.clear()

    async def _written(self, records: list[Outgoing]) -> None:
        await asyncio.gather(*[await self._write(record) for record in records])
