"""All tables anew from the whole ledger, beside the live ones; compared with them row by row; then swapped in.

Live projectors go on all the while. The comparison is exact all the same: in one repeatable-read transaction the live
tables and their positions are a snapshot, and the new tables are brought to just these positions before rows are
compared. Tables that are behind the end of the ledger prove nothing about the rest of it: the report names them. The swap renames both schemas in one transaction, behind a gate that every projector passes, so no batch goes
to tables that are on their way out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from psycopg import sql

from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.tail import LedgerTail
from entitlements_projections import reporting
from entitlements_projections.comparing import TableComparison, compare
from entitlements_projections.database import LIVE, Connection, connect
from entitlements_projections.errors import LedgerIsShort, LockIsHeld
from entitlements_projections.locks import patiently
from entitlements_projections.migrations import migrate
from entitlements_projections.positions import read_offsets, read_positions
from entitlements_projections.privileges import explained
from entitlements_projections.projector import batches, projected
from entitlements_projections.reporting.rights import READER, grant_reading
from entitlements_projections.statements import statement
from entitlements_projections.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entitlements.settings import Settings

#: Schema of the tables under construction, and of those that were swapped out until they are dropped.
SHADOW: Final = "entitlements_rebuild"
RETIRED: Final = "entitlements_retired"
#: A rebuild has no reader who waits: larger transactions.
_BATCH_BYTES_MAX: Final = 8 * 1024 * 1024
#: Seconds without a frame after which a ledger that should have more is said to be short.
SILENCE_FOR_MAX: Final = 30.0
#: Seconds a comparison waits for live projectors to reach the end of the ledger, and between two looks.
CATCH_UP_WITHIN_FOR: Final = 10.0
_LOOK_EVERY_FOR: Final = 0.1

#: Hears how many offsets of the ledger are done, and of how many.
Progress: TypeAlias = Callable[[int, int], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Behind:
    """A partition whose live tables lack frames: rows were compared up to there."""

    partition: int
    #: Frames in the live tables, and in the ledger.
    compared: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a rebuild found."""

    tables: list[TableComparison]
    #: Offsets of the ledger, by partition, at which both were compared.
    offsets: dict[int, int] = field(default_factory=dict)
    #: Offset of the last valid frame of each partition when the comparison began.
    ends: dict[int, int] = field(default_factory=dict)
    swapped: bool
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether the live tables have the whole ledger, and every row of every table is the same."""
        return self.rows_match and not self.behind

    @property
    def rows_match(self) -> bool:
        """Whether every row of every table is the same, up to where they were compared."""
        return all(table.equal for table in self.tables)

    @property
    def behind(self) -> list[Behind]:
        """The partitions that were not compared to their end."""
        return [
            Behind(partition=partition, compared=self.offsets.get(partition, -1) + 1, frames=end + 1)
            for partition, end in sorted(self.ends.items())
            if self.offsets.get(partition, -1) < end
        ]

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each rebuilt table."""
        return {table.table: table.rows for table in self.tables}


def rebuild(
    settings: Settings,
    conninfo: str | None = None,
    progress: Progress = lambda done, total: None,  # noqa: ARG005 - names are the contract.
    *,
    compare_only: bool = False,
    catch_up_within_for: float = CATCH_UP_WITHIN_FOR,
) -> Report:
    """Rebuild every table, compare with the live ones, and put the new ones in their place unless compare_only.

    With compare_only live tables have catch_up_within_for seconds to reach the end of the ledger first. Differences are
    reported, not raised; the new tables are the truth and are swapped in all the same. One rebuild at a time: a second one
    waits. Raises LedgerIsCorrupt, LedgerHasAGap, LedgerIsShort, LockIsHeld, RightsAreMissing, psycopg.OperationalError.
    """
    started = time.monotonic()
    conninfo = conninfo or settings.postgres
    migrate(conninfo)
    with (
        closing(connect(conninfo)) as guard,
        closing(connect(conninfo)) as connection,
        explained(connection, LIVE, creates_schemas=True),
        guard.transaction(),
    ):
        # A transaction for as long as it takes, which holds one lock and no snapshot: readers may not take it.
        guard.execute("set local idle_in_transaction_session_timeout = 0")
        guard.execute("lock table rebuild_gate in exclusive mode")
        # Before anything is dropped: after a crash between swap and renewal the views read tables that were swapped out.
        reporting.install(conninfo)
        for left_over in (SHADOW, RETIRED):
            _drop(conninfo, connection, left_over)
        migrate(conninfo, SHADOW)
        grant_reading(connection, SHADOW, READER)
        try:
            with closing(connect(conninfo, SHADOW)) as shadow:
                new = _NewTables(settings, shadow, progress)
                new.catch_up(read_offsets(connection))
                ends = new.ends(read_offsets(connection))
                if compare_only:
                    _wait_until_reached(connection, ends, catch_up_within_for)
                tables, offsets = new.compare_with_live()
                if not compare_only:
                    new.catch_up(new.ends(offsets))
                    new.swap()
            if not compare_only:
                _retire(conninfo, guard)
        finally:
            _drop(conninfo, connection, SHADOW)
    return Report(
        tables=tables, offsets=offsets, ends=ends, swapped=not compare_only, seconds=time.monotonic() - started
    )


