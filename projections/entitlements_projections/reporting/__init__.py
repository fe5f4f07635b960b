"""What analysts read: views in a schema of their own, and the role that may read them.

views      a file for each view: its query and a description of each column
rights     the role `entitlements_reader`: what it may read, and what it never may

The views are no part of the tables' schema, so a rebuild of the tables leaves them, and views that others built on them, in
their place: `install` points them to the new tables.
"""

from __future__ import annotations

from contextlib import closing
from importlib.resources import files
from typing import Final

import psycopg
from psycopg import sql

from entitlements_projections.database import LIVE, Connection, connect
from entitlements_projections.reporting.rights import READER, grant_reading, require_reader

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

    The tables are there and up to date. Safe to repeat, also by several at once. Waits for queries that read a view. Raises
    psycopg.OperationalError.
    """
    with closing(connect(conninfo)) as connection:
        connection.execute("select pg_advisory_lock(hashtextextended('entitlements.reporting', 0))")
        left = _make_schema(connection)
        if not left:
            try:
                _make_views(connection)
            except psycopg.errors.InvalidTableDefinition:  # Another version had other columns.
                drop(connection)
                _make_views(connection)
        left += require_reader(connection, reader)
        if not left:
            for schema in (LIVE, ACCESS_LOG, SCHEMA):
                grant_reading(connection, schema, reader)
            # Here alone, for views that the owner of the tables adds: tables have columns that are not for readers (see rights).
            default = sql.SQL("alter default privileges in schema {} grant select on tables to {}")
            connection.execute(default.format(sql.Identifier(SCHEMA), sql.Identifier(reader)))
    return left


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


def _make_views(connection: Connection) -> None:
    for name in VIEWS:
        if name == "access_log" and not _is_there(connection, ACCESS_LOG):
            continue
        # One transaction each: two of these locks at once could wait in a circle with somebody's query.
        with connection.transaction():
            connection.execute(files(__package__).joinpath("views", f"{name}.sql").read_bytes())


def _is_there(connection: Connection, schema: str) -> bool:
    return connection.execute("select to_regnamespace(%s) is not null", (schema,)).fetchone() == (True,)
