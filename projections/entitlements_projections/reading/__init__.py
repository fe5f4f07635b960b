"""What the CLI and the API ask of the read models. Connections come from `database.connect` or a pool with `configure`.

Rows are dicts with the names of the columns; instants are aware UTC, quantities integers in the smallest unit, and a
limit of None is unlimited. Whoever needs to read what was just written calls `wait_for` first.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.periods import Calendar, period_bounds
from entitlements_projections.errors import NotReachedYet
from entitlements_projections.positions import CHANNEL
from entitlements_projections.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from entitlements_projections.database import Connection, Row

#: Seconds after which a waiting reader looks by itself, in case it was not woken.
_LOOK_EVERY_FOR: Final = 0.25


def wait_for(connection: Connection, partition: int, offset: int, timeout_for: float) -> None:
    """Wait until the tables know the frame at an offset of the ledger, at most timeout_for seconds.

    The connection must be in autocommit mode. Raises NotReachedYet, with how far the tables are.
    """
    assert connection.autocommit, "notifications only arrive between transactions"
    if _offset(connection, partition) >= offset:
        return
    deadline = time.monotonic() + timeout_for
    connection.execute(sql.SQL("listen {}").format(sql.Identifier(CHANNEL)))
    try:
        while (reached := _offset(connection, partition)) < offset:
            left = deadline - time.monotonic()
            if left <= 0:
                raise NotReachedYet(f"Partition {partition} is at {reached}, not at {offset}.")
            for _ in connection.notifies(timeout=min(left, _LOOK_EVERY_FOR), stop_after=1):
                pass
    finally:
        connection.execute(sql.SQL("unlisten {}").format(sql.Identifier(CHANNEL)))


def pool(connection: Connection, pool_id: str, at: datetime) -> Row | None:
    """A pool with its `provisions`, `grants`, `assignments` and what it has at an instant (`entitlements`)."""
    with _one_moment(connection):
        row = _one(connection, "pool", (pool_id,))
        if row is None:
            return None
        return row | {
            "provisions": _all(connection, "provisions_of_pool", (pool_id,)),
            "grants": _all(connection, "grants_of_pool", (pool_id,)),
            "assignments": _all(connection, "assignments_of_pool", (pool_id,)),
            "entitlements": entitlements_of_pools(connection, [pool_id], at),
        }


def entitlements_of_pools(connection: Connection, pool_ids: list[str], at: datetime) -> list[Row]:
    """What pools have at an instant: limit, consumed, remaining and period of each key, by pool and key."""
    return [_with_period(row) for row in _all(connection, "entitlements", {"pool_ids": pool_ids, "at": at})]


def _with_period(row: Row) -> Row:
    """A row with the bounds of its period, by the calendar where nothing was counted in it yet."""
    at, time_zone, anchor_at = (row.pop(name) for name in ("at", "time_zone", "anchor_at"))
    if row["period"] is not None and row["resets_at"] is None:
        calendar = Calendar(time_zone, None if anchor_at is None else to_ms(anchor_at))
        start_ms, end_ms = period_bounds(row["period"], to_ms(at), calendar)
        if end_ms < NEVER_MS:
            row["period_start"], row["resets_at"] = from_ms(start_ms), from_ms(end_ms)
    return row


def entitlements_of_workspace(connection: Connection, workspace_id: str, at: datetime) -> list[Row]:
    """What a workspace has from each of its pools at an instant, in the order in which it draws on them.

    Each row also says the pool's `role`, `is_primary`, `pool_status`. No row: no pool, or nothing from any.
    """
    with _one_moment(connection):
        pools = pools_of_workspace(connection, workspace_id)
        places = {row["pool_id"]: place for place, row in enumerate(pools)}
        rows = entitlements_of_pools(connection, list(places), at)
    rows.sort(key=lambda row: (places[row["pool_id"]], row["resource_key"]))
    return [row | _assignment(pools[places[row["pool_id"]]]) for row in rows]


def workspace_entitlements(connection: Connection, workspace_id: str, key: str | None = None) -> list[Row]:
    """What a workspace has now of a key (None: of all) from each of its pools, with its caps and overrides, in drawing order.

    One query; the columns are those of the view of this name, and `resets_at` is always filled where there is a reset.
    """
    parameters = {"workspace_id": workspace_id, "resource_key": key}
    return [_with_period(row) for row in _all(connection, "workspace_entitlements", parameters)]


def pools_of_workspace(connection: Connection, workspace_id: str) -> list[Row]:
    """The pools of a workspace: the primary, then the others in the order of assignment. Empty: an unknown workspace."""
    return _all(connection, "pools_of_workspace", (workspace_id,))


def entitlement_set(connection: Connection, set_id: str, set_version: int | None = None) -> Row | None:
    """A version of a set (None: the newest) with its `rules` and the versions of sets it `extends`."""
    row = _one(connection, "set_version", {"set_id": set_id, "set_version": set_version})
    if row is None:
        return None
    version = {"set_id": set_id, "set_version": row["set_version"]}
    return row | {
        "extends": _all(connection, "parents_of_set", version),
        "rules": _all(connection, "rules_of_set", version),
    }


def resource_key(connection: Connection, key: str) -> Row | None:
    """A key's description; None when it was never defined."""
    return _one(connection, "resource_key", (key,))


def busiest_customers(
    connection: Connection,
    key: str,
    count: int = 10,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Row]:
    """The workspaces that used most of a key from since until before until, with `consumed`, `overage` and `lines`."""
    return _all(connection, "busiest_customers", {"resource_key": key, "count": count, "since": since, "until": until})


def _assignment(pool_of_workspace: Row) -> Row:
    return {
        "role": pool_of_workspace["role"],
        "is_primary": pool_of_workspace["is_primary"],
        "pool_status": pool_of_workspace["status"],
    }


@contextmanager
def _one_moment(connection: Connection) -> Iterator[None]:
    """Let several statements see the same rows; a transaction of the caller's is left as it is."""
    begins = connection.info.transaction_status == TransactionStatus.IDLE
    with connection.transaction():
        if begins:
            connection.execute("set transaction isolation level repeatable read, read only")
        yield


def _offset(connection: Connection, partition: int) -> int:
    row = _one(connection, "offset", (partition,))
    return -1 if row is None else int(row["ledger_offset"])


def _one(connection: Connection, name: str, parameters: Any) -> Row | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement("reading", name), parameters).fetchone()


def _all(connection: Connection, name: str, parameters: Any) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement("reading", name), parameters).fetchall()
