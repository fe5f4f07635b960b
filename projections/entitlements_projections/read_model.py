"""What every read model is, and the kind whose rows are folded from events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, ClassVar, Final, LiteralString, TypeAlias

import orjson
from psycopg import sql

from entitlements_projections.database import Connection, Cursor, Row
from entitlements_projections.statements import statement

#: An event as a dict of its fields. Plain: instants are epoch milliseconds. Else those below are aware datetimes.
Event: TypeAlias = dict[str, Any]
_INSTANTS: Final = (
    "timestamp",
    "starts_at",
    "ends_at",
    "planned_ends_at",
    "backfill_from",
    "anchor_at",
    "expires_at",
    "revoke_at",
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Key: TypeAlias = tuple[str, ...]
#: Takes an event and the row as it was (None: there is none) and returns the row as it is (None: still none).
Fold: TypeAlias = Callable[[Event, Row | None], Row | None]

#: Every event of a pool: all but those that define sets and keys.
POOL_EVENTS: Final = frozenset({
    "AnswerRemembered", "BackfillEnded", "CalendarChanged", "ContributionRecurred", "DefaultsChanged",
    "EntitlementsChanged", "ExceededWithdrawn", "GrantExpired", "GrantIssued", "GrantRevoked", "HoldingChanged",
    "LimitOverAllocated", "MemberCapped", "OnDemandConfigured", "OverAllocationEnded", "OverageForgiven", "OveragePaid",
    "OverrideCleared",
    "OverrideExpired", "OverrideSet", "PoolClosed", "PoolOpened", "PoolResumed", "PoolSuspended", "PeriodsClosed", "ProvisionEndScheduled",
    "ProvisionEnded", "ProvisionEndWithdrawn", "ProvisionQuantityChanged", "ProvisionResumed", "ProvisionRevised", "ProvisionScheduled",
    "ProvisionStarted", "ProvisionSuspended", "QuotaExceeded", "QuotaReset", "QuotaWarned", "ReservationCommitted",
    "ReservationExpired", "ReservationExtended", "ReservationReleased", "SpendingAlerted", "UsageCorrected",
    "UsageRecorded", "UsageRefused", "UsageReleased", "UsageReserved", "WorkspaceAssigned", "WorkspaceUnassigned",
})  # fmt: skip


#: As many rows go with their statement; more cost less by COPY.
FEW_ROWS_MAX: Final = 100
#: Rows that may lie deleted in a temporary table before it is truncated: that costs a new file.
_DEAD_ROWS_MAX: Final = 20_000


class Stage:
    """The rows that statements of one connection read as the table `staged_...`.

    Few of them are a parameter, in JSON, and `staged_...` is a name within the statement: one round trip. Many are put into
    the temporary table of that name by binary COPY. It keeps them until it is filled again: to empty all of these tables at
    each commit costs more than a small batch.
    """

    def __init__(self, connection: Connection, read_models: Sequence[ReadModel]) -> None:
        # By table the names of its columns and their types.
        self._columns: dict[str, tuple[list[str], list[int]]] = {}
        self._few: dict[tuple[bytes, str], bytes] = {}
        # Truncated before the first use: an earlier writer may have left rows.
        self._dead = {table: _DEAD_ROWS_MAX + 1 for model in read_models for table in model.staged}
        for model in read_models:
            for table in model.staged:
                connection.execute(statement(model.folder, f"stage_{table}"))
                columns = connection.execute(_on("select * from {} limit 0", table)).description or []
                self._columns[table] = [column.name for column in columns], [column.type_code for column in columns]

    def write(self, cursor: Cursor, statement_text: bytes, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement on rows, their columns in the order of the temporary table."""
        rows = list(rows)
        if len(rows) > FEW_ROWS_MAX:
            self._fill(cursor, table, rows)
            cursor.execute(statement_text)
        else:
            names, _ = self._columns[table]
            parameter = orjson.dumps([dict(zip(names, row, strict=True)) for row in rows]).decode()
            cursor.execute(self._of_few(statement_text, table), (parameter,))

    def _of_few(self, statement_text: bytes, table: str) -> bytes:
        """The statement that takes the same rows as a parameter: within it the name stands for them, and not for the table."""
        made = self._few.get((statement_text, table))
        if made is None:
            rows = _on("with {0} as (select * from json_populate_recordset(null::{0}, %s::json)) ", table)
            made = self._few[statement_text, table] = rows + statement_text.replace(b"%", b"%%")
        return made

    def _fill(self, cursor: Cursor, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Put rows into a temporary table in place of those there."""
        self._empty(cursor, table)
        with cursor.copy(_on("copy {} from stdin (format binary)", table)) as copy:
            copy.set_types(self._columns[table][1])
            for row in rows:
                copy.write_row(row)
        self._dead[table] += cursor.rowcount

    def _empty(self, cursor: Cursor, table: str) -> None:
        if self._dead[table] > _DEAD_ROWS_MAX:
            cursor.execute(_on("truncate {}", table))
            self._dead[table] = 0
        elif self._dead[table]:
            cursor.execute(_on("delete from {}", table))


@cache
def _on(statement_text: LiteralString, table: str) -> bytes:
    """A statement on the temporary table that stands before a table."""
    return sql.SQL(statement_text).format(sql.Identifier(f"staged_{table}")).as_bytes()


def with_instants(event: Event) -> Event:
    """A plain event with aware datetimes."""
    instants = {field: event[field] for field in _INSTANTS if event.get(field) is not None}
    return event | {field: _EPOCH + timedelta(milliseconds=ms) for field, ms in instants.items()}


class ReadModel(ABC):
    """Rows of one table, kept from events.

    Contract: `take` only collects and never does input or output. `prepare` runs before the transaction and may make
    what is harmless when nothing follows. `write` runs in the transaction, in the order of `writing.READ_MODELS`, and
    leaves rows that depend on the events alone: not on the clock, not on how events are cut into batches, not on how
    partitions interleave. `clear` forgets what was collected.
    """

    folder: ClassVar[str]
    staged: ClassVar[tuple[str, ...]] = ()
    #: Whether it wants events plain: those that take usage do, because a datetime costs as much as a line.
    plain: ClassVar[bool] = False
    #: Short names of the events it wants.
    events: ClassVar[frozenset[str]]

    @abstractmethod
    def take(self, name: str, event: Event) -> None:
        """Collect one event."""

    def prepare(self, connection: Connection) -> None:  # noqa: B027 - most have nothing to prepare.
        """Make what must exist before the transaction begins."""

    @abstractmethod
    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Bring the table to where the collected events lead."""

    @abstractmethod
    def clear(self) -> None:
        """Forget the collected events."""


class FoldedRows(ReadModel):
    """A table whose rows are read, changed by events one after the other, and written once.

    The SQL beside a subclass: `load` (keys as arrays, one for each column of the key), `stage_<table>`, `upsert`.
    """

    #: Columns of the primary key.
    key: ClassVar[Key]
    #: All columns, in the order of the temporary table; `version` among them.
    columns: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self._steps: list[tuple[Key, int, Callable[[Row | None], Row | None]]] = []

    @abstractmethod
    def facts(self, name: str, event: Event) -> Iterator[tuple[Key, Callable[[Row | None], Row | None]]]:
        """Which rows an event touches, and how each is changed."""

    def take(self, name: str, event: Event) -> None:
        """Collect one event."""
        version = event["originator_version"]
        self._steps.extend((key, version, step) for key, step in self.facts(name, event))

    def write(self, cursor: Cursor, stage: Stage) -> None:
        """Fold the events over the rows as they are and write every row that changed once."""
        if not self._steps:
            return
        rows = self._load(cursor, list(dict.fromkeys(key for key, _, _ in self._steps)))
        changed: dict[Key, Row] = {}
        for key, version, step in self._steps:
            before = rows.get(key)
            if before is not None and before["version"] >= version:
                continue  # A repeat.
            row = step(before)
            if row is not None:
                row.update(zip(self.key, key, strict=True), version=version)
                rows[key] = changed[key] = row
        if changed:
            written = ([row[column] for column in self.columns] for row in changed.values())
            stage.write(cursor, statement(self.folder, "upsert"), self.folder, written)

    def clear(self) -> None:
        """Forget the collected events."""
        self._steps.clear()

    def _load(self, cursor: Cursor, keys: list[Key]) -> dict[Key, Row]:
        cursor.execute(statement(self.folder, "load"), [list(part) for part in zip(*keys, strict=True)])
        names = [column.name for column in cursor.description or ()]
        loaded = (dict(zip(names, record, strict=True)) for record in cursor.fetchall())
        return {tuple(row[column] for column in self.key): row for row in loaded}


class FoldedByEvent(FoldedRows):
    """Folded rows of which each event touches one, found by a field of the event within the pool."""

    #: Fields of the event that name the row within its aggregate; none: the aggregate is the row.
    parts: ClassVar[tuple[str, ...]] = ()
    folds: ClassVar[Mapping[str, Fold]]

    def facts(self, name: str, event: Event) -> Iterator[tuple[Key, Callable[[Row | None], Row | None]]]:
        """The one row an event is about."""
        key = (event["originator_id"], *(event[part] for part in self.parts))
        yield key, partial(self.folds[name], event)
