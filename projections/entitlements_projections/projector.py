"""The projector: reads the ledger's valid frames and keeps the tables.

Started any number of times it shares the partitions with the others. It goes on by itself when Postgres or Kafka was
away, and starts again from the positions in Postgres whenever anything is in doubt. It stops with an error when the
ledger does not continue, and when the database refuses what the ledger says.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import psycopg
from confluent_kafka import KafkaException

from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.clients import PACED
from entitlements.ledger.frames import decode_plain_events
from entitlements.ledger.pacing import Pace
from entitlements.ledger.tail import LedgerFrame, LedgerTail
from entitlements.operations.metrics import PROJECTOR_FRAMES, PROJECTOR_WRITE_SECONDS
from entitlements.operations.onward import projecting
from entitlements_projections.assignment import Membership
from entitlements_projections.database import connect
from entitlements_projections.errors import FrameCannotBeProjected, PositionMoved
from entitlements_projections.positions import read_offsets, read_positions
from entitlements_projections.writing import ProjectedFrame, Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from threading import Event

    from entitlements.settings import Settings

#: Frames asked for at once.
BATCH_FRAMES_MAX: Final = 500
#: A transaction takes frames until it has this many bytes of them: some 20,000 to 40,000 lines.
BATCH_BYTES_MAX: Final = 2 * 1024 * 1024
#: Seconds to wait for the next frame: bounds how late a stop is noticed, not how late a frame is read.
IDLE_FOR: Final = 0.05
#: Seconds between looks at the stored positions: tables that were dropped or restored are noticed without a new frame.
POSITIONS_EVERY_FOR: Final = 2.0
#: Seconds between attempts while a server is away: doubled from the first to the last.
BACKOFF_FOR_MIN: Final = 0.1
BACKOFF_FOR_MAX: Final = 5.0
#: Attempts on one batch that the database refuses, before that is taken for final.
REFUSALS_MAX: Final = 3

#: What passes by itself: a server is away, two transactions waited in a circle, or the tables are not made yet.
_AWAY: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedTable,
    KafkaException,
)

_log = logging.getLogger("entitlements.projector")


def run(settings: Settings, stopping: Event) -> None:
    """Project until stopping is set. A crash anywhere loses and doubles nothing: rows and position are one transaction.

    Raises LedgerIsCorrupt or LedgerHasAGap, and FrameCannotBeProjected. Waits while a server is away.
    """
    membership = Membership(settings)
    backoff_for, refusals = BACKOFF_FOR_MIN, 0
    try:
        while not stopping.is_set():
            session = None
            try:
                session = _Session(settings, membership)
                session.run(stopping)
            except PositionMoved as moved:
                _log.info("Restarting from the stored positions: %s", moved)
            except _AWAY as away:
                _log.warning("Retrying in %.1f s: %s", backoff_for, away)
            except psycopg.Error as refused:
                # Once may be chance, such as a schema that was exchanged in between; again and again is a fact.
                refusals += 1
                if refusals >= REFUSALS_MAX:
                    raise FrameCannotBeProjected(str(refused)) from refused
            finally:
                if session is not None:
                    session.close()
            if session is not None and session.has_written:
                backoff_for, refusals = BACKOFF_FOR_MIN, 0
            stopping.wait(backoff_for)
            backoff_for = min(2 * backoff_for, BACKOFF_FOR_MAX)
    finally:
        membership.close()


class _Session:
    """One connection and one reader, from positions read once. Thrown away when anything goes wrong."""

    def __init__(self, settings: Settings, membership: Membership) -> None:
        self._settings = settings
        self._membership = membership
        self.has_written = False
        self._connection = connect(settings.postgres)
        try:
            self._writer = Writer(self._connection)
            self._tail = LedgerTail(settings, {}, properties=PACED)
        except BaseException:
            self._connection.close()
            raise
        self._pace = Pace()
        self._partitions: frozenset[int] = frozenset()
        self._look_at = time.monotonic() + POSITIONS_EVERY_FOR

    def run(self, stopping: Event) -> None:
        """Write what there is, in batches, until stopping is set."""
        while not stopping.is_set():
            self._follow_assignment()
            if not self._partitions:
                stopping.wait(IDLE_FOR)
                continue
            stopping.wait(self._pace.rest_for())
            frames = self._tail.read(BATCH_FRAMES_MAX, IDLE_FOR)
            self._pace.has_read(len(frames), BATCH_FRAMES_MAX)
            for batch in batches(frames):
                with PROJECTOR_WRITE_SECONDS.time(), projecting([frame.event_traceparents for frame in batch]):
                    self._writer.write([projected(frame) for frame in batch])
                PROJECTOR_FRAMES.inc(len(batch))
                self.has_written = True
            self._look_at_positions()

    def close(self) -> None:
        """Let go of everything; what was not committed never happened."""
        self._tail.close()
        self._connection.close()

    def _look_at_positions(self) -> None:
        """Raises PositionMoved when the tables no longer stand where we left them."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + POSITIONS_EVERY_FOR
        stored = read_offsets(self._connection)
        for partition in sorted(self._partitions):
            ours = self._writer.offsets.get(partition)
            if stored.get(partition) != ours:
                raise PositionMoved(f"Partition {partition} is at {stored.get(partition)}, no longer at {ours}.")

    def _follow_assignment(self) -> None:
        partitions = self._membership.poll()
        if partitions == self._partitions:
            return
        # Whoever had them before may have written meanwhile: only what Postgres says counts.
        stored = read_positions(self._connection)
        self._writer.offsets = {partition: position.offset for partition, position in stored.items()}
        self._tail.assign({partition: stored.get(partition, ChainPosition()) for partition in partitions})
        self._partitions = partitions
        _log.info("Projecting partitions %s", sorted(partitions))


def projected(frame: LedgerFrame) -> ProjectedFrame:
    """What the tables need of a frame."""
    body = decode_plain_events(frame.value)
    return ProjectedFrame(frame.partition, frame.position_after, body.decided_at, body.events)


def batches(frames: Iterable[LedgerFrame], bytes_max: int = BATCH_BYTES_MAX) -> Iterator[list[LedgerFrame]]:
    """Cut frames into batches of at most so many bytes; a bigger frame is a batch of its own."""
    batch: list[LedgerFrame] = []
    size = 0
    for frame in frames:
        if batch and size + len(frame.value) > bytes_max:
            yield batch
            batch, size = [], 0
        batch.append(frame)
        size += len(frame.value)
    if batch:
        yield batch
