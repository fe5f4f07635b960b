"""What a role of Postgres lacks, as statements that an administrator runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from entitlements_projections.database import Connection
from entitlements_projections.errors import RightsAreMissing

_FOREIGN: Final = """
select format('%%I.%%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = %s and c.relkind in ('r', 'p', 'v') and not pg_has_role(c.relowner, 'usage')
order by 1"""


@contextmanager
def explained(connection: Connection, schema: str, *, creates_schemas: bool = False) -> Iterator[None]:
    """Turn a refusal of Postgres into the statements that would help. Wraps whole transactions. Raises RightsAreMissing."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as refused:
        raise RightsAreMissing(sentence(connection, schema, refused, creates_schemas=creates_schemas)) from refused


def sentence(connection: Connection, schema: str, refused: psycopg.Error, *, creates_schemas: bool = False) -> str:
    """What was refused, and what an administrator runs."""
    why = (refused.diag.message_primary or str(refused)).strip()
    found = lacking(connection, schema, creates_schemas=creates_schemas)
    line = f"run `{' '.join(found)}`" if found else "grant it"
    return f"{connection.info.user}: {why}. As an administrator {line}, then `entitlements migrate` again."


def lacking(connection: Connection, schema: str, *, creates_schemas: bool = False) -> list[str]:
    """Statements that give the user of a connection what work on a schema needs."""
    names = connection.execute(
        "select quote_ident(session_user), quote_ident(current_database()), quote_ident(%s), "
        "has_database_privilege(current_database(), 'create')",
        (schema,),
    ).fetchone()
    assert names is not None
    user, database, name, may_create = names
    owned = connection.execute(
        "select pg_has_role(nspowner, 'usage') from pg_namespace where nspname = %s", (schema,)
    ).fetchone()
    found = []
    if not may_create and (owned is None or creates_schemas):
        found.append(f"grant create on database {database} to {user};")
    elif not may_create and _extension_is_missing(connection):
        found.append("create extension btree_gist with schema public;")
    if owned == (False,):
        found.append(f"alter schema {name} owner to {user};")
    foreign = connection.execute(_FOREIGN, (schema,)).fetchall()
    return found + [f"alter table {relation} owner to {user};" for (relation,) in foreign]


def _extension_is_missing(connection: Connection) -> bool:
    return connection.execute("select from pg_extension where extname = 'btree_gist'").fetchone() is None
