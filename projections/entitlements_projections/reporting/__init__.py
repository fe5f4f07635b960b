"""What analysts read: views in a schema of their own, and the role that may read them.

views      a file for each view: its query and a description of each column
rights     the role `entitlements_reader`: what it may read, and what it never may

The views are no part of the tables' schema, so a rebuild of the tables leaves them, and views that others built on them, in
their place: `install` points them to the new tables.
"""

from __future__ import annotations

from contextlib import closing, suppress
from functools import partial
from importlib.resources import files
from typing import Final

import psycopg
from psycopg import sql

from entitlements_projections.database import LIVE, Connection, connect
from entitlements_projections.locks import patiently
from entitlements_projections.privileges import explained, sentence
from entitlements_projections.reporting.rights import READER, grant_reading, not_readable, require_reader

#: Schema of the views.
SCHEMA: Final = "entitlements_reporting"
#: Schema of the access log, which the service keeps by itself.
ACCESS_LOG: Final = "entitlements_access_log"
#: The files of views/, in the order in which they build on each other.
VIEWS: Final = (
    "functions", "customer_entitlements", "pool_entitlements", "usage_lines", "usage_by_day", "provisions",
    "active_provisions", "grants", "contributions", "overrides", "customer_pools", "plan_rules", "api_keys", "access_log",
    "freshness",
)  # fmt: skip


def install(conninfo: str, reader: str = READER) -> list[str]:
    """Make or renew the views and the rights of the reader; what is left for an administrator to do, in sentences.

    The tables are there and up to date. Safe to repeat, also by several at once. A view that is as it should be is left
    alone; one that changes waits for those who read it. Raises LockIsHeld, RightsAreMissing, psycopg.OperationalError.
    """
    with (
        closing(connect(conninfo)) as turn,
        closing(connect(conninfo)) as connection,
        explained(turn, LIVE),
        turn.transaction(),
    ):
        # One at a time, and none during a migration. Readers may not take this lock.
        patiently(conninfo, turn, lambda: _take_turn(turn))
        left = _make_schema(connection)
        if not left:
            left = _make_views(conninfo, connection)
        left += require_reader(connection, reader)
        # What there is may be read, whatever else is left.
        return left + _let_read(connection, reader)


def _take_turn(turn: Connection) -> None:
    with turn.transaction():
        turn.execute("set local idle_in_transaction_session_timeout = 0")  # It waits while the views are made.
        turn.execute(
            sql.SQL("lock table {} in share row exclusive mode").format(sql.Identifier(LIVE, "schema_migrations"))
        )


def _let_read(connection: Connection, reader: str) -> list[str]:
    """Grant what the reader lacks; then look what it lacks still: Postgres only warns where we may not grant."""
    if connection.execute("select from pg_roles where rolname = %s", (reader,)).fetchone() is None:
        return []
    schemas = {LIVE: (), ACCESS_LOG: (), SCHEMA: VIEWS}
    for schema in schemas:
        grant_reading(connection, schema, reader)
    with suppress(psycopg.errors.InsufficientPrivilege):
        # Here alone, for views that the owner of the tables adds: tables have columns that are not for readers (see rights).
        default = sql.SQL("alter default privileges in schema {} grant select on tables to {}")
        if _is_there(connection, SCHEMA):
            connection.execute(default.format(sql.Identifier(SCHEMA), sql.Identifier(reader)))
    lacking = [grant for schema, names in schemas.items() for grant in not_readable(connection, schema, reader, names)]
    if not lacking:
        return []
    run = " ".join(f"{grant.as_string(connection)};" for grant in lacking)
    return [
        f"{reader} may not read everything, and {connection.info.user} may not grant it. As an administrator run `{run}`."
    ]


def drop(connection: Connection) -> None:
    """Drop the views, so that a migration may change what they read. They stay where others have built views on them."""
    views = [sql.Identifier(SCHEMA, name) for name in VIEWS if name != "functions"]
    try:
        with connection.transaction():
            connection.execute(sql.SQL("drop view if exists {}").format(sql.SQL(", ").join(views)))
    except (psycopg.errors.DependentObjectsStillExist, psycopg.errors.InsufficientPrivilege):
        return


def _make_schema(connection: Connection) -> list[str]:
    """Make the schema of the views where it is missing."""
    if _is_there(connection, SCHEMA):
        return []
    try:
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(SCHEMA)))
    except psycopg.errors.InsufficientPrivilege:
        user = connection.info.user
        sentence = (
            f"The views for analysts are missing: {user} may not create schemas. As an administrator run "
            f"`create schema {SCHEMA} authorization {user};`, then `entitlements migrate` again."
        )
        return [sentence]
    connection.execute(
        sql.SQL("comment on schema {} is 'Entitlements: views for analysts. Start with customer_entitlements.'").format(
            sql.Identifier(SCHEMA)
        )
    )
    return []


def _make_views(conninfo: str, connection: Connection) -> list[str]:
    """Make the views that differ from their files; in sentences why some could not be."""
    left: list[str] = []
    is_dropped = False
    for name in VIEWS:
        if name == "access_log" and not _is_there(connection, ACCESS_LOG):
            continue
        make = partial(_make, connection, name)
        try:
            try:
                patiently(conninfo, connection, make)
            except psycopg.errors.InvalidTableDefinition:  # Another version had other columns.
                if is_dropped:
                    raise
                is_dropped = True
                patiently(conninfo, connection, lambda: drop(connection))
                return left + _make_views(conninfo, connection)
        except psycopg.errors.InvalidTableDefinition:
            left.append(
                f"The columns of {SCHEMA}.{name} are those of another version, and views of others are built on it. "
                "Drop those, run `entitlements migrate`, and create them again."
            )
        except psycopg.errors.InsufficientPrivilege as refused:
            return [*left, f"The views for analysts are not up to date. {sentence(connection, SCHEMA, refused)}"]
    return left


def _make(connection: Connection, name: str) -> None:
    # One transaction each: two of these locks at once could wait in a circle with somebody's query.
    text = files(__package__).joinpath("views", f"{name}.sql").read_text(encoding="utf-8")
    with connection.transaction():
        definition, comment, comments = text.partition("\ncomment on ")
        _, is_view, query = definition.partition(f"create or replace view {SCHEMA}.{name} as\n")
        if not is_view or not _is_current(connection, name, query):
            connection.execute(definition.encode())
        # Readers do not wait for these, nor these for readers.
        connection.execute((comment + comments).encode())


def _is_current(connection: Connection, name: str, query: str) -> bool:
    """Whether a view is what this query makes, from the tables that are live: replacing it would wait for all who read it."""
    with connection.transaction(force_rollback=True):
        connection.execute(f"create temporary view entitlements_candidate as\n{query}".encode())
        found = connection.execute(_IS_SAME, (f"{SCHEMA}.{name}",)).fetchone()
    return found == (True,)


_IS_SAME: Final = """
select pg_get_viewdef(candidate.oid) = pg_get_viewdef(view.oid) and
    (select array_agg((attname, atttypid) order by attnum) from pg_attribute where attrelid = candidate.oid)
    = (select array_agg((attname, atttypid) order by attnum) from pg_attribute where attrelid = view.oid)
from pg_class candidate, pg_class view
where candidate.oid = to_regclass('pg_temp.entitlements_candidate') and view.oid = to_regclass(%s) and view.relkind = 'v'"""


def _is_there(connection: Connection, schema: str) -> bool:
    return connection.execute("select to_regnamespace(%s) is not null", (schema,)).fetchone() == (True,)
