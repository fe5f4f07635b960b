"""The tables, as numbered SQL files, and the runner that applies each of them once.

The files name no schema: `migrate` makes the schema and lets the search path point there, so that the same files make
the live tables and those of a rebuild.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

import psycopg
from psycopg import sql

from entitlements_projections import reporting
from entitlements_projections.database import LIVE, Connection, connect
from entitlements_projections.errors import MigrationIsMissing, MigrationIsOutOfOrder, MigrationWasChanged
from entitlements_projections.locks import patiently
from entitlements_projections.privileges import explained


def known_migrations() -> dict[str, str]:
    """Name and text of every migration of this version, in the order of their names."""
    folder = files(__package__)
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return {name.removesuffix(".sql"): folder.joinpath(name).read_text(encoding="utf-8") for name in names}


def migrate(conninfo: str, schema: str = LIVE, migrations: Mapping[str, str] | None = None) -> list[str]:
    """Bring a schema to this version and return the names of what was applied; nothing, when it is already there.

    All or nothing, in one transaction; two runners at once take turns. Raises MigrationError when the database has
    another history than the files, RightsAreMissing, LockIsHeld, psycopg.OperationalError when Postgres is away.
    """
    known = known_migrations() if migrations is None else migrations
    with connect(conninfo, schema) as connection:
        while True:
            try:
                return patiently(conninfo, connection, lambda: _apply(connection, schema, known))
            except _AnotherBegan:  # It has committed: its schema and its table are there now.
                continue


def _apply(connection: Connection, schema: str, known: Mapping[str, str]) -> list[str]:
    with explained(connection, schema), connection.transaction():
        _begin(connection, schema)
        # Not for readers: it needs more than the right to select. Two runners take turns.
        connection.execute("lock table schema_migrations in share row exclusive mode")
        applied = dict(connection.execute("select name, checksum from schema_migrations order by name").fetchall())
        missing = _check(applied, known)
        if applied and missing and schema == LIVE:
            reporting.drop(connection)  # Whoever migrates makes them again: what they read may change now.
        for name in missing:
            connection.execute(known[name].encode())
            connection.execute("insert into schema_migrations values (%s, %s)", (name, checksum(known[name])))
    return missing


def pending(conninfo: str, schema: str = LIVE, migrations: Mapping[str, str] | None = None) -> list[str] | None:
    """The names of what `migrate` would apply; None: there are no tables. What a newer version applied is no obstacle.

    Raises MigrationWasChanged, psycopg.OperationalError.
    """
    known = known_migrations() if migrations is None else migrations
    with connect(conninfo, schema) as connection:
        if connection.execute("select to_regclass('schema_migrations') is null").fetchone() == (True,):
            return None
        applied = dict(connection.execute("select name, checksum from schema_migrations").fetchall())
    return _check({name: was for name, was in applied.items() if name in known}, known)


def checksum(text: str) -> str:
    """SHA-256 of a migration's text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


class _AnotherBegan(Exception):
    """Another runner has made the schema or the first table at the same time."""


def _begin(connection: Connection, schema: str) -> None:
    try:
        # Asked first: whoever may not create schemas can still run what is there.
        if connection.execute("select to_regnamespace(quote_ident(%s)) is null", (schema,)).fetchone() == (True,):
            connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        connection.execute("""
            create table if not exists schema_migrations (
                name text primary key, checksum text not null, applied_at timestamptz not null default now())""")
    except (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateSchema, psycopg.errors.DuplicateTable) as error:
        raise _AnotherBegan from error
    for what, text in _DESCRIBED.items():
        connection.execute(sql.SQL("comment on {} is {}").format(sql.SQL(what), sql.Literal(text)))


_DESCRIBED: Final = {
    "table schema_migrations": "Migrations that made these tables, with the SHA-256 of their text.",
    "column schema_migrations.name": "Name of the migration: its number and what it is about.",
    "column schema_migrations.checksum": "SHA-256 of its text, in hex.",
    "column schema_migrations.applied_at": "When it was applied.",
}


def _check(applied: Mapping[str, str], known: Mapping[str, str]) -> list[str]:
    for name, was in applied.items():
        if name not in known:
            raise MigrationIsMissing(name)
        if checksum(known[name]) != was:
            raise MigrationWasChanged(name)
    missing = sorted(known.keys() - applied.keys())
    newest = max(applied, default="")
    for name in missing:
        if name < newest:
            raise MigrationIsOutOfOrder(f"{name} comes before {newest}")
    return missing
