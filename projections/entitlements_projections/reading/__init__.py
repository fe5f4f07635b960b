"""What the CLI and the API ask of the read models. Connections come from `database.connect` or a pool with `configure`.

access       API keys and access policies
definitions  sets and keys
listing, lists, cursors  lists, page by page
resets       when member caps reset
views        the views of many customers in a few statements

Rows are dicts with the names of the columns; instants are aware UTC, quantities integers in the smallest unit, and a
limit of None is unlimited. To read your own writes, call `wait_for` first.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.periods import Calendar, period_bounds
from entitlements.domain.values import Rule
from entitlements_projections.errors import NotReachedYet
from entitlements_projections.positions import CHANNEL, read_offsets
from entitlements_projections.reading import resets
from entitlements_projections.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from entitlements_projections.database import Connection, Row

#: What policies look for: pools on which something is not yet as a set, a campaign or a unit says.
BEHIND: Final = frozenset({"followers_behind", "campaign_grants_left", "campaign_grants_missing", "assignments_behind"})
#: Seconds after which a waiting reader looks by itself, in case it was not woken.
_LOOK_EVERY_FOR: Final = 0.25


#: By what periods are counted, beside a row.
_CALENDAR: Final = ("at", "time_zone", "anchor_at")


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


def wait_for_all(connection: Connection, positions: Mapping[int, int], timeout_for: float) -> None:
    """Wait for offsets by partition, as wait_for does: all of them within timeout_for seconds. Raises NotReachedYet."""
    deadline = time.monotonic() + timeout_for
    for partition, offset in positions.items():
        wait_for(connection, partition, offset, deadline - time.monotonic())


def offsets_unlike(connection: Connection, known: Mapping[int, int]) -> dict[int, int]:
    """Where the tables are, by partition: at once if that is not what is known, else after a short while.

    The connection must be in autocommit mode.
    """
    assert connection.autocommit, "notifications only arrive between transactions"
    connection.execute(sql.SQL("listen {}").format(sql.Identifier(CHANNEL)))
    try:
        offsets = read_offsets(connection)
        if offsets != known:
            return offsets
        for _ in connection.notifies(timeout=_LOOK_EVERY_FOR, stop_after=1):
            pass
        return read_offsets(connection)
    finally:
        connection.execute(sql.SQL("unlisten {}").format(sql.Identifier(CHANNEL)))


def pool(connection: Connection, pool_id: str, at: datetime) -> Row | None:
    """A pool with all that is said of it and what it has at an instant (`entitlements`).

    Lists: `provisions`, `grants`, `assignments`, `contributions` (of features and numbers, in burn order, the kept ones too),
    `overrides` that hold, `caps` of members, `reservations` that are held, `holders` of limits, `on_demand`.
    """
    parameters = {"pool_id": pool_id, "pool_ids": [pool_id], "resource_key": None, "at": at}
    with one_moment(connection):
        row = _one(connection, "pool", (pool_id,))
        if row is None:
            return None
        entitlements = entitlements_of_pools(connection, [pool_id], at)
        return row | {
            "provisions": _all(connection, "provisions_of_pool", (pool_id,)),
            "grants": _all(connection, "grants_of_pool", (pool_id,)),
            "assignments": _of_customers(_all(connection, "assignments_of_pool", (pool_id,))),
            "entitlements": entitlements,
            "contributions": _all(connection, "contributions", parameters),
            "overrides": _of_customers(_all(connection, "overrides_of_pool", parameters)),
            "caps": resets.with_resets(_of_customers(_all(connection, "caps_of_pool", parameters)), entitlements),
            "reservations": _of_customers(_all(connection, "reservations_of_pool", parameters)),
            "holders": _of_customers(_all(connection, "holders_of_pool", parameters)),
            "on_demand": _all(connection, "on_demand_of_pool", parameters),
        }


def _of_customers(rows: list[Row]) -> list[Row]:
    """Rows of the domain's tables for those who ask: its workspace is their customer."""
    return [{"customer_id" if name == "workspace_id" else name: value for name, value in row.items()} for row in rows]


def status_of_pool(connection: Connection, pool_id: str) -> str | None:
    """open, suspended or closed; None: an unknown pool."""
    row = _one(connection, "pool", (pool_id,))
    return None if row is None else str(row["status"])


