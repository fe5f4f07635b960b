"""Somebody who may read the analysts' views: a login with the two lines of docs/analytics.md."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg


@contextmanager
def a_reader(server: str, **more: Any) -> Iterator[str]:
    """Its connection string, with more parameters. server: the connection string of who may create roles."""
    name = f"ana_{secrets.token_hex(4)}"
    with closing(psycopg.connect(server, autocommit=True)) as admin:
        admin.execute(f"create role {name} login".encode())
        admin.execute(f"grant entitlements_reader to {name}".encode())
        try:
            yield psycopg.conninfo.make_conninfo(server, user=name, **more)
        finally:
            admin.execute(f"drop role {name}".encode())
