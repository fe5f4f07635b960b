"""`entitlements assign, unassign, check, usage`: who uses a pool, may they, and how much is left."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from entitlements.cli import output
from entitlements.cli.options import (
    FOLDER,
    Actor,
    AsJson,
    Data,
    EffectiveAt,
    Key,
    NoWait,
    PoolId,
    Reason,
    ResourceKey,
    WorkspaceId,
    example,
)
from entitlements.cli.session import Session, envelope, report, session

ASSIGN_EXAMPLE = example("entitlements assign p1 ws-1")
UNASSIGN_EXAMPLE = example("entitlements unassign p1 ws-1 --reason 'moved to another team'")
CHECK_EXAMPLE = example(
    "entitlements check api_calls --workspace ws-1", "entitlements check seats --pool p1 --quantity 3"
)
USAGE_EXAMPLE = example("entitlements usage ws-1", "entitlements usage ws-1 --json")

Workspace = Annotated[str, typer.Option("--workspace", "-w", help="The workspace, the customer.", show_default=False)]
Pool = Annotated[
    str,
    typer.Option("--pool", "-p", help="A pool; else those of the workspace, the primary first.", show_default=False),
]


def assign(
    pool_id: PoolId,
    workspace_id: WorkspaceId,
    secondary: Annotated[bool, typer.Option("--secondary", help="Draw on it only after the primary pool.")] = False,
    overflow: Annotated[
        bool, typer.Option("--overflow", help="Usage without room here may draw on the workspace's next pool.")
    ] = False,
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Let a workspace use a pool, as its primary one unless said otherwise."""
    from entitlements.cli import values
    from entitlements.domain.commands import AssignWorkspace

    command = AssignWorkspace(
        **envelope(actor, key),
        pool_id=values.id_of("pool", pool_id),
        workspace_id=values.id_of("workspace", workspace_id),
        role="secondary" if secondary else "primary",
        may_overflow=overflow,
        effective_at=values.instant(effective_at),
    )
    with session(data) as opened:
        done = opened.do(command, wait=not no_wait)
        sentence = f"Workspace [bold]{workspace_id}[/bold] uses pool [bold]{pool_id}[/bold] as its {command.role} one."
        report(done, sentence, as_json=as_json, pool_id=pool_id, workspace_id=workspace_id, role=command.role)


