"""`entitlements grant`: what is given away, by whom, why, and until when."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from entitlements.cli import output
from entitlements.cli.options import (
    FOLDER,
    AsJson,
    Data,
    EffectiveAt,
    Key,
    NamedActor,
    NoWait,
    PoolId,
    SetId,
    example,
    group,
)
from entitlements.cli.session import conferred_by, envelope, report, session, set_named

grants = group("Grants: free entitlements, with a reason, an actor and an end.")

Why = Annotated[str, typer.Option("--reason", help="Reason, for the audit trail.", show_default=False)]
GrantId = Annotated[str, typer.Argument(metavar="GRANT", help="Id of the grant.", show_default=False)]
_ID_CHARACTERS = 120


@grants.command(
    "issue",
    epilog=example("entitlements grant issue p1 pro-trial --reason 'trial' --actor jane --until 2026-12-31T00:00:00Z"),
)
def issue(
    pool_id: PoolId,
    set_id: SetId,
    reason: Why,
    actor: NamedActor,
    grant_id: Annotated[
        str, typer.Option("--id", help="Id of the grant (default: a new id).", show_default=False)
    ] = "",
    until: Annotated[str, typer.Option(help="When it expires (default: never).", show_default=False)] = "",
    starts_at: Annotated[str, typer.Option(help="Start time (default: now).", show_default=False)] = "",
    quantity: Annotated[str, typer.Option(help="Quantity.")] = "1",
    version: Annotated[
        int | None, typer.Option(help="Version of the set (default: the latest).", show_default=False)
    ] = None,
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Grant an entitlement set to a pool, free of charge."""
    from entitlements.cli import values
    from entitlements.domain.commands import IssueGrant

    carried = envelope(actor, key)
    grant_id = values.new_id_of("grant", grant_id or f"grt-{carried['idempotency_key'][:_ID_CHARACTERS]}")
    facts: dict[str, Any] = {
        "effective_at": values.instant(effective_at),
        "pool_id": values.id_of("pool", pool_id),
        "grant_id": grant_id,
        "reason": values.reason(reason),
        "set_id": set_id,
        "set_version": version,
        "quantity": values.quantity(quantity),
        "starts_at": values.instant(starts_at),
        "ends_at": values.instant(until),
    }
    with session(data) as opened:
        command = opened.with_set(IssueGrant, carried | facts)
        done = opened.do(command, wait=not no_wait)
        conferred = conferred_by(command, done, "set_version")
        sentence = (
            f"Pool {output.strong(pool_id)} has {set_named(set_id, conferred)} from grant {output.strong(grant_id)}."
        )
        report(done, sentence, as_json=as_json, pool_id=pool_id, grant_id=grant_id, **conferred)


@grants.command("revoke", epilog=example("entitlements grant revoke p1 grt-17 --reason 'abuse' --actor jane"))
def revoke(
    pool_id: PoolId,
    grant_id: GrantId,
    reason: Why,
    actor: NamedActor,
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Revoke a grant before it expires."""
    from entitlements.cli import values
    from entitlements.domain.commands import RevokeGrant

    command = RevokeGrant(
        **envelope(actor, key),
        pool_id=values.id_of("pool", pool_id),
        grant_id=values.id_of("grant", grant_id),
        reason=values.reason(reason),
        effective_at=values.instant(effective_at),
    )
    with session(data) as opened:
        done = opened.do(command, wait=not no_wait)
        report(
            done, f"Grant {output.strong(grant_id)} is revoked.", as_json=as_json, pool_id=pool_id, grant_id=grant_id
        )