def organization_of_pool(connection: Connection, pool_id: str) -> str | None:
    """Whose a pool is; None: an unknown pool."""
    row = _one(connection, "pool", (pool_id,))
    return None if row is None else str(row["organization_id"])


def provision(connection: Connection, pool_id: str, provision_id: str) -> Row | None:
    """Of which set a provision is (`set_id`; None: the pool has no such provision) and whose its pool; None: an unknown pool."""
    return _one(connection, "provision", {"pool_id": pool_id, "provision_id": provision_id})


def entitlements_of_pools(connection: Connection, pool_ids: list[str], at: datetime) -> list[Row]:
    """What pools have at an instant: limit, consumed, remaining and period of each key, by pool and key.

    And keys that are no longer `held`: while they are `suspended`, or something of them is consumed or owed.
    """
    rows = _all(connection, "entitlements", {"pool_ids": pool_ids, "at": at})
    return [{name: value for name, value in with_period(row).items() if name not in _CALENDAR} for row in rows]


def with_period(row: Row) -> Row:
    """A row with the bounds of its period, by the calendar where nothing was counted in it yet; what is not held includes nothing."""
    if not row["held"] and row["entitlement_type"] != "boolean":
        row["effective_limit"] = row["hard_limit"] = row["remaining"] = 0
    at, time_zone, anchor_at = (row[name] for name in _CALENDAR)
    if row["period"] is not None and row["resets_at"] is None:
        calendar = Calendar(time_zone, None if anchor_at is None else to_ms(anchor_at))
        start_ms, end_ms = period_bounds(row["period"], to_ms(at), calendar)
        if end_ms < NEVER_MS:
            row["period_start"], row["resets_at"] = from_ms(start_ms), from_ms(end_ms)
    return row


def entitlements_of_workspace(
    connection: Connection, organization_id: str, workspace_id: str, at: datetime
) -> list[Row]:
    """What an organization's workspace has from each of its pools at an instant, in the order in which it draws on them.

    Each row also says the pool's `role`, `is_primary`, `pool_status`. No row: no pool, or nothing from any.
    """
    with one_moment(connection):
        pools = pools_of_workspace(connection, organization_id, workspace_id)
        places = {row["pool_id"]: place for place, row in enumerate(pools)}
        rows = entitlements_of_pools(connection, list(places), at)
    rows.sort(key=lambda row: (places[row["pool_id"]], row["resource_key"]))
    return [row | _assignment(pools[places[row["pool_id"]]]) for row in rows]


def workspace_entitlements(
    connection: Connection,
    organization_id: str,
    workspace_id: str,
    key: str | None = None,
    at: datetime | None = None,
) -> list[Row]:
    """What an organization's workspace has of a key (None: of all) from each of its pools, with its caps and overrides, in drawing order.

    One query; the columns are those of the view of this name, and `resets_at` is always filled where there is a reset. What a
    pool had once is there too, and not `held`. at: None is now.
    """
    parameters = {"organization_id": organization_id, "workspace_id": workspace_id, "resource_key": key, "at": at}
    return [with_period(row) for row in _all(connection, "workspace_entitlements", parameters)]


def key_of_pools(connection: Connection, pool_ids: list[str], keys: list[str], at: datetime | None = None) -> list[Row]:
    """What pools have of keys, with the columns of the view workspace_entitlements that are not about a workspace."""
    parameters = {"pool_ids": pool_ids, "resource_keys": keys, "at": at}
    return [with_period(row) for row in _all(connection, "key_of_pools", parameters)]


@dataclass(frozen=True, kw_only=True)
class Member:
    """Who asks about which key of which pools, and at which instant; None: now. Empty: nobody in particular.

    A workspace is one of an organization, that of the pools.
    """

    pool_ids: list[str]
    resource_key: str
    organization_id: str = ""
    workspace_id: str = ""
    subject_id: str = ""
    at: datetime | None = None

    def __post_init__(self) -> None:
        assert self.organization_id or not self.workspace_id, "a workspace is one of an organization"


def caps_of_member(connection: Connection, member: Member) -> list[Row]:
    """The caps under which a member draws a key, its workspace's first, with what was `drawn` and is `reserved`."""
    return _all(connection, "caps_of_member", vars(member))


