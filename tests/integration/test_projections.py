"""The read models on a real Postgres: tables, batches, positions, readings. No Kafka: frames come from a synthetic ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.nightly import examples

from entitlements.domain.aggregate import from_ms
from entitlements_projections import read_model
from entitlements_projections.comparing import TABLES, compare
from entitlements_projections.database import Connection, connect
from entitlements_projections.errors import PositionMoved
from entitlements_projections.migrations import migrate
from entitlements_projections.projector import projected
from entitlements_projections.testing import (
    AT_MS,
    LIMIT,
    QUOTA,
    SyntheticLedger,
    all_frames,
    pool_with_a_plan,
    random_history,
    usage_line,
    use,
    write,
)
from entitlements_projections.writing import Writer

DAY_MS = 86_400_000


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    """A connection to live tables without rows."""
    migrate(database)
    with closing(connect(database)) as connection:
        yield connection


def everything(connection: Connection, *, with_versions: bool = True) -> dict[str, Any]:
    """All rows of all tables. With the number of the transaction that wrote them: whoever rewrites a row is found out."""
    wanted = "xmin::text, *" if with_versions else "*"
    return {table: sorted(map(repr, connection.execute(f"select {wanted} from {table}"))) for table in TABLES}


# --- What the tables refuse ------------------------------------------------------------------------------------------


@pytest.fixture
def used(connection: Connection) -> Connection:
    ledger = SyntheticLedger()
    pool_with_a_plan(ledger)
    ledger.ask(AT_MS + 1, use("pool", usage_line(QUOTA, 3), usage_line(LIMIT, 2, occurred_at=AT_MS - 10)))
    write(connection, all_frames(ledger))
    return connection


REFUSED = [
    "update usage_events set quantity = 1",
    "update usage_events set quantity = 1 where false",
    "delete from usage_events",
    "truncate usage_events",
    "truncate resource_keys cascade",
    "update usage_events_2026_01 set quantity = 1",
    "delete from usage_events_2026_01",
    "truncate usage_events_2026_01",
    "delete from usage_events_before_2000",
    "insert into usage_events select * from usage_events on conflict (pool_id, version, line, occurred_at, part) do update set quantity = 0",
    "merge into usage_events t using usage_events s on t.version = s.version when matched then delete",
]


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_usage_events_are_never_changed_or_deleted(used: Connection, role: str) -> None:
    before = everything(used)
    assert len(before["usage_events"]) == 2
    used.execute(f"set session_replication_role to {role}".encode())
    for statement in REFUSED:
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            used.execute(statement.encode())
    assert everything(used) == before


def test_not_even_the_owner_of_the_tables_has_the_right_to_change_usage_events(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("create role plain_owner login")
        admin.execute(f"grant create on database {admin.info.dbname} to plain_owner".encode())
        try:
            with psycopg.connect(database, autocommit=True) as owner:
                owner.execute("create extension btree_gist with schema public")
            _check_rights_of("plain_owner", database)
        finally:
            admin.execute("drop owned by plain_owner cascade")
            admin.execute("drop role plain_owner")


def _check_rights_of(role: str, database: str) -> None:
    as_role = psycopg.conninfo.make_conninfo(database, options=f"-c role={role}")
    migrate(as_role)
    with closing(connect(as_role)) as connection:
        ledger = SyntheticLedger()
        pool_with_a_plan(ledger)
        ledger.ask(AT_MS + 1, use("pool", usage_line(QUOTA, 3)))
        write(connection, all_frames(ledger))
        for statement in (
            b"update usage_events set quantity = 1",
            b"delete from usage_events",
            b"truncate usage_events_2026_01",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_two_active_provisions_on_one_ladder_are_refused(used: Connection) -> None:
    provision = """insert into pool_provisions (pool_id, organization_id, provision_id, source, source_id, set_id, set_version, quantity, status,
        starts_at, priority, follows, scheduled_at, status_reason, actor, version)
        select pool_id, organization_id, 'pro-2', source, source_id, set_id, set_version, quantity, status,
        starts_at, priority, follows, scheduled_at, status_reason, actor, version from pool_provisions"""
    used.execute(provision.encode())
    used.execute(b"insert into plan_ladders (ladder) values ('other plans')")
    ladder = "insert into pool_provision_ladders values ('pool', 'pro-2', %s, 3, %s, null, 9)"
    later = from_ms(AT_MS + 5)
    with pytest.raises(psycopg.errors.ExclusionViolation, match="one_active_provision_per_ladder"):
        used.execute(ladder.encode(), ("plans", later))
    used.execute(ladder.encode(), ("other plans", later))  # Another ladder is free ...
    used.execute(b"delete from pool_provision_ladders where ladder = 'other plans'")
    used.execute(b"update pool_provision_ladders set ended_at = %s", (later,))
    used.execute(ladder.encode(), ("plans", later))  # ... and so is this one, once the other has ended.


def test_every_ladder_column_refers_to_the_ladders(connection: Connection) -> None:
    columns = b"""
        select c.relname, exists (
            select from pg_constraint f
            where f.conrelid = c.oid and f.contype = 'f' and f.conkey = array[a.attnum] and f.confrelid = 'plan_ladders'::regclass)
        from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = 'entitlements'::regnamespace and c.relkind in ('r', 'p')
            and a.attname = 'ladder' and c.relname <> 'plan_ladders'"""
    found = dict(connection.execute(columns).fetchall())
    assert found == {"entitlement_sets": True, "pool_provision_ladders": True}


def test_every_resource_key_column_refers_to_the_resource_keys(connection: Connection) -> None:
    columns = """
        select c.relname, exists (
            select from pg_constraint f join pg_attribute t on t.attrelid = f.confrelid and t.attnum = any(f.confkey)
            where f.conrelid = c.oid and f.contype = 'f' and f.conkey = array[a.attnum]
                and f.confrelid = 'resource_keys'::regclass and t.attname = 'resource_key')
        from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = 'entitlements'::regnamespace and c.relkind in ('r', 'p')
            and a.attname like '%resource_key' and c.relname <> 'resource_keys'"""
    found = dict(connection.execute(columns.encode()).fetchall())
    assert len(found) >= 7
    assert [table for table, refers in found.items() if not refers] == []


def test_all_tables_and_columns_are_there_and_described(connection: Connection) -> None:
    tables = b"""select relname, obj_description(oid) from pg_class
        where relnamespace = 'entitlements'::regnamespace and relkind in ('r', 'p') and not relispartition"""
    described = dict(connection.execute(tables).fetchall())
    assert described.keys() == {*TABLES, "projection_positions", "rebuild_gate", "schema_migrations"}
    terms = ("pool_overrides", "member_caps", "pool_reservations", "limit_holders")
    governance = (
        "organization_units", "organization_workspaces", "unit_assignments", "unit_workspace_pools",
        "organization_members", "campaigns", "campaign_pools", "access_policies", "api_keys",
    )  # fmt: skip
    inheritance = ("entitlement_set_parents", "resource_key_parents")
    assert len(TABLES) == 15 + len(terms) + len(governance) + len(inheritance)
    assert [table for table, description in described.items() if not description] == []
    columns = b"""select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = 'entitlements'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and a.attnum > 0 and c.relname <> 'schema_migrations' and col_description(c.oid, a.attnum) is null"""
    assert connection.execute(columns).fetchall() == []


def test_usage_of_each_month_has_its_partition_and_absurd_instants_have_none(connection: Connection) -> None:
    ledger = SyntheticLedger()
    pool_with_a_plan(ledger)
    instants = (1, AT_MS - 40 * DAY_MS, AT_MS)
    ledger.ask(AT_MS + 1, use("pool", *(usage_line(QUOTA, 1, mode="report", occurred_at=at) for at in instants)))
    write(connection, all_frames(ledger))
    placed = connection.execute(
        b"select tableoid::regclass::text, late from usage_events order by occurred_at"
    ).fetchall()
    assert placed == [
        ("usage_events_before_2000", True),
        ("usage_events_2025_11", True),
        ("usage_events_2026_01", False),
    ]


# --- Batches and positions -------------------------------------------------------------------------------------------


def test_a_batch_that_is_written_twice_changes_nothing(connection: Connection) -> None:
    ledger = SyntheticLedger()
    random_history(ledger, Random(7), 400)
    batches = list(ledger.interleaved(Random(7), 20))
    write(connection, *batches)
    before = everything(connection, with_versions=False)
    connection.execute(b"delete from projection_positions")
    write(connection, *batches)
    assert everything(connection, with_versions=False) == before
    assert [table for table in TABLES if not before[table]] == []


def test_of_two_projectors_one_writes_and_the_other_hears_it(connection: Connection, database: str) -> None:
    ledger = SyntheticLedger()
    random_history(ledger, Random(3), 20)
    frames = [projected(frame) for frame in all_frames(ledger)]
    with closing(connect(database)) as other:
        zombie, winner = Writer(connection), Writer(other)
        winner.write(frames)
        before = everything(other)
        with pytest.raises(PositionMoved):
            zombie.write(frames)
        assert everything(other) == before


def test_a_position_that_another_projector_has_moved_is_named_and_no_other_moves(
    connection: Connection, database: str
) -> None:
    ledger = SyntheticLedger()
    random_history(ledger, Random(3), 60)
    at_first = {partition: stream[:2] for partition, stream in ledger.streams.items()}
    write(connection, [frame for stream in at_first.values() for frame in stream])
    with closing(connect(database)) as other:
        ours, theirs = Writer(connection), Writer(other)
        theirs.write([projected(ledger.streams[1][2])])
        before = everything(other)
        with pytest.raises(PositionMoved, match=r"Partition 1 is no longer at 1\."):
            ours.write([projected(stream[2]) for stream in ledger.streams.values()])
        assert everything(other) == before


def test_projectors_that_use_one_key_do_not_wait_for_each_other(connection: Connection, database: str) -> None:
    ledger = SyntheticLedger()
    pool_with_a_plan(ledger)
    frames = all_frames(ledger)
    writer = Writer(connection)
    writer.write([projected(frame) for frame in frames])
    connection.execute(b"set lock_timeout to '5s'")
    with closing(connect(database)) as other, other.transaction():
        other.execute(b"select from resource_keys for no key update")  # As a projector that has just added them.
        writer.write([projected(frame) for frame in ledger.ask(AT_MS + 1, use("pool", usage_line(QUOTA, 3)))])


def test_rows_are_the_same_whether_they_go_as_parameters_or_by_copy(
    connection: Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = SyntheticLedger()
    random_history(ledger, Random(11), 400)
    batches = list(ledger.interleaved(Random(11), 20))
    monkeypatch.setattr(read_model, "FEW_ROWS_MAX", 0)
    write(connection, *batches)
    monkeypatch.setattr(read_model, "FEW_ROWS_MAX", 1_000_000)
    migrate(database, "reference")
    with closing(connect(database, "reference")) as reference:
        write(reference, *batches)
    compared = compare(connection, "entitlements", "reference")
    assert [table for table in compared if not table.equal] == []
    assert [table.table for table in compared if not table.rows] == []


def test_a_projector_that_is_cut_off_in_the_middle_loses_and_doubles_nothing(
    connection: Connection, database: str
) -> None:
    ledger = SyntheticLedger()
    random_history(ledger, Random(5), 120)
    frames = all_frames(ledger)
    half = len(frames) // 2
    early = [frame for frame in frames if frame.offset < len(ledger.streams[frame.partition]) // 2]
    late = [frame for frame in frames if frame not in early]
    assert 0 < half < len(frames)
    assert early
    assert late
    write(connection, early)
    before = everything(connection)

    with closing(connect(database)) as victim, closing(connect(database)) as blocker:
        writer = Writer(victim)
        blocker.execute(b"begin")
        blocker.execute(b"select from resource_pools for update")  # Clocks are written last: the batch waits there.
        failed: list[BaseException] = []
        thread = threading.Thread(
            target=_try, args=(lambda: writer.write([projected(frame) for frame in late]), failed)
        )
        thread.start()
        _until(lambda: _is_waiting(connection, victim.info.backend_pid))
        connection.execute(b"select pg_terminate_backend(%s)", (victim.info.backend_pid,))
        thread.join(10)
        blocker.execute(b"rollback")
    assert [type(error) for error in failed] == [psycopg.errors.AdminShutdown]
    assert everything(connection) == before

    write(connection, late)
    migrate(database, "reference")
    with closing(connect(database, "reference")) as reference:
        write(reference, frames)
    assert [table for table in compare(connection, "entitlements", "reference") if not table.equal] == []


def _try(work: Callable[[], None], failed: list[BaseException]) -> None:
    try:
        work()
    except psycopg.Error as error:
        failed.append(error)


def _is_waiting(connection: Connection, backend: int) -> bool:
    waiting = connection.execute(b"select wait_event_type from pg_stat_activity where pid = %s", (backend,)).fetchone()
    return waiting == ("Lock",)


def _until(condition: Callable[[], bool], within_for: float = 10.0) -> None:
    deadline = time.monotonic() + within_for
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


@settings(max_examples=examples(2), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), batch_frames_max=st.integers(1, 40))
def test_rows_do_not_depend_on_how_partitions_interleave_and_batches_are_cut(
    database: str, seed: int, batch_frames_max: int
) -> None:
    random = Random(seed)
    ledger = SyntheticLedger(partitions=random.randint(2, 5))
    random_history(ledger, random, 100)
    with psycopg.connect(database, autocommit=True) as admin:
        for schema in ("one_by_one", "mixed"):
            admin.execute(f"drop schema if exists {schema} cascade".encode())
            migrate(database, schema)
    with closing(connect(database, "one_by_one")) as ordered, closing(connect(database, "mixed")) as mixed:
        write(ordered, *([frame] for frame in all_frames(ledger)))
        write(mixed, *ledger.interleaved(random, batch_frames_max))
        assert [table for table in compare(mixed, "one_by_one", "mixed") if not table.equal] == []
