"""The migration runner on a real Postgres."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from entitlements_projections.database import connect
from entitlements_projections.errors import MigrationIsMissing, MigrationIsOutOfOrder, MigrationWasChanged
from entitlements_projections.migrations import known_migrations, migrate


def test_a_fresh_database_gets_every_migration_and_the_second_run_does_nothing(database: str) -> None:
    assert migrate(database) == list(known_migrations())
    assert migrate(database) == []


def test_a_migration_that_was_edited_after_it_was_applied_is_refused_by_name(database: str) -> None:
    known = known_migrations()
    migrate(database)
    with pytest.raises(MigrationWasChanged, match="0005_grants"):
        migrate(database, migrations=known | {"0005_grants": known["0005_grants"] + "-- a harmless remark\n"})


def test_a_database_of_a_newer_version_is_refused(database: str) -> None:
    migrate(database)
    with pytest.raises(MigrationIsMissing, match="0002_entitlement_sets"):
        migrate(database, migrations={name: text for name, text in known_migrations().items() if "sets" not in name})


def test_a_new_migration_before_an_applied_one_is_refused(database: str) -> None:
    migrate(database)
    with pytest.raises(MigrationIsOutOfOrder, match="0004_another comes before"):
        migrate(database, migrations=known_migrations() | {"0004_another": "select 1"})


def test_a_migration_that_fails_leaves_nothing_behind(database: str) -> None:
    with pytest.raises(psycopg.errors.SyntaxError):
        migrate(database, migrations=known_migrations() | {"9999_broken": "create nonsense"})
    with closing(connect(database)) as connection:
        assert connection.execute("select to_regnamespace('entitlements')").fetchone() == (None,)


def test_runners_at_once_take_turns(database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: migrate(database), range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, len(known_migrations())]


def test_two_schemas_of_one_database_have_tables_of_their_own(database: str) -> None:
    migrate(database)
    assert migrate(database, "other") == list(known_migrations())
    with closing(connect(database, "other")) as connection:
        connection.execute("insert into resource_keys (resource_key) values ('seats')")
        assert connection.execute("select count(*) from entitlements.resource_keys").fetchone() == (0,)


def test_rows_that_were_there_before_have_their_organization(database: str) -> None:
    known = known_migrations()
    before = {name: text for name, text in known.items() if name < "0020"}
    migrate(database, migrations=before)
    rows = """
        insert into resource_keys (resource_key) values ('calls');
        insert into resource_pools (pool_id, organization_id, name, status, status_reason, status_actor, opened_at, status_at, backfilling,
            time_zone, clock, version) values ('p', 'acme', '', 'open', '', '', now(), now(), false, 'UTC', now(), 1);
        insert into pool_provisions (pool_id, provision_id, source, source_id, set_id, set_version, quantity, status, starts_at, priority,
            follows, scheduled_at, status_reason, actor, version)
            values ('p', 'plan', 'purchase', '', 's', 1, 1, 'active', now(), 0, false, now(), '', '', 1);
        insert into grants (pool_id, grant_id, status, reason, actor, issued_at, starts_at, version)
            values ('p', 'g', 'issued', '', '', now(), now(), 1);
        select add_usage_month(date_trunc('month', now())::date);
        insert into usage_events (pool_id, version, line, occurred_at, part, recorded_at, resource_key, quantity, overage, mode, late, bearer,
            charge) values ('p', 1, 0, now(), 0, now(), 'calls', 1, 0, 'report', false, 'included', 0);
    """
    with closing(connect(database)) as connection:
        connection.execute(rows.encode())
        migrate(database)
        for table in ("pool_provisions", "grants", "usage_events"):
            assert connection.execute(f"select organization_id from {table}".encode()).fetchall() == [("acme",)]
        with pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute("update usage_events set organization_id = 'theirs'")