def overrides_of_key(connection: Connection, member: Member) -> list[Row]:
    """The overrides of a key that hold, of the pools and of the workspace, the newest last."""
    return _all(connection, "overrides_of_key", vars(member))


def contributions_of_key(connection: Connection, member: Member) -> list[Row]:
    """What contributes to a key of the pools, in burn order, with its provision."""
    return _all(connection, "contributions", vars(member))


def organizations_of_workspace(connection: Connection, workspace_id: str) -> list[str]:
    """The organizations that have a workspace of this id. Empty: an unknown workspace."""
    rows = _all(connection, "organizations_of_workspace", {"workspace_id": workspace_id})
    return [row["organization_id"] for row in rows]


def pools_of_workspace(connection: Connection, organization_id: str, workspace_id: str) -> list[Row]:
    """The pools of an organization's workspace: the primary, then the others in the order of assignment. Empty: it is unknown."""
    asked = {"organization_id": organization_id, "workspace_id": workspace_id}
    return _all(connection, "pools_of_workspace", asked)


def pools_ever_of_workspace(connection: Connection, organization_id: str, workspace_id: str) -> list[Row]:
    """The pools that may have recorded usage of an organization's workspace: those that it uses, then those that it was assigned before."""
    return _all(
        connection, "pools_ever_of_workspace", {"organization_id": organization_id, "workspace_id": workspace_id}
    )


def workspaces_of_pools(connection: Connection, pool_ids: list[str]) -> list[Row]:
    """Of each pool its `organization_id` and the `workspace_ids` that are or ever were assigned to it."""
    return _all(connection, "workspaces_of_pools", {"pool_ids": pool_ids})


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


def rules_of_set(connection: Connection, set_id: str, set_version: int) -> list[Rule]:
    """The rules of a version of a set as commands carry them."""
    rows = _all(connection, "rules_of_set", {"set_id": set_id, "set_version": set_version})
    names = [field.name for field in fields(Rule)]
    return [Rule(**{name: row[name] for name in names}) for row in rows]


def role_of_member(connection: Connection, organization_id: str, workspace_id: str, subject_id: str) -> str:
    """The highest role of a subject in a workspace, its own there or that in any unit above; empty: none."""
    asked = {"organization_id": organization_id, "workspace_id": workspace_id, "subject_id": subject_id}
    row = _one(connection, "role_of_member", asked)
    return "" if row is None else str(row["role"])


def min_role_of_feature(connection: Connection, pool_id: str, key: str) -> str:
    """The least role of a member that has a feature of a pool; empty: every member."""
    row = _one(connection, "min_role_of_feature", (pool_id, key))
    return "" if row is None else str(row["min_role"])


def behind(connection: Connection, what: str, after: tuple[str, str], count: int, actor: str = "") -> list[Row]:
    """What policies have still to do, in the order of (pool_id, id) after a place; `what` is one of BEHIND."""
    assert what in BEHIND
    parameters = {"after_pool": after[0], "after_id": after[1], "count": count, "actor": actor}
    return _all(connection, what, parameters)


def campaign(connection: Connection, campaign_id: str) -> Row | None:
    """A campaign as it is defined; its `rules` as JSON text."""
    return _one(connection, "campaign", (campaign_id,))


def progress_of_revisions(connection: Connection, set_id: str | None = None) -> list[Row]:
    """Of every set (None: all): how many provisions are `following`, how many of them `done`, how many `pinned`."""
    return _all(connection, "progress_of_revisions", {"set_id": set_id})


def progress_of_campaigns(connection: Connection) -> list[Row]:
    """Of every campaign: its `pools`, how many have it (`conferred`), and what is still to be taken back (`left_over`)."""
    return _all(connection, "progress_of_campaigns", {})


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
    """The workspaces that used most of a key from since until before until: `organization_id`, `consumed`, `overage`, `lines`."""
    return _all(connection, "busiest_customers", {"resource_key": key, "count": count, "since": since, "until": until})


def _assignment(pool_of_workspace: Row) -> Row:
    return {
        "role": pool_of_workspace["role"],
        "is_primary": pool_of_workspace["is_primary"],
        "pool_status": pool_of_workspace["status"],
    }


@contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
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
