"""What analysts read, on a real Postgres: views with units, decimals and statuses, and a role that reads them and nothing secret."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.readers import a_reader

from entitlements import testing
from entitlements.access.log import tables as of_access_log
from entitlements.cli import dashboard
from entitlements.cli.running import run
from entitlements.domain.aggregate import from_ms
from entitlements.examples import define_resource_key
from entitlements.examples_of_governance import create_api_key
from entitlements_projections import reading, reporting
from entitlements_projections.database import Connection, connect
from entitlements_projections.migrations import known_migrations, migrate
from entitlements_projections.reporting import SCHEMA, VIEWS
from entitlements_projections.testing import AT_MS, SyntheticLedger, all_frames, random_history, write

#: Views of rows about a pool or a customer; the others are the catalogue's and the service's.
OWNED = [name for name in VIEWS if name not in {"functions", "plan_rules", "freshness"}]
#: What comments name beside tables, columns, views and functions: values and examples.
VALUES = {
    "api_calls", "pool_closed", "always_allow", "parent_wins", "child_wins", "geographic_restrictions", "reset_period", "start_date",
    "end_date", "quota_exceeded", "_decimal", "on_demand",
}  # fmt: skip


@contextmanager
def made(postgres: str) -> Iterator[str]:
    """A database with tables and views, and rows of whatever can happen to pools."""
    with testing.a_database(postgres) as database:
        migrate(database)
        of_access_log.migrate(database)
        with closing(connect(database)) as connection:
            ledger = SyntheticLedger()
            random_history(ledger, Random(4), 500)  # A seed with everything that the tests look for.
            ledger.ask(AT_MS, create_api_key(), define_resource_key("exports", unit="report", scale=2))
            write(connection, all_frames(ledger))
        assert reporting.install(database) == []
        yield database


@pytest.fixture(scope="module")
def filled(postgres: str) -> Iterator[str]:
    with made(postgres) as database:
        yield database


@pytest.fixture
def connection(filled: str) -> Iterator[Connection]:
    with closing(psycopg.connect(filled, autocommit=True)) as connection:
        yield connection


@pytest.fixture
def reader(filled: str) -> Iterator[Connection]:
    """Somebody with the two lines of docs/analytics.md."""
    with a_reader(filled) as conninfo, closing(psycopg.connect(conninfo, autocommit=True)) as connection:
        yield connection


def rows(connection: Connection, query: str, *parameters: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return list(cursor.execute(query.encode(), parameters or None).fetchall())


# --- Descriptions ----------------------------------------------------------------------------------------------------

_OBJECTS = """
    select n.nspname as schema, c.relname as name, '' as part, obj_description(c.oid, 'pg_class') as text
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname like 'entitlements%' and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    union all
    select n.nspname, c.relname, a.attname, col_description(c.oid, a.attnum)
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname like 'entitlements%' and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    union all
    select n.nspname, p.proname, '()', obj_description(p.oid, 'pg_proc')
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname like 'entitlements%'"""


def test_every_table_view_column_and_function_of_every_schema_has_a_comment(connection: Connection) -> None:
    described = rows(connection, _OBJECTS)
    assert {row["schema"] for row in described} == {"entitlements", "entitlements_access_log", SCHEMA}
    assert [row for row in described if not row["text"]] == []


def test_no_comment_names_what_is_not_there(connection: Connection) -> None:
    described = rows(connection, _OBJECTS)
    names = {row[part] for row in described for part in ("schema", "name", "part")} | VALUES
    pairs = {f"{row['name']}.{row['part']}" for row in described}
    for row in described:
        words = re.findall(r"(?<![\w.])[a-z_]+(?:\.[a-z_]+)*(?![\w.])", row["text"].rstrip("."))
        missing = [word for word in words if "_" in word and "." not in word and word not in names]
        missing += [word for word in words if "." in word and word not in pairs]
        assert not missing, row


# --- Columns ---------------------------------------------------------------------------------------------------------


def columns_of(connection: Connection, view: str) -> dict[str, str]:
    query = "select column_name, data_type from information_schema.columns where table_schema = %s and table_name = %s"
    return {row["column_name"]: row["data_type"] for row in rows(connection, query, SCHEMA, view)}


@pytest.mark.parametrize("view", [name for name in VIEWS if name != "functions"])
def test_a_quantity_has_its_decimal_value_its_unit_and_its_scale_beside_it(connection: Connection, view: str) -> None:
    columns = columns_of(connection, view)
    decimals = [name.removesuffix("_decimal") for name in columns if name.endswith("_decimal")]
    # Sums have no bound that fits a bigint.
    whole = "numeric" if view == "usage_by_day" else "bigint"
    assert all(columns[name] == whole and columns[f"{name}_decimal"] == "numeric" for name in decimals)
    assert not decimals or {"resource_key", "unit", "scale"} <= columns.keys()
    named = (
        "quantity",
        "included",
        "consumed",
        "remaining",
        "reserved",
        "owed",
        "overage",
        "amount",
        "soft_limit",
        "cap",
    )
    bare = {name for name in named if columns.get(name) == "bigint"} - set(decimals)
    # How many times a provision was sold is no quantity of a key.
    assert bare == ({"quantity"} if view.endswith("provisions") else set())


@pytest.mark.parametrize("view", OWNED)
def test_a_row_says_whose_it_is_and_calls_a_customer_a_customer(connection: Connection, view: str) -> None:
    columns = columns_of(connection, view)
    assert "organization_id" in columns
    assert not [name for name in columns if "workspace" in name]


@pytest.mark.parametrize(
    ("quantity", "scale", "shown"),
    [
        (1250, 2, "12.50"),
        (7, 0, "7"),
        (-5, 3, "-0.005"),
        (2**63 - 1, 18, "9.223372036854775807"),
        (2**53 + 1, 6, "9007199254.740993"),
    ],
)
def test_decimals_are_exact(connection: Connection, quantity: int, scale: int, shown: str) -> None:
    ((found,),) = connection.execute(f"select {SCHEMA}.decimal_of(%s, %s)::text".encode(), (quantity, scale))
    assert found == shown


def decimal(quantity: int | None, scale: int) -> Decimal | None:
    return None if quantity is None else Decimal(quantity).scaleb(-scale)


def test_a_row_of_customer_entitlements_is_what_the_dashboard_shows(filled: str, connection: Connection) -> None:
    found = {
        (row["customer_id"], row["pool_id"], row["resource_key"]): row
        for row in rows(connection, f"select * from {SCHEMA}.customer_entitlements")
    }
    statuses, compared = set(), 0
    with closing(connect(filled)) as live:
        now = from_ms(int(rows(live, "select extract(epoch from now()) * 1000 as ms")[0]["ms"]))
        overridden = {
            (row["workspace_id"], row["pool_id"], row["resource_key"])
            for row in rows(live, "select * from workspace_entitlements where workspace_override_id is not null")
        }
        for customer in {customer for customer, _, _ in found}:
            for row in reading.entitlements_of_workspace(live, "acme", customer, now):
                key = customer, row["pool_id"], row["resource_key"]
                if key in overridden:  # The dashboard shows the pool, the view the customer.
                    found.pop(key, None)
                    continue
                view, scale = found.pop(key), row["scale"] or 0
                assert view["status"] == dashboard.status_of(row)
                statuses.add(view["status"])
                assert (view["organization_id"], view["scale"], view["unit"]) == ("acme", scale, row["unit"])
                pairs = {"included": "effective_limit", "paid": "elsewhere"} | {
                    name: name for name in ("consumed", "remaining", "reserved", "owed", "soft_limit", "hard_limit")
                }
                for ours, theirs in pairs.items():
                    assert (view[ours], view[f"{ours}_decimal"]) == (row[theirs], decimal(row[theirs], scale)), ours
                compared += 1
    assert not found
    assert compared > 20
    assert {"ACTIVE", "OK", "WARNING", "LIMIT REACHED", "SUSPENDED"} <= statuses


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"held": False, "suspended": True}, "SUSPENDED"),
        ({"held": False}, "ENDED"),
        ({"available": False, "owed": 1}, "UNAVAILABLE"),
        ({"entitlement_type": "boolean"}, "ACTIVE"),
        ({"owed": 1, "remaining": 0, "consumed": 9, "soft_limit": 5}, "OVERAGE"),
        ({"remaining": 0, "consumed": 9, "soft_limit": 5}, "LIMIT REACHED"),
        ({"remaining": None, "consumed": 5, "soft_limit": 5}, "WARNING"),
        ({"remaining": 1, "consumed": 4, "soft_limit": 5}, "OK"),
        ({"remaining": 1, "consumed": 9, "soft_limit": None}, "OK"),
    ],
)
def test_statuses_are_the_words_of_the_dashboard(connection: Connection, row: dict[str, Any], status: str) -> None:
    whole = {
        "held": True,
        "suspended": False,
        "available": True,
        "entitlement_type": "quota",
        "owed": 0,
        "remaining": 9,
        "consumed": 0,
        "soft_limit": None,
    } | row
    query = f"""select {SCHEMA}.status_of(%(held)s, %(suspended)s, %(available)s, %(entitlement_type)s, %(owed)s::bigint, %(remaining)s::bigint,
        %(consumed)s::bigint, %(soft_limit)s::bigint)"""
    ((found,),) = connection.execute(query.encode(), whole)
    assert found == status == dashboard.status_of(whole)


def test_days_add_up_to_the_lines_and_their_parts_to_the_whole(connection: Connection) -> None:
    by_day = f"select pool_id, resource_key, sum(quantity) as q, sum(overage) as o, sum(lines) as n from {SCHEMA}.usage_by_day group by 1, 2"
    by_line = """select u.pool_id, u.resource_key, sum(quantity) as q, sum(overage) filter (where n.entitlement_type <> 'limit') as o,
            count(*) filter (where part = 0) as n
        from entitlements.usage_events u join entitlements.numeric_entitlements n using (pool_id, resource_key) group by 1, 2"""
    found = rows(connection, f"{by_day} order by 1, 2")
    assert found == [row | {"o": row["o"] or 0} for row in rows(connection, f"{by_line} order by 1, 2")]
    parts = f"select * from {SCHEMA}.usage_by_day where quantity <> included + by_credits + on_demand + overage"
    assert rows(connection, parts) == []
    seen = f"select sum(by_credits) > 0 as c, sum(on_demand) > 0 as d, sum(overage) > 0 as o, count(distinct day) > 3 as n from {SCHEMA}.usage_by_day"
    assert rows(connection, seen) == [{"c": True, "d": True, "o": True, "n": True}]


def test_what_is_held_above_a_limit_is_overage_nowhere(connection: Connection) -> None:
    above = """select distinct u.pool_id, u.resource_key from entitlements.usage_events u
        join entitlements.numeric_entitlements n using (pool_id, resource_key) where u.overage > 0 and n.entitlement_type = 'limit'"""
    assert rows(connection, above)
    for view, column in {
        "usage_by_day": "overage",
        "pool_entitlements": "owed",
        "customer_entitlements": "owed",
    }.items():
        found = f"select sum({column}) as n from {SCHEMA}.{view} where (pool_id, resource_key) in ({above})"
        assert rows(connection, found) == [{"n": 0}], view


def test_every_view_bears_the_largest_quantities_of_the_ledger_and_sums_of_them(postgres: str) -> None:
    largest, total = 2**53, 2**62 - 1  # Of a line or a limit; of what a pool consumes in a period (domain/usage.py).
    with made(postgres) as database, closing(connect(database)) as admin:
        admin.execute(
            f"""
            insert into usage_events (pool_id, organization_id, version, line, occurred_at, part, recorded_at, resource_key, quantity,
                overage, mode, late, workspace_id, bearer, charge)
            select pool_id, 'acme', 1000000 + n, n, at, 0, at, resource_key, {largest}, {largest}, 'report', true, 'ws-large', bearer, {largest}
            from (select pool_id, resource_key, occurred_at as at from usage_events limit 1) u,
                generate_series(1, 4 * 511) n, unnest(array['included', 'credit', 'on_demand', 'overage']) with ordinality as b (bearer, m)
            where n % 4 = m - 1""".encode()
        )
        admin.execute(
            f"""update numeric_entitlements set effective_limit = {500 * largest}, soft_limit = {largest}, hard_limit = {500 * largest},
            begins_with = {largest}, uncounted = {largest}""".encode()
        )
        admin.execute(
            f"update numeric_entitlement_usage set consumed = {total}, elsewhere = {total}, owed = {total}".encode()
        )
        admin.execute(
            f"update numeric_entitlement_contributions set included_limit = {largest}, carried = {largest}, consumed = {largest}".encode()
        )
        admin.execute(
            f"update pool_ondemand_config set spent = {largest}, spending_cap = {largest}, bought = {total}, charged = {total}".encode()
        )
        admin.execute("update resource_keys set scale = 18")
        for name in VIEWS[1:]:
            admin.execute(f"select * from {SCHEMA}.{name}".encode()).fetchall()
            for column, kind in columns_of(admin, name).items():
                if kind in {"numeric", "bigint"}:
                    admin.execute(f"select sum({column}) from {SCHEMA}.{name}".encode())
        day = f"select quantity, overage, quantity_decimal::text as decimal from {SCHEMA}.usage_by_day where customer_id = 'ws-large'"
        whole = 4 * 511 * largest
        assert whole > 2**63
        (found,) = rows(admin, day)
        assert found == {"quantity": whole, "overage": whole, "decimal": str(decimal(whole, 18))}


def test_every_provision_contribution_and_grant_is_there_once(connection: Connection) -> None:
    for view, table in {
        "provisions": "pool_provisions", "grants": "grants", "overrides": "pool_overrides", "customer_pools": "pool_assignments",
        "api_keys": "api_keys", "usage_lines": "usage_events", "plan_rules": "entitlement_set_rules",
    }.items():  # fmt: skip
        ((ours, theirs),) = connection.execute(
            f"select (select count(*) from {SCHEMA}.{view}), (select count(*) from entitlements.{table})".encode()
        )
        assert ours == theirs > 0, view
    active = f"select count(*) as n from {SCHEMA}.active_provisions"
    assert rows(connection, active) == rows(
        connection, "select count(*) as n from entitlements.pool_provisions where status = 'active'"
    )
    ((numbers, features),) = connection.execute(
        f"""select count(*) filter (where p.resource_key is null), count(p.resource_key)
        from {SCHEMA}.contributions c left join entitlements.boolean_entitlements p
            on p.pool_id = c.pool_id and p.resource_key = c.resource_key and p.held""".encode()
    )
    assert (numbers, features) == connection.execute("""
        select (select count(*) from entitlements.numeric_entitlement_contributions),
            (select sum(cardinality(provision_ids)) from entitlements.boolean_entitlements where held)""").fetchone()


# --- The role --------------------------------------------------------------------------------------------------------


def test_the_reader_reads_every_view_and_every_table(reader: Connection) -> None:
    for name in VIEWS[1:]:
        reader.execute(f"select * from {SCHEMA}.{name} limit 5".encode()).fetchall()
    tables = rows(reader, "select schemaname, tablename from pg_tables where schemaname like 'entitlements%'")
    # Partitions are read by their parents; a gate has nothing to read.
    readable = [row for row in tables if not re.search(r"_\d{4}|_before_|_from_|_gate$", row["tablename"])]
    for row in readable:
        columns = "key_id" if row["tablename"] == "api_keys" else "*"
        reader.execute(f"select {columns} from {row['schemaname']}.{row['tablename']} limit 1".encode())
    assert len(readable) > 30
    reader.execute("select * from entitlements.workspace_entitlements limit 1")


@pytest.mark.parametrize(
    "statement",
    [
        "select secret_sha256 from entitlements.api_keys",
        "select * from entitlements.api_keys",
        "select count(*) from entitlements.api_keys where secret_sha256 like 'a%'",
        "insert into entitlements.resource_keys (resource_key) values ('mine')",
        "update entitlements.grants set reason = ''",
        "delete from entitlements.pool_provisions",
        "truncate entitlements.resource_pools cascade",
        f"delete from {SCHEMA}.freshness",
        f"update {SCHEMA}.api_keys set name = ''",
        "delete from entitlements_access_log.access_log",
        "create table entitlements.mine (a integer)",
        f"create view {SCHEMA}.mine as select 1",
        "drop table entitlements.grants",
        "set search_path to entitlements; select add_usage_month('2030-01-01')",
        "select from entitlements.rebuild_gate",
    ],
)
def test_the_reader_changes_nothing_and_sees_no_hash(reader: Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(statement.encode())


def test_no_view_has_what_is_secret(connection: Connection) -> None:
    for name in VIEWS[1:]:
        assert not [column for column in columns_of(connection, name) if re.search("secret|sha256|digest", column)]


def test_it_is_made_again_with_nothing_to_do_and_by_several_at_once(filled: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: reporting.install(filled), range(4))) == [[]] * 4


def test_a_table_that_comes_later_is_readable_from_then_on_and_its_hashes_are_not(postgres: str) -> None:
    with made(postgres) as database, closing(connect(database)) as admin:
        admin.execute("create table tokens (name text, token_sha256 text)")
        admin.execute("insert into tokens values ('a', 'b')")
        reporting.install(database)
        admin.execute("set role entitlements_reader")
        assert admin.execute("select name from tokens").fetchall() == [("a",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute("select token_sha256 from tokens")


def test_a_migration_may_change_what_a_view_reads(postgres: str) -> None:
    with made(postgres) as database, closing(psycopg.connect(database, autocommit=True)) as admin:
        change = {
            "9999_wider": "alter table grants alter column reason type varchar(500); alter table grants drop column over_actor cascade"
        }
        assert migrate(database, migrations=known_migrations() | change) == ["9999_wider"]
        admin.execute("alter table entitlements.grants add column over_actor text")
        assert reporting.install(database) == []
        assert admin.execute(f"select count(*) > 0 from {SCHEMA}.grants".encode()).fetchone() == (True,)


def test_views_that_others_built_on_them_stay_at_a_migration(postgres: str) -> None:
    with made(postgres) as database, closing(psycopg.connect(database, autocommit=True)) as admin:
        admin.execute(f"create view mine as select pool_id from {SCHEMA}.pool_entitlements".encode())
        assert migrate(
            database, migrations=known_migrations() | {"9999_more": "alter table grants add column more text"}
        )
        assert reporting.install(database) == []
        assert admin.execute("select count(*) > 0 from mine").fetchone() == (True,)


def test_a_view_of_another_version_is_replaced(filled: str, connection: Connection) -> None:
    connection.execute(f"drop view {SCHEMA}.freshness".encode())
    connection.execute(f"create view {SCHEMA}.freshness as select 1 as another, 2 as more".encode())
    assert reporting.install(filled) == []
    assert "as_of" in columns_of(connection, "freshness")


# --- Users who may not do it all -------------------------------------------------------------------------------------


def test_where_roles_may_not_be_created_one_sentence_says_what_to_run(postgres: str) -> None:
    """As on a managed Postgres: the owner of the tables is no superuser and may not create roles."""
    owner, role = (f"{name}_{secrets.token_hex(4)}" for name in ("owner", "reader"))
    with testing.a_database(postgres) as database, closing(psycopg.connect(database, autocommit=True)) as admin:
        admin.execute(f"create role {owner} login".encode())
        admin.execute("create extension btree_gist with schema public")
        admin.execute(f"grant create on database {admin.info.dbname} to {owner}".encode())
        try:
            as_owner = psycopg.conninfo.make_conninfo(database, user=owner)
            migrate(as_owner)
            (sentence,) = reporting.install(as_owner, role)
            assert sentence == (
                f"The role {role} is missing: {owner} may not create roles. As an administrator run "
                f"`create role {role} nologin;`, then `entitlements migrate` again."
            )
            admin.execute(sentence.split("`")[1].encode())
            assert reporting.install(as_owner, role) == []
            admin.execute(f"set role {role}".encode())
            assert admin.execute(f"select count(*) from {SCHEMA}.customer_entitlements".encode()).fetchone() == (0,)
            admin.execute("reset role")
        finally:
            for name in (owner, role):
                admin.execute(f"drop owned by {name} cascade".encode())
                admin.execute(f"drop role {name}".encode())


def test_where_schemas_may_not_be_created_migrate_says_in_one_sentence_what_to_run(
    postgres: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    owner = f"owner_{secrets.token_hex(4)}"
    with testing.a_database(postgres) as database, closing(psycopg.connect(database, autocommit=True)) as admin:
        admin.execute(f"create role {owner} login".encode())
        admin.execute("create extension btree_gist with schema public")
        for schema in ("entitlements", "entitlements_access_log"):
            admin.execute(f"create schema {schema} authorization {owner}".encode())
        try:
            as_owner = psycopg.conninfo.make_conninfo(database, user=owner)
            monkeypatch.setenv("ENTITLEMENTS_POSTGRES", as_owner)
            assert run(["migrate", "--data", str(tmp_path)]) == 0
            said = " ".join(capsys.readouterr().out.split())
            assert f"The views for analysts are missing: {owner} may not create schemas." in said
            (line,) = re.findall("`(create schema .*?;)`", said)
            admin.execute(line.encode())
            assert run(["migrate", "--json", "--data", str(tmp_path)]) == 0
            assert json.loads(capsys.readouterr().out)["left_to_do"] == []
            assert reporting.install(as_owner) == []
        finally:
            admin.execute(f"drop owned by {owner} cascade".encode())
            admin.execute(f"drop role {owner}".encode())
