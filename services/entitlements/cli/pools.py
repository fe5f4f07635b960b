"""`entitlements pool`: the capability container between who pays and who uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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
    OrganizationId,
    PoolId,
    Reason,
    example,
    group,
)
from entitlements.cli.session import Session, change, envelope, report, session

if TYPE_CHECKING:
    from entitlements.domain.values import Rule

pools = group("Resource pools: shared balances of what was bought or granted.")


@pools.command("open", epilog=example("entitlements pool open p1 --organization acme"))
def open_pool(
    pool_id: PoolId,
    organization: OrganizationId,
    name: Annotated[str, typer.Option(help="Display name.", show_default=False)] = "",
    billing_account: Annotated[
        str, typer.Option(help="Who pays (a provision can override it).", show_default=False)
    ] = "",
    default: Annotated[
        list[str] | None,
        typer.Option(
            help="Apply the default of this key, from its definition document, when no plan includes it. Repeatable.",
            show_default=False,
        ),
    ] = None,
    backfill_from: Annotated[
        str,
        typer.Option(
            help="Import history from this time: commands are decided at their --effective-at, until the first command without it.",
            show_default=False,
        ),
    ] = "",
    actor: Actor = "",
    key: Key = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Open a pool. Repeating it is not an error."""
    from entitlements.cli import values
    from entitlements.domain.commands import OpenPool

    facts: dict[str, Any] = {
        "pool_id": values.new_id_of("pool", pool_id),
        "organization_id": values.id_of("organization", organization),
        "billing_account_id": values.id_of("billing account", billing_account) if billing_account else None,
        "name": name,
        "backfill_from": values.instant(backfill_from),
    }
    with session(data) as opened:
        command = OpenPool(
            **envelope(actor, key),
            **facts,
            defaults=[_default_of(opened, resource_key) for resource_key in default or ()],
        )
        report(
            opened.do(command, wait=not no_wait),
            f"Pool {output.strong(pool_id)} is open.",
            as_json=as_json,
            pool_id=pool_id,
        )


def _default_of(opened: Session, resource_key: str) -> Rule:
    """What the definition of a key says that pools have of it. Raises UnknownKey."""
    from entitlements.errors import UnknownKey
    from entitlements_projections.reading import definitions

    rule = definitions.default_of_key(opened.database, resource_key)
    if rule is None:
        raise UnknownKey(f"{resource_key} has no default in a definition document.")
    return rule


@pools.command("show", epilog=example("entitlements pool show p1"))
def show_pool(pool_id: PoolId, as_json: AsJson = False, data: Data = FOLDER) -> None:
    """Show a pool: entitlements, contributions, provisions, grants, customers, overrides, caps, reservations and on-demand settings."""
    from entitlements.cli import showing

    with session(data) as opened:
        found = opened.require_pool(pool_id)
    if as_json:
        output.document(found)
        return
    showing.show(found)


@pools.command("suspend", epilog=example("entitlements pool suspend p1 --reason 'invoice 17 is overdue'"))
def suspend(
    pool_id: PoolId,
    reason: Reason = "",
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Suspend a pool. Its customers have no entitlements from it until it is resumed."""
    from entitlements.domain.commands import SuspendPool

    sentence = f"Pool {output.strong(pool_id)} is suspended."
    change(SuspendPool, sentence, {"pool_id": pool_id}, reason, effective_at, (actor, key, no_wait, as_json), data)


@pools.command("resume", epilog=example("entitlements pool resume p1"))
def resume(
    pool_id: PoolId,
    reason: Reason = "",
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Resume a suspended pool."""
    from entitlements.domain.commands import ResumePool

    sentence = f"Pool {output.strong(pool_id)} is open again."
    change(ResumePool, sentence, {"pool_id": pool_id}, reason, effective_at, (actor, key, no_wait, as_json), data)


@pools.command("close", epilog=example("entitlements pool close p1 --reason 'contract ended'"))
def close(
    pool_id: PoolId,
    reason: Reason = "",
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Close a pool and end all its provisions. This is final."""
    from entitlements.domain.commands import ClosePool

    sentence = f"Pool {output.strong(pool_id)} is closed."
    change(ClosePool, sentence, {"pool_id": pool_id}, reason, effective_at, (actor, key, no_wait, as_json), data)