def unassign(
    pool_id: PoolId,
    workspace_id: WorkspaceId,
    reason: Reason = "",
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Stop a workspace from using a pool."""
    from entitlements.cli import values
    from entitlements.domain.commands import UnassignWorkspace

    command = UnassignWorkspace(
        **envelope(actor, key),
        pool_id=values.id_of("pool", pool_id),
        workspace_id=values.id_of("workspace", workspace_id),
        reason=reason,
        effective_at=values.instant(effective_at),
    )
    with session(data) as opened:
        done = opened.do(command, wait=not no_wait)
        sentence = f"Workspace [bold]{workspace_id}[/bold] does not use pool [bold]{pool_id}[/bold] any more."
        report(done, sentence, as_json=as_json, pool_id=pool_id, workspace_id=workspace_id)


def check(
    resource_key: ResourceKey,
    workspace: Workspace = "",
    pool: Pool = "",
    quantity: Annotated[str, typer.Option(help="How much is wanted.")] = "1",
    country: Annotated[
        str,
        typer.Option(help="Where, such as DE or US-CA; needed for keys that have restrictions.", show_default=False),
    ] = "",
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """May this workspace use KEY, how much is left, until when? Changes nothing. Exit status 0 whatever the answer."""
    from entitlements.cli import granting, values

    wanted = values.quantity(quantity)
    with session(data) as opened:
        pools, rows = what_they_have(opened, workspace, pool)
        require_key(opened, resource_key)
        answer = _answer(resource_key, wanted, pools, [row for row in rows if row["resource_key"] == resource_key])
        answer = granting.judged(opened, answer, pools, workspace, values.country(country))
        answer |= {"workspace_id": workspace or None, "as_of": _as_of(opened, answer["pool_id"])}
    if as_json:
        output.document(answer)
        return
    colour, word = ("green", "Yes") if answer["allowed"] else ("red", "No")
    output.say(f"[{colour}]{word}[/{colour}]: {answer['sentence']}")
    as_of = answer["as_of"]
    output.facts(
        {
            "Left": answer["remaining_text"],
            "Resets": answer["resets_at"],
            "Pool": answer["pool_id"],
            "Provisions": ", ".join(answer["provision_ids"]),
            "As of": f"frame {as_of['offset']} of ledger partition {as_of['partition']}, decided {output.text(as_of['decided_at'])}"
            if as_of["decided_at"]
            else "nothing yet",
        }
    )


def require_key(opened: Session, resource_key: str) -> None:
    """Raises UnknownKey when the read models do not know the key."""
    from entitlements.errors import UnknownKey
    from entitlements_projections import reading

    if reading.resource_key(opened.database, resource_key) is None:
        raise UnknownKey(f"Asked for: {resource_key}.")


def what_they_have(opened: Session, workspace: str, pool: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The pools in question, in the order of use, and what they have. Raises UnknownPool, UnknownWorkspace."""
    from entitlements.cli.failures import InvalidValue
    from entitlements.errors import UnknownWorkspace
    from entitlements_projections import reading

    if not workspace and not pool:
        raise InvalidValue("invalid_request", "Give a workspace or a pool.")
    now = datetime.now(UTC)
    if not workspace:
        found = opened.require_pool(pool)
        return [found], found["entitlements"]
    pools = reading.pools_of_workspace(opened.database, workspace)
    if not pools:
        raise UnknownWorkspace(f"Asked for: {workspace}.")
    if pool:
        opened.require_pool(pool)
        pools = [row for row in pools if row["pool_id"] == pool]
        if not pools:
            raise UnknownWorkspace(f"Asked for: {workspace} in pool {pool}.")
    ids = {row["pool_id"] for row in pools}
    rows = reading.entitlements_of_workspace(opened.database, workspace, now)
    return pools, [row for row in rows if row["pool_id"] in ids]


def _answer(resource_key: str, wanted: int, pools: list[dict[str, Any]], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The first pool in which the whole quantity fits, else the first that has the key at all: usage is never split."""
    fitting = next((row for row in rows if _fits(row, wanted)), None)
    row = fitting or (rows[0] if rows else None)
    if row is None:
        suspended = all(pool["status"] != "open" for pool in pools)
        return {
            "resource_key": resource_key,
            "allowed": False,
            "reason_code": "pool_is_suspended" if suspended else "not_entitled",
            "sentence": f"none of the pools confers {resource_key}" + (": they are not open." if suspended else "."),
            "quantity": wanted,
            "pool_id": pools[0]["pool_id"],
            "remaining_text": None,
            **dict.fromkeys(
                ("entitlement_type", "limit", "hard_limit", "consumed", "remaining", "period", "resets_at")
            ),
            "provision_ids": [],
        }
    is_feature = row["entitlement_type"] == "boolean"
    left = None if is_feature or row["hard_limit"] is None else max(row["hard_limit"] - row["consumed"], 0)
    left_text = "unlimited" if left is None else output.amount(left, row["scale"])
    if is_feature:
        sentence = f"{resource_key} is held."
    elif fitting is not None:
        sentence = f"{output.amount(wanted, row['scale'])} of {resource_key} fit into what is left."
    else:
        sentence = f"{output.amount(wanted, row['scale'])} of {resource_key} do not fit into what is left."
    return {
        "resource_key": resource_key,
        "allowed": fitting is not None,
        "reason_code": "allowed" if fitting is not None else "quota_exceeded",
        "sentence": sentence,
        "quantity": wanted,
        "pool_id": row["pool_id"],
        "remaining_text": None if is_feature else left_text,
        "entitlement_type": row["entitlement_type"],
        "limit": row["effective_limit"],
        "hard_limit": row["hard_limit"],
        "consumed": row["consumed"],
        "reserved": row["reserved"],
        "remaining": left,
        "period": row["period"],
        "resets_at": row["resets_at"],
        "provision_ids": row["provision_ids"],
    }


def _fits(row: dict[str, Any], wanted: int) -> bool:
    if row["entitlement_type"] == "boolean" or row["hard_limit"] is None:
        return True
    # What is reserved is not free; what credits or an on-demand payer bear takes nothing of what is included.
    taken = row["consumed"] - (row["elsewhere"] or 0) + row["reserved"]
    return bool(taken + wanted <= row["hard_limit"])


def _as_of(opened: Session, pool_id: str) -> dict[str, Any]:
    """Up to where the read models know the log of a pool."""
    from entitlements.ledger.partitioning import partition_of

    partition = partition_of(pool_id, opened.settings.partitions)
    query = "select ledger_offset, decided_at from projection_positions where partition = %s"
    row = opened.database.execute(query, (partition,)).fetchone()
    offset, decided_at = row or (-1, None)
    return {"partition": partition, "offset": offset, "decided_at": decided_at}


def usage(
    workspace_id: Annotated[
        str, typer.Argument(metavar="[WORKSPACE]", help="Id of the workspace, the customer.", show_default=False)
    ] = "",
    pool: Pool = "",
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """The dashboard of a workspace: what it has, how much of it is used, and how it stands."""
    from entitlements.cli import dashboard

    with session(data) as opened:
        pools, rows = what_they_have(opened, workspace_id, pool)
        positions = {row["pool_id"]: _as_of(opened, row["pool_id"]) for row in pools}
    if as_json:
        found = {
            "workspace_id": workspace_id or None,
            "pools": [],
            "entitlements": [dashboard.fact(row) for row in rows],
        }
        found["pools"] = [
            {
                "pool_id": row["pool_id"],
                "role": row.get("role"),
                "status": row["status"],
                "as_of": positions[row["pool_id"]],
            }
            for row in pools
        ]
        output.document(found)
        return
    for row in pools:
        role = f", {'primary' if row['is_primary'] else 'secondary'}" if "is_primary" in row else ""
        output.table(
            ("Entitlement", ">Current", ">Quota", "Status"),
            [dashboard.cells(entitlement) for entitlement in rows if entitlement["pool_id"] == row["pool_id"]],
            title=f"{workspace_id or 'Everybody'} in pool {row['pool_id']}{role}"
            + ("" if row["status"] == "open" else f" ({row['status']})"),
        )
