"""Connections that see one set of tables."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import psycopg
from psycopg import sql

#: Schema of the tables that are read.
LIVE: Final = "entitlements"

Row: TypeAlias = dict[str, Any]
Connection: TypeAlias = psycopg.Connection[Any]
Cursor: TypeAlias = psycopg.Cursor[Any]


def connect(conninfo: str, schema: str = LIVE, *, connect_within_for: int = 10) -> Connection:
    """Connect in autocommit mode, so that transactions are where the code says so, and see one schema's tables.

    connect_within_for: whole seconds, two at least. Raises psycopg.OperationalError when Postgres is away.
    """
    # A peer that vanished without a word is noticed within half a minute.
    connection = psycopg.connect(
        conninfo,
        autocommit=True,
        connect_timeout=connect_within_for,
        keepalives_idle=10,
        keepalives_interval=5,
        tcp_user_timeout=30_000,
    )
    configure(connection, schema)
    return connection


def configure(connection: Connection, schema: str = LIVE) -> None:
    """Make a connection see one schema's tables and speak UTC; fits `psycopg_pool.ConnectionPool(configure=...)`."""
    with connection.transaction():
        # The schema of extensions comes last; temporary tables come first by themselves.
        connection.execute(sql.SQL("set search_path to {}, public").format(sql.Identifier(schema)))
        connection.execute("set timezone to 'UTC'")
