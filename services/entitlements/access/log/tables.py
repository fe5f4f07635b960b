"""Where the access log is kept: the schema `entitlements_access_log`, beside the read models and not of them.

Rebuilding the read models renames their schema away; these tables hold what no ledger could give back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

import psycopg
from psycopg import sql

from entitlements.access.log.entries import Entry
from entitlements.domain.aggregate import from_ms
from entitlements.errors import EntitlementsError
from entitlements_projections.database import Connection, Cursor, connect
from entitlements_projections.migrations import migrate as apply
from entitlements_projections.migrations import pending as pending_in

SCHEMA: Final = "entitlements_access_log"
#: The columns of sql/copy.sql with their types in Postgres: binary COPY converts nothing.
_TYPES: Final = {
    "organization_id": "text", "occurred_at": "timestamptz", "decision_id": "text", "customer_id": "text",
    "resource_key": "text", "entitlement_type": "text", "quantity": "int8", "subject_id": "text", "action": "text",
    "result": "text", "reason": "text", "request_id": "text", "ip_address": "text", "user_agent": "text",
    "resource_type": "text", "resource_id": "text", "policy_version": "int8", "as_of": "text", "lag_ms": "int8",
    "source": "text", "count": "int8", "asked_by": "text", "asked_by_organization": "text",
}  # fmt: skip
_DAY: Final = "access_log_%Y%m%d"
#: Seconds that dropping a day waits for transactions that have read the log.
_DROP_WITHIN_FOR: Final = 1.0


class AnotherKeeper(EntitlementsError):
    """Another process wrote this part of the access log."""

    code = "another_keeper"


def migrate(conninfo: str) -> list[str]:
    """Create the tables that are missing. Raises MigrationError, psycopg.OperationalError."""
    return apply(conninfo, SCHEMA, _known())


def pending(conninfo: str) -> list[str] | None:
    """The names of what `migrate` would apply; None: there are no tables. Raises MigrationWasChanged, psycopg.OperationalError."""
    return pending_in(conninfo, SCHEMA, _known())


def _known() -> dict[str, str]:
    folder = files(__package__).joinpath("migrations")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return {name.removesuffix(".sql"): folder.joinpath(name).read_text(encoding="utf-8") for name in names}


def open_tables(conninfo: str) -> Connection:
    """A connection that sees them. Raises psycopg.OperationalError."""
    return connect(conninfo, SCHEMA)


@cache
def statement(name: str) -> bytes:
    """The statement of a name."""
    return files(__package__).joinpath("sql", f"{name}.sql").read_bytes()


def positions(connection: Connection) -> dict[int, int]:
    """By partition of the topic the first offset that is not kept yet."""
    return dict(connection.execute(statement("positions")).fetchall())


def write(connection: Connection, entries: Iterable[Entry], moves: dict[int, tuple[int, int]]) -> int:
    """Keep entries and move positions (partition: from, to; -1: there was none), all or nothing; how many were new.

    The partitions of their days must be there. Raises AnotherKeeper, psycopg.Error.
    """
    connection.execute(statement("stage"))
    with connection.transaction(), connection.cursor() as cursor:
        for partition, (expected, following) in sorted(moves.items()):
            parameters = {"partition": partition, "expected": expected, "next_offset": following}
            if cursor.execute(statement("advance"), parameters).fetchone() is None:
                raise AnotherKeeper(f"Partition {partition} is no longer at {expected}.")
        _copy(cursor, entries)
        cursor.execute(statement("insert"))
        return cursor.rowcount


def _copy(cursor: Cursor, entries: Iterable[Entry]) -> None:
    with cursor.copy(statement("copy")) as copying:
        copying.set_types(list(_TYPES.values()))
        for entry in entries:
            copying.write_row([from_ms(entry[name]) if name == "occurred_at" else entry[name] for name in _TYPES])


def day_of(occurred_at_ms: int) -> date:
    """The day (UTC) of an instant."""
    return from_ms(occurred_at_ms).date()


def bounds_of(day: date) -> dict[str, Any]:
    """The first instant of a day and the one after its last: since, until."""
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return {"since": since, "until": since + timedelta(days=1)}


def days(connection: Connection) -> list[date]:
    """The days that have a partition, the oldest first."""
    return [_day_of_table(name) for name, state in _tables(connection) if state == "attached"]


def leaving(connection: Connection) -> list[date]:
    """Days whose tables are no longer, or hardly, part of the log, because dropping them was interrupted; the oldest first."""
    return [_day_of_table(name) for name, state in _tables(connection) if state != "attached"]


def _tables(connection: Connection) -> list[tuple[str, str]]:
    return connection.execute(statement("days")).fetchall()


def create_days(connection: Connection, wanted: Iterable[date]) -> None:
    """Make the partitions of days that have none. Keepers take turns; nobody who reads or writes the log waits."""
    missing = sorted(set(wanted) - set(days(connection)))
    for day in missing:
        bounds = bounds_of(day)
        with connection.transaction():
            # The lock of attach. Creating a table as a partition takes the strongest one, and waits for everyone who has read.
            connection.execute("lock table only access_log in share update exclusive mode")
            if day in days(connection):
                continue
            parts = {
                "day": _partition(day),
                "since": sql.Literal(bounds["since"].isoformat()),
                "until": sql.Literal(bounds["until"].isoformat()),
            }
            for text in (
                "create table {day} (like access_log including all)",
                "alter table access_log attach partition {day} for values from ({since}) to ({until})",
            ):
                connection.execute(sql.SQL(text).format(**parts))


def drop_day(connection: Connection, day: date) -> bool:
    """Delete a whole day at once; whether it is gone. It is not while somebody's transaction has read the log: try later.

    No one who comes meanwhile waits: the day is taken out first, with a lock that readers and writers do not need. What is
    interrupted is gone on with.
    """
    wait = f"{_DROP_WITHIN_FOR * 1000:.0f}ms"
    connection.execute("select set_config('lock_timeout', %s, false)", (wait,))
    try:
        state = dict(_tables(connection)).get(day.strftime(_DAY), "gone")
        how = {"attached": "concurrently", "leaving": "finalize"}.get(state)
        if how is not None:
            detach = sql.SQL("alter table access_log detach partition {} " + how)
            connection.execute(detach.format(_partition(day)))
        connection.execute(sql.SQL("drop table if exists {}").format(_partition(day)))
    except psycopg.errors.LockNotAvailable:
        return False
    except (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.UndefinedTable):
        return False  # Another keeper is at it.
    finally:
        connection.execute("set lock_timeout to default")
    return True


def is_fault_of_the_data(error: psycopg.Error) -> bool:
    """Whether a batch was refused for what is in it, so that trying it again is of no use."""
    return isinstance(error, (psycopg.DataError, psycopg.IntegrityError))


def _day_of_table(name: str) -> date:
    return datetime.strptime(name, _DAY).replace(tzinfo=UTC).date()


def _partition(day: date) -> sql.Identifier:
    return sql.Identifier(day.strftime(_DAY))
