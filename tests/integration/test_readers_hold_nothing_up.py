"""An analyst who holds a lock, or leaves a transaction open, stops neither projectors nor migrations nor the access log; on a real Postgres."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from tests.readers import a_reader

from entitlements import testing
from entitlements.access.log import tables as of_access_log
from entitlements.access.log.retention import Retention
from entitlements.access.log.rules import LogRules
from entitlements.cli.running import run
from entitlements_projections import locks, reporting
from entitlements_projections.database import LIVE, Connection, connect
from entitlements_projections.errors import LockIsHeld
from entitlements_projections.migrations import known_migrations, migrate
from entitlements_projections.reporting import ACCESS_LOG, SCHEMA, VIEWS
from entitlements_projections.testing import (
    QUOTA,
    SyntheticLedger,
    all_frames,
    pool_with_a_plan,
    usage_line,
    use,
    write,
)

#: Longer than anything here takes, far shorter than for ever.
PROMPTLY = "5s"
DAY = date(2026, 3, 1)
#: What two processes once agreed on. Whoever can connect may hold each of them.
ADVISORY = (
    "entitlements.projections:entitlements", "entitlements.reporting", "entitlements.rebuild", "entitlements.migrations",
    "entitlements.usage_months:entitlements", "entitlements.access_log",
)  # fmt: skip


@pytest.fixture(scope="module")
def server(postgres: str) -> Iterator[str]:
    """A database as `entitlements migrate` leaves it, whose other sessions wait for nobody for longer than PROMPTLY."""
    with testing.a_database(postgres) as database:
        migrate(database)
        of_access_log.migrate(database)
        assert reporting.install(database) == []
        yield psycopg.conninfo.make_conninfo(database, options=f"-c statement_timeout={PROMPTLY}")


@pytest.fixture
def ana(server: str) -> Iterator[str]:
    """Somebody with `grant entitlements_reader to ana`, by a connection string."""
    with a_reader(server, application_name="tableau") as conninfo:
        yield conninfo


@contextmanager
def idle_after_reading(ana: str, *names: str) -> Iterator[Connection]:
    """A transaction that has read these views, and is left open."""
    with closing(psycopg.connect(ana)) as connection:
        for name in names:
            connection.execute(f"select count(*) from {SCHEMA}.{name}".encode())
        yield connection


def usage_of(month: str) -> SyntheticLedger:
    """A ledger whose only usage is in a month."""
    ledger, pool_id = SyntheticLedger(), f"pool-{month}"
    at_ms = int(datetime.fromisoformat(f"{month}-10T00:00:00+00:00").timestamp() * 1000)
    pool_with_a_plan(ledger, pool_id, at_ms)
    ledger.ask(at_ms + 1, use(pool_id, usage_line(QUOTA)))
    return ledger


def test_no_advisory_lock_of_a_reader_stops_anybody(server: str, ana: str) -> None:
    with closing(psycopg.connect(ana, autocommit=True)) as reader, closing(connect(server)) as live:
        for name in ADVISORY:
            reader.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (name,))
        live.execute("delete from projection_positions")
        write(live, all_frames(usage_of("2031-01")))
        assert migrate(server) == []
        assert migrate(server, "entitlements_another")
        assert reporting.install(server) == []
        with closing(of_access_log.open_tables(server)) as log:
            of_access_log.create_days(log, [date(2031, 1, 1)])
        live.execute("drop schema entitlements_another cascade")


def test_a_reader_can_take_no_lock_that_anybody_waits_for(server: str, ana: str) -> None:
    with closing(psycopg.connect(ana, autocommit=True)) as reader:
        relations = reader.execute(
            """select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = any(%s) and c.relkind in ('r', 'p', 'v')""",
            ([LIVE, ACCESS_LOG, SCHEMA],),
        ).fetchall()
        assert ("entitlements", "rebuild_gate") in relations
        for schema, name in relations:
            for mode in (
                "row share",
                "row exclusive",
                "share update exclusive",
                "share",
                "exclusive",
                "access exclusive",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege), reader.transaction():
                    reader.execute(f"lock table {schema}.{name} in {mode} mode".encode())
        for strength in ("key share", "share", "update"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(f"select from entitlements.projection_positions for {strength}".encode())


def test_the_first_usage_of_a_month_waits_for_no_open_transaction_that_has_read_usage(server: str, ana: str) -> None:
    with (
        idle_after_reading(ana, "usage_lines", "usage_by_day", "customer_entitlements"),
        closing(connect(server)) as live,
    ):
        live.execute("delete from projection_positions")
        write(live, all_frames(usage_of("2032-02")))
        made = live.execute("select count(*) from usage_events_2032_02").fetchone()
    assert made == (1,)


def test_a_month_is_indexed_append_only_and_hidden_as_the_others_are(server: str) -> None:
    with closing(connect(server)) as live:
        live.execute("select add_usage_month('2033-03-01')")
        live.execute("select add_usage_month('2033-03-01')")
        described = "select count(*) from pg_indexes where tablename = %s"
        (of_month,) = live.execute(described, ("usage_events_2033_03",)).fetchone() or (0,)
        assert (of_month,) == live.execute(described, ("usage_events_before_2000",)).fetchone()
        unattached = """select indexrelid::regclass from pg_index i where indrelid = 'usage_events_2033_03'::regclass
            and not exists (select from pg_inherits where inhrelid = i.indexrelid)"""
        assert live.execute(unattached).fetchall() == []
        with pytest.raises(psycopg.errors.RestrictViolation):
            live.execute("truncate usage_events_2033_03")
        foreign = (
            "select count(*) from pg_constraint where contype = 'f' and conrelid = 'usage_events_2033_03'::regclass"
        )
        assert live.execute(foreign).fetchone() == (1,)


def test_the_months_to_come_are_there_before_their_first_usage(server: str) -> None:
    with closing(connect(server)) as live:
        live.execute("delete from projection_positions")
        write(live, all_frames(usage_of("2034-04")))
        months = """select to_regclass('usage_events_' || to_char(now() at time zone 'UTC' + n * interval '1 month', 'YYYY_MM')) is not null
            from generate_series(0, 2) n"""
        assert live.execute(months).fetchall() == [(True,)] * 3


def test_days_of_the_access_log_come_and_go_while_a_transaction_has_read_it(server: str, ana: str) -> None:
    rules = LogRules.parse('{"*": {"keep_for_days": 3}}')
    with closing(of_access_log.open_tables(server)) as log, closing(psycopg.connect(ana, autocommit=True)) as another:
        Retention(rules).keep(log, DAY)
        for day in of_access_log.days(log):
            if day not in {DAY, DAY + timedelta(days=1)}:
                assert of_access_log.drop_day(log, day)
        later, retention = DAY + timedelta(days=4), Retention(rules)
        with idle_after_reading(ana, "access_log"):
            retention.keep(log, later)
            assert retention.is_held_up
            assert later in of_access_log.days(log), "days are made all the same"
            assert DAY not in of_access_log.days(log), "no query sees it any more"
            another.execute(f"select count(*) from {SCHEMA}.access_log".encode())
            retention.keep(log, later)
            assert retention.is_held_up
        following = Retention(rules)
        following.keep(log, later)
        assert not following.is_held_up
        assert of_access_log.leaving(log) == []
        assert log.execute("select to_regclass('access_log_20260301') is null").fetchone() == (True,)
        assert of_access_log.days(log)[0] == DAY + timedelta(days=1)


def test_nothing_to_migrate_waits_for_nobody(
    server: str, ana: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("ENTITLEMENTS_POSTGRES", server)
    monkeypatch.setattr(locks, "GIVE_UP_AFTER_FOR", 0.0)
    with idle_after_reading(ana, *VIEWS[1:]):
        assert run(["migrate", "--json", "--data", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) | {"postgres": ""} == {"postgres": "", "applied": [], "left_to_do": []}


def test_a_view_that_changes_waits_for_a_while_and_then_says_for_whom(
    server: str, ana: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("ENTITLEMENTS_POSTGRES", server)
    monkeypatch.setattr(locks, "GIVE_UP_AFTER_FOR", 0.6)
    name = psycopg.conninfo.conninfo_to_dict(ana)["user"]
    with (
        closing(psycopg.connect(server, autocommit=True)) as admin,
        closing(psycopg.connect(ana, autocommit=True)) as another,
    ):
        admin.execute(
            f"create or replace view {SCHEMA}.freshness as select 1 as partition, now() as as_of, 2::bigint as ledger_offset".encode()
        )
        with idle_after_reading(ana, "freshness") as reader:
            assert run(["migrate", "--data", str(tmp_path)]) == 1
            said = " ".join(capsys.readouterr().err.split())
            holder = f"{name} (application tableau, process {reader.info.backend_pid})"
            assert re.search(rf"It is held by {re.escape(holder)}, for \d s\.", said)
            assert f"select pg_terminate_backend({reader.info.backend_pid});" in said
            assert run(["migrate", "--json", "--data", str(tmp_path)]) == 1
            assert json.loads(capsys.readouterr().out)["error"]["code"] == "lock_is_held"
            another.execute(f"select * from {SCHEMA}.freshness".encode())  # Nobody queues behind it.
            (line,) = re.findall("`(select pg_terminate_backend.*?;)`", said)
            admin.execute(line.encode())
            monkeypatch.undo()
            assert reporting.install(server) == []
        assert admin.execute(
            f"select count(*) from {SCHEMA}.freshness where ledger_offset = 2".encode()
        ).fetchone() == (0,)


def test_a_migration_waits_for_a_while_and_then_says_for_whom(
    server: str, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "GIVE_UP_AFTER_FOR", 0.6)
    change = known_migrations() | {"9999_wider": "alter table grants add column wider text"}
    with idle_after_reading(ana, "grants") as reader, pytest.raises(LockIsHeld, match=str(reader.info.backend_pid)):
        migrate(server, migrations=change)
    assert migrate(server, migrations=change) == ["9999_wider"]
    with closing(connect(server)) as live:
        live.execute("alter table grants drop column wider")
        live.execute("delete from schema_migrations where name = '9999_wider'")
    assert reporting.install(server) == []