def _wait_until_reached(connection: Connection, ends: Mapping[int, int], within_for: float) -> None:
    """Wait until live projectors have written the ledger up to these offsets, or time is up."""
    until = time.monotonic() + within_for
    while time.monotonic() < until:
        known = read_offsets(connection)
        if all(known.get(partition, -1) >= end for partition, end in ends.items()):
            return
        time.sleep(_LOOK_EVERY_FOR)


class _NewTables:
    """The tables under construction."""

    def __init__(self, settings: Settings, connection: Connection, progress: Progress) -> None:
        self._settings = settings
        self._connection = connection
        self._writer = Writer(connection, notify=False)
        self._progress = progress

    def catch_up(self, targets: Mapping[int, int]) -> None:
        """Go on to these offsets of valid frames, by partition, and not beyond. Does nothing where they are reached."""
        stand = read_positions(self._connection)
        ahead = {p: stand.get(p, ChainPosition()) for p in targets}
        ahead = {p: position for p, position in ahead.items() if position.offset < targets[p]}
        total = sum(target + 1 for target in targets.values())
        self._progress(self._done(), total)
        if not ahead:
            return
        with closing(LedgerTail(self._settings, ahead)) as tail:
            heard_at = time.monotonic()
            while any(self._writer.offsets.get(p, -1) < targets[p] for p in ahead):
                frames = tail.read(2_000, 0.2)
                if frames:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > SILENCE_FOR_MAX:
                    raise LedgerIsShort(f"The tables are at {self._writer.offsets}, the target is {dict(targets)}.")
                wanted = [frame for frame in frames if frame.offset <= targets[frame.partition]]
                for batch in batches(wanted, _BATCH_BYTES_MAX):
                    self._writer.write([projected(frame) for frame in batch])
                    self._progress(self._done(), total)

    def compare_with_live(self) -> tuple[list[TableComparison], dict[int, int]]:
        """Compare with a snapshot of the live tables, at exactly its positions."""
        with self._connection.transaction():
            self._connection.execute("set transaction isolation level repeatable read")
            self._see(LIVE)
            targets = read_offsets(self._connection)  # From here on the transaction sees this moment.
            self._see(SHADOW)
            self.catch_up(targets)
            return compare(self._connection, LIVE, SHADOW), targets

    def ends(self, at_least: Mapping[int, int]) -> dict[int, int]:
        """The last valid frame of every partition of the ledger as it is now: new tables need not wait for a projector."""
        stand = read_positions(self._connection)
        partitions = range(self._settings.partitions)
        ends = {p: at_least.get(p, -1) for p in partitions}
        with closing(LedgerTail(self._settings, {p: stand.get(p, ChainPosition()) for p in partitions})) as tail:
            goals = {p: tail.end_offset(p) for p in partitions}
            heard_at = time.monotonic()
            while any(tail.next_offset(p) < goal for p, goal in goals.items()):
                frames = tail.read(2_000, 0.2)
                if frames:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > SILENCE_FOR_MAX:
                    raise LedgerIsShort(f"It ends at {goals}.")
                for frame in frames:
                    if frame.offset < goals[frame.partition]:
                        ends[frame.partition] = frame.offset
        return {p: end for p, end in ends.items() if end >= 0}

    def swap(self) -> None:
        """Take the place of the live tables. Projectors wait for the little that is missing, and go on from there."""
        with self._connection.transaction():
            self._see(LIVE)
            self._connection.execute(statement("positions", "close_gate"))
            targets = read_offsets(self._connection)
            self._see(SHADOW)
            self.catch_up(targets)
            for old, new in ((LIVE, RETIRED), (SHADOW, LIVE)):
                rename = sql.SQL("alter schema {} rename to {}")
                self._connection.execute(rename.format(sql.Identifier(old), sql.Identifier(new)))

    def _see(self, schema: str) -> None:
        self._connection.execute(sql.SQL("set local search_path to {}, public").format(sql.Identifier(schema)))

    def _done(self) -> int:
        return sum(offset + 1 for offset in self._writer.offsets.values())


def _retire(conninfo: str, guard: Connection) -> None:
    """Point the views to the new tables and drop the old ones. Both wait for readers, apart from the swap: projectors shall not."""
    try:
        reporting.install(conninfo)
    except LockIsHeld as held:
        raise LockIsHeld(f"The new tables are live, but views still read the old ones. {held}") from held
    try:
        # By the one who holds the lock on a table of theirs: the next rebuild finds the table of the new ones.
        _drop(conninfo, guard, RETIRED)
    except LockIsHeld as held:
        _log.warning("The next rebuild drops the schema %s. %s", RETIRED, held)


def _drop(conninfo: str, connection: Connection, schema: str) -> None:
    def drop() -> None:
        with connection.transaction():
            connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))

    patiently(conninfo, connection, drop)
