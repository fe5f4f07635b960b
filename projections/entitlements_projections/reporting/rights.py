"""The role that may read everything but secrets, and change nothing.

Each run grants what is missing, so a table that a migration adds is readable from then on. Default privileges would not do
in the tables' schema: they know no columns, and would hand out a column with hashes before anyone could take it back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import psycopg
from psycopg import sql

from entitlements_projections.database import Connection

#: A role for people and tools that only read. It cannot log in; logins are made members of it.
READER: Final = "entitlements_reader"
#: Columns whose names match hold secrets or hashes of them. The reader may read all others.
HIDDEN: Final = r"secret|sha256|hash|password|digest"

_UNREADABLE: Final = """
select
    c.relname,
    array_agg(a.attname::text order by a.attnum) filter (where a.attname !~ %(hidden)s),
    bool_or(a.attname ~ %(hidden)s)
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = %(schema)s and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition
    and (pg_has_role(c.relowner, 'usage') or c.relname = any(%(names)s))
group by c.oid, c.relname
having bool_or(a.attname !~ %(hidden)s and not has_column_privilege(%(reader)s, c.oid, a.attnum, 'select'))
"""


def require_reader(connection: Connection, reader: str) -> list[str]:
    """Make the role where it is missing; what an administrator has to do where we may not."""
    known = connection.execute("select from pg_roles where rolname = %s", (reader,)).fetchone()
    if known is not None:
        return []
    try:
        with connection.transaction():
            connection.execute(sql.SQL("create role {} nologin").format(sql.Identifier(reader)))
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return []  # Another database of the same server has made it meanwhile: roles belong to all of them.
    except psycopg.errors.InsufficientPrivilege:
        sentence = (
            f"The role {reader} is missing: {connection.info.user} may not create roles. As an administrator run "
            f"`create role {reader} nologin;`, then `entitlements migrate` again."
        )
        return [sentence]
    return []


def grant_reading(connection: Connection, schema: str, reader: str) -> None:
    """Let the role read what is in a schema, but no secrets. Does nothing where it may, or where one of both is missing.

    What we may not grant is left: `not_readable` says what that is. Postgres itself may only warn.
    """
    for statement in not_readable(connection, schema, reader):
        try:
            with connection.transaction():
                connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            continue


def not_readable(connection: Connection, schema: str, reader: str, names: Iterable[str] = ()) -> list[sql.Composed]:
    """The grants that the role lacks for a schema: of what is ours, and of relations of these names, whoever owns them."""
    identifiers = {"schema": sql.Identifier(schema), "reader": sql.Identifier(reader)}
    usage = connection.execute(
        "select has_schema_privilege(r.oid, n.oid, 'usage') from pg_roles r, pg_namespace n where r.rolname = %s and n.nspname = %s",
        (reader, schema),
    ).fetchone()
    if usage is None:
        return []
    lacking = [] if usage[0] else [sql.SQL("grant usage on schema {schema} to {reader}").format(**identifiers)]
    asked = {"schema": schema, "hidden": HIDDEN, "reader": reader, "names": list(names)}
    for table, columns, has_hidden in connection.execute(_UNREADABLE, asked).fetchall():
        readable = sql.SQL(", ").join(map(sql.Identifier, columns))
        what = sql.SQL("select ({})").format(readable) if has_hidden else sql.SQL("select")
        grant = sql.SQL("grant {what} on {table} to {reader}")
        lacking.append(grant.format(what=what, table=sql.Identifier(schema, table), reader=identifiers["reader"]))
    return lacking
