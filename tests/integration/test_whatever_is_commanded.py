"""Every command with every value in every place: it is decided or refused, and what was decided everybody can write, read and tell.

A command that breaks a decision stops its partition until it is put away. An event that Postgres will not have stops the read models of
all, and a row that cannot be read is an answer that nobody gets.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import fastavro
import orjson
import pytest
from tests.nightly import NIGHTLY

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "domain"))

from test_every_command import EVERY

from entitlements import testing
from entitlements.access.views import views_of
from entitlements.changes import codec
from entitlements.changes.facts import Cause, PoolEvent, Position
from entitlements.changes.pools import RELEVANT
from entitlements.changes.steps import Pools, Work, Workspaces
from entitlements.domain.commands import Command
from entitlements.domain.values import QUANTITY_MAX
from entitlements.examples import NOON_MS, WORKSPACE
from entitlements.ledger.frames import wire
from entitlements.ledger.tail import LedgerFrame
from entitlements.settings import Settings
from entitlements_projections import reading
from entitlements_projections.database import Connection, connect
from entitlements_projections.migrations import migrate
from entitlements_projections.projector import projected
from entitlements_projections.reading.views import gather
from entitlements_projections.testing import SyntheticLedger, all_frames, encoded
from entitlements_projections.writing import Writer
from entitlements_schemas import plain_schema
from entitlements_schemas.wire import PREFIX_BYTES

#: So many values are tried in each place of a command; at night all.
TRIED = 2
NUMBERS = (
    0, 1, -1, 2, 127, 128, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53, 2**53 + 1, QUANTITY_MAX - 1, QUANTITY_MAX, QUANTITY_MAX + 1,
    2**63 - 1, -(2**63), NOON_MS - 1, NOON_MS, NOON_MS + 1,
    # The first and the last instant there is, and what is beyond.
    253_402_300_799_999, 253_402_300_800_000, -62_135_596_800_000, -62_135_596_800_001,
)  # fmt: skip
TEXTS = (
    "", " ", "a", "\0", "a\0b", "x" * 128, "x" * 129, "ü" * 128, "💥" * 128, "\u202e", "\ufeff", "\n", "a,b", '"', "'", "\\", "{}", "[1]",
    "null", "-1", "1e400", "P1D", "P0D", "P999999999D", "P9999Y", "PT1S", "month", "lifetime", "Europe/Berlin", "Mars/Base", "../..",
    "api_calls", "seats", "x" * 70_000,
)  # fmt: skip
Bend = Callable[[dict[str, Any]], None]


class ReadModels:
    """Read models that are empty again after each command: a writer takes long to make."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self._writer = connection, Writer(connection)
        connection.execute("alter table usage_events disable trigger all")  # Lines of usage are never deleted but here.
        named = connection.execute(
            "select oid::regclass::text from pg_class where relnamespace = current_schema()::regnamespace"
            " and relkind in ('r', 'p') and not relispartition"
        )
        self._tables = [table for (table,) in named.fetchall() if not self._rows(table)]

    def _rows(self, table: str) -> int:
        return len(self.connection.execute(f"select from {table}".encode()).fetchall())

    @contextmanager
    def holding(self, ledger: SyntheticLedger) -> Iterator[Connection]:
        self._writer.write([projected(frame) for frame in all_frames(ledger)])
        yield self.connection
        with self.connection.transaction():
            self.connection.execute(
                "set local session_replication_role = replica"
            )  # Lines of usage are never deleted but here.
            for table in self._tables:
                self.connection.execute(f"delete from {table}".encode())
        self._writer.offsets.clear()


@pytest.fixture(scope="module")
def read_models(postgres: str) -> Iterator[ReadModels]:
    with testing.a_database(postgres) as database:
        migrate(database)
        with closing(connect(database)) as connection:
            yield ReadModels(connection)


def bends(record: dict[str, Any], random: Random) -> Iterator[Bend]:
    """Every place of a record with values that might be there. Its id and who waits for it are not what is asked."""
    for way, was in _places(record, ()):
        if isinstance(was, bool):
            values: Sequence[Any] = (not was,)
        elif isinstance(was, int):
            values = NUMBERS
        elif isinstance(was, str):
            values = TEXTS
        elif isinstance(was, list):
            values = ([], was * 2, was * 40)
        else:
            values = (*NUMBERS, *TEXTS)
        tried = values if NIGHTLY else random.sample(values, min(TRIED, len(values)))
        yield from (_bend(way, value) for value in tried)


