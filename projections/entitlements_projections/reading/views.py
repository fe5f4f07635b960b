"""What the views of customers are made of: everything about many workspaces of one organization, in a few statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import dict_row

from entitlements.domain.key_inheritance import KeyGraph, Said
from entitlements_projections.reading import definitions, one_moment, with_period
from entitlements_projections.statements import statement

if TYPE_CHECKING:
    from datetime import datetime

    from entitlements_projections.database import Connection, Row

#: Members of a workspace that a view lists; whoever asks for one of more is answered by the service.
MEMBERS_MAX: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """All that is known of workspaces at one moment. Rows are in drawing order where they are of pools."""

    at: datetime
    #: By partition of the ledger: offset of the last frame, and when it was decided.
    standing: dict[int, tuple[int, datetime]]
    pools: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    caps: list[Row] = field(default_factory=list)
    overrides: list[Row] = field(default_factory=list)
    contributions: list[Row] = field(default_factory=list)
    #: Provisions that have still to start.
    starts: list[Row] = field(default_factory=list)
    min_roles: list[Row] = field(default_factory=list)
    members: list[Row] = field(default_factory=list)
    subscriptions: list[Row] = field(default_factory=list)
    graph: KeyGraph = field(default_factory=dict)
    #: What is said of each key of the graph itself, by workspace and pool; only where keys inherit.
    said: dict[str, dict[str, dict[str, Said]]] = field(default_factory=dict)


def gather(connection: Connection, organization_id: str, workspace_ids: Sequence[str]) -> Gathered:
    """Read what an organization's workspaces have now. A workspace without pools of it has no rows."""
    asked: dict[str, Any] = {"organization_id": organization_id, "workspace_ids": list(workspace_ids)}
    with one_moment(connection):
        (at,) = connection.execute("select now()").fetchone()  # type: ignore[misc]
        standing = {
            row["partition"]: (row["ledger_offset"], row["decided_at"]) for row in _all(connection, "standing_at")
        }
        pools = _all(connection, "view_pools", asked)
        if not pools:
            return Gathered(at=at, standing=standing)
        asked["pool_ids"] = sorted({row["pool_id"] for row in pools})
        rows = [with_period(row) for row in _all(connection, "view_rows", asked)]
        min_roles = _all(connection, "view_roles", asked)
        graph = definitions.keys_ancestral(connection, sorted({row["resource_key"] for row in rows}))
        inherits = any(node.inherits_from for node in graph.values())
        return Gathered(
            at=at,
            standing=standing,
            pools=pools,
            rows=rows,
            caps=_all(connection, "view_caps", asked),
            overrides=_all(connection, "view_overrides", asked),
            contributions=_all(connection, "contributions", asked | {"resource_key": None}),
            starts=_all(connection, "view_starts", asked),
            min_roles=min_roles,
            members=_all(connection, "view_members", asked | {"count": MEMBERS_MAX + 1}) if min_roles else [],
            subscriptions=_all(connection, "view_subscriptions", asked),
            graph=graph,
            said=_said(connection, pools, graph, at) if inherits else {},
        )


def pools_of_workspaces(connection: Connection, organization_id: str, workspace_ids: Sequence[str]) -> list[Row]:
    """The organization's pools that workspaces use, of each in drawing order: pool_id, role, may_overflow, status."""
    return _all(connection, "view_pools", {"organization_id": organization_id, "workspace_ids": list(workspace_ids)})


def pool_with_usage(connection: Connection, pool_ids: Sequence[str], usage_id: str) -> str | None:
    """Which of the pools has recorded usage under an id; None: none."""
    rows = _all(connection, "pool_with_usage", {"pool_ids": list(pool_ids), "usage_id": usage_id})
    return rows[0]["pool_id"] if rows else None


def pools_with_usages(connection: Connection, asked: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The pool that has recorded usage under each of many ids; asked: (pool, usage id). Ids that none of them has are left out."""
    pool_ids, usage_ids = [pool_id for pool_id, _ in asked], [usage_id for _, usage_id in asked]
    rows = _all(connection, "pools_with_usages", {"pool_ids": pool_ids, "usage_ids": usage_ids})
    return {row["usage_id"]: row["pool_id"] for row in rows}


def usages_under_ids(
    connection: Connection, organization_id: str, usage_ids: Sequence[str]
) -> list[tuple[str, tuple[Any, ...]]]:
    """What an organization's pools have recorded under usage ids within a day: id, and (workspace, key, quantity)."""
    rows = _all(connection, "usages_under_ids", {"organization_id": organization_id, "usage_ids": list(usage_ids)})
    return [(row["usage_id"], (row["workspace_id"], row["resource_key"], row["quantity"])) for row in rows]


def reservations_under_ids(
    connection: Connection, organization_id: str, reservation_ids: Sequence[str]
) -> list[tuple[str, tuple[Any, ...]]]:
    """What was reserved in an organization's pools under ids within a day: id, and (workspace, key)."""
    parameters = {"organization_id": organization_id, "reservation_ids": list(reservation_ids)}
    rows = _all(connection, "reservations_under_ids", parameters)
    return [(row["reservation_id"], (row["workspace_id"], row["resource_key"])) for row in rows]


def pool_with_reservation(connection: Connection, pool_ids: Sequence[str], reservation_id: str) -> str | None:
    """In which of the pools something was reserved under an id; None: in none."""
    rows = _all(connection, "pool_with_reservation", {"pool_ids": list(pool_ids), "reservation_id": reservation_id})
    return rows[0]["pool_id"] if rows else None


def _said(
    connection: Connection, pools: list[Row], graph: KeyGraph, at: datetime
) -> dict[str, dict[str, dict[str, Said]]]:
    by_workspace: dict[str, list[str]] = {}
    for row in pools:
        if row["status"] == "open":
            by_workspace.setdefault(row["workspace_id"], []).append(row["pool_id"])
    return {
        workspace_id: definitions.said_of_keys(connection, pool_ids, workspace_id, graph, at)
        for workspace_id, pool_ids in by_workspace.items()
    }


def _all(connection: Connection, name: str, parameters: Any = None) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement("reading", name), parameters).fetchall()
