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

pools = group("Resource pools: what an organization may use, apart from who pays for it.")


@pools.command("open", epilog=example("entitlements pool open p1 --organization acme"))
def open_pool(
    pool_id: PoolId,
    organization: OrganizationId,
    name: Annotated[str, typer.Option(help="Its name for people.", show_default=False)] = "",
    billing_account: Annotated[
        str, typer.Option(help="Who pays, unless a provision says otherwise.", show_default=False)
    ] = "",
    default: Annotated[
        list[str] | None,
        typer.Option(
            help="A key whose definition says a default: the pool has that when nothing confers the key. Repeatable.",
            show_default=False,
        ),
    ] = None,
    backfill_from: Annotated[
        str,
        typer.Option(
            help="Take history from this instant on: commands are decided at their --effective-at, until the first without one.",
            show_default=False,
        ),
    ] = "",
    actor: Actor = "",
    key: Key = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Open a pool. The same pool again is no error."""
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
        raise UnknownKey(f"the default of {resource_key}; no definition document says one.")
    return rule


@pools.command("show", epilog=example("entitlements pool show p1"))
def show_pool(pool_id: PoolId, as_json: AsJson = False, data: Data = FOLDER) -> None:
    """Show a pool: what it has and from where, who uses it, and what was said of it by hand.

    Its calendar, provisions, grants and customers; overrides, caps of members, reservations, holders, on-demand.
    """
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
    """Take everything a pool confers away until it is resumed."""
    from entitlements.domain.commands import SuspendPool

    sentence = f"Pool {output.strong(pool_id)} is suspended and confers nothing."
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
    """Give a suspended pool back what it confers."""
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
    """End a pool and all its provisions, for good."""
    from entitlements.domain.commands import ClosePool

    sentence = f"Pool {output.strong(pool_id)} is closed for good."
    change(ClosePool, sentence, {"pool_id": pool_id}, reason, effective_at, (actor, key, no_wait, as_json), data)