def _places(holder: Any, way: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
        if key not in {"command_id", "caller"}:
            yield (*way, key), value
            if isinstance(value, dict | list):
                yield from _places(value, (*way, key))


def _bend(way: tuple[Any, ...], value: Any) -> Bend:
    def bend(record: dict[str, Any]) -> None:
        holder: Any = record
        for key in way[:-1]:
            holder = holder[key]
        holder[way[-1]] = value

    return bend


def bent(command: Command, random: Random) -> Iterator[bytes]:
    """What somebody may have written into the log, by a writer less strict than ours: an int is written as a long is."""
    meant = encoded(command)
    name, record = wire().decode_plain(meant)
    schema: Any = fastavro.parse_schema(_with_longs(deepcopy(plain_schema(name))), _force=True)
    for bend in bends(record, random):
        changed, out = deepcopy(record), BytesIO(meant[:PREFIX_BYTES])
        out.seek(PREFIX_BYTES)
        bend(changed)
        try:
            fastavro.schemaless_writer(out, schema, changed)
        except (ValueError, TypeError, AttributeError, OverflowError):
            continue  # No such thing can be written.
        yield out.getvalue()


def _with_longs(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_longs(each) for each in node]
    if isinstance(node, dict):
        return {key: _with_longs(value) for key, value in node.items() if not key.startswith("__")}
    return "long" if node == "int" else node


def ledger_after(past: Any) -> tuple[SyntheticLedger, int]:
    """A ledger in which all of this has happened, and its present."""
    ledger, at_ms, steps = SyntheticLedger(1), NOON_MS, [past]
    while steps:
        step = steps.pop(0)
        if isinstance(step, Command):
            ledger.ask(at_ms, step)
        elif isinstance(step, timedelta):
            at_ms += step // timedelta(milliseconds=1)
        else:
            steps[:0] = step
    return ledger, at_ms


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
@pytest.mark.timeout(0 if NIGHTLY else 120)
def test_whatever_stands_in_it_harms_nobody(kind: type[Command], read_models: ReadModels) -> None:
    accepted = 0
    for value in bent(EVERY[kind].command, Random(kind.__name__)):
        ledger, at_ms = ledger_after(EVERY[kind].past)
        events = events_of(ledger.ask_as_written(at_ms, 0, value))
        if not events:
            continue
        accepted += 1
        with read_models.holding(ledger) as connection:
            read(connection, {record["originator_id"] for _, record in events})
        tell(ledger)
    assert accepted, "all were refused: nothing was tested"


def events_of(frame: LedgerFrame) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = wire().decode_plain(frame.value).record["events"]
    return found


def read(connection: Connection, ids: set[str]) -> None:
    """What the API reads, down to its JSON."""
    now = datetime.now(UTC)
    for name in ids:
        found = [reading.pool(connection, name, now), reading.entitlement_set(connection, name, None)]
        orjson.dumps([*found, reading.resource_key(connection, name)])
    orjson.dumps(views_of("acme", [WORKSPACE], gather(connection, "acme", [WORKSPACE])))


def tell(ledger: SyntheticLedger) -> None:
    """What the changes worker makes of it, down to its bytes."""
    settings = Settings(partitions=1)
    first, second = Pools(settings, wire()), Workspaces(settings, wire())
    rows: dict[str, Any] = {}
    for frame in all_frames(ledger):
        for nth, (name, record) in enumerate(events_of(frame)):
            short, pool_id = name.rpartition(".")[2], record["originator_id"]
            if short not in RELEVANT:
                continue
            cause = Cause(f"pool/{pool_id}/{nth}", pool_id, record["timestamp"], 0, Position(frame.offset, nth))
            row = rows.setdefault(pool_id, first.row(None))
            for outgoing in first.apply(row, Work(pool_id.encode(), PoolEvent(short, record, cause)), 0):
                fact = codec.fact_from_bytes(outgoing.value)
                customer = rows.setdefault(f"customer {fact.customer}", second.row(None))
                second.apply(customer, Work(outgoing.key or b"", fact), frame.offset)
                assert second.row(second.row_to_bytes(customer)) == customer
            assert first.row(first.row_to_bytes(row)) == row
