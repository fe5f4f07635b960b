"""`entitlements provision`: what was bought, connected to a pool for a period."""

from __future__ import annotations

from collections.abc import Callable
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
    ProvisionId,
    Reason,
    SetId,
    example,
    group,
)
from entitlements.cli.session import Done, Session, change, conferred_by, envelope, report, session, set_named

provisions = group("Provisions: subscriptions and purchases of a pool.")

#: Ids of ours are made of the idempotency key, so that a repeat asks for the same.
_ID_CHARACTERS = 120


@provisions.command(
    "add",
    epilog=example(
        "entitlements provision add p1 pro --id sub-17 --billing-period month",
        "entitlements provision add p1 seats-pack --quantity 20",
        "entitlements send ChangePlan pool_id=p1 set=enterprise provision_id=sub-18 source=subscription",
    ),
)
def add(
    pool_id: PoolId,
    set_id: SetId,
    provision_id: Annotated[
        str, typer.Option("--id", help="Id of the provision (default: a new id).", show_default=False)
    ] = "",
    source: Annotated[
        str, typer.Option(help="subscription or purchase. For free entitlements see `entitlements grant`.")
    ] = "subscription",
    source_id: Annotated[str, typer.Option(help="Id in the billing system.", show_default=False)] = "",
    quantity: Annotated[str, typer.Option(help="Quantity bought.")] = "1",
    starts_at: Annotated[str, typer.Option(help="Start time (default: now).", show_default=False)] = "",
    ends_at: Annotated[str, typer.Option(help="End time (default: no end).", show_default=False)] = "",
    billing_period: Annotated[
        str,
        typer.Option(
            help="Billing period, such as month; `provision cancel` ends it at the end of one.", show_default=False
        ),
    ] = "",
    version: Annotated[
        int | None, typer.Option(help="Version of the set (default: the latest).", show_default=False)
    ] = None,
    billing_account: Annotated[
        str, typer.Option(help="Who pays (default: the pool's billing account).", show_default=False)
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", help="Get each new version of the set (default: keep this version).")
    ] = False,
    priority: Annotated[int, typer.Option(help="Burn order: the lowest priority is used first.")] = 0,
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Add an entitlement set to a pool for a subscription or purchase.

    A pool has at most one active plan per ladder. To change the plan, use `entitlements send ChangePlan`: it ends the old plan and starts
    the new one at the same time.
    """
    from entitlements.cli import values
    from entitlements.cli.failures import InvalidValue
    from entitlements.domain.commands import ProvisionPool

    if source not in {"subscription", "purchase"}:
        raise InvalidValue("invalid_request", f"Invalid source: {source}.", "Use subscription or purchase.")
    carried = envelope(actor, key)
    provision_id = values.new_id_of("provision", provision_id or f"prv-{carried['idempotency_key'][:_ID_CHARACTERS]}")
    facts: dict[str, Any] = {
        "pool_id": values.id_of("pool", pool_id),
        "provision_id": provision_id,
        "source": source,
        "source_id": source_id and values.id_of("source", source_id),
        "billing_account_id": values.id_of("billing account", billing_account) if billing_account else None,
        "quantity": values.quantity(quantity),
        "starts_at": values.instant(starts_at),
        "ends_at": values.instant(ends_at),
        "billing_period": billing_period or None,
        "effective_at": values.instant(effective_at),
        "follows": follow,
        "priority": priority,
        "set_id": set_id,
        "set_version": version,
    }
    with session(data) as opened:
        command = opened.with_set(ProvisionPool, carried | facts)
        done = opened.do(command, wait=not no_wait)
        conferred = conferred_by(command, done, "set_version", "ladder", "rung")
        sentence = f"Pool {output.strong(pool_id)} has {set_named(set_id, conferred)} from provision {output.strong(provision_id)}."
        report(done, sentence, as_json=as_json, pool_id=pool_id, provision_id=provision_id, set_id=set_id, **conferred)


def _change(
    command: type,
    sentence: str | Callable[[dict[str, Any] | None], str],
    which: tuple[str, str],
    reason: str,
    at: str,
    way: tuple[str, str, bool, bool],
    data: Any,
    **more: Any,
) -> None:
    """sentence: what is so now; or made of the provision as the read models have it, None if nobody waited for them. more: further
    fields of the command.
    """
    pool_id, provision_id = which

    def what_is_so(opened: Session, done: Done) -> str:
        if not callable(sentence):
            return f"Provision {output.strong(provision_id)} {sentence}."
        there = opened.require_pool(pool_id)["provisions"] if done.visible else []
        row = next((row for row in there if row["provision_id"] == provision_id), None)
        return f"Provision {output.strong(provision_id)} {sentence(row)}."

    change(command, what_is_so, {"pool_id": pool_id, "provision_id": provision_id}, reason, at, way, data, **more)


@provisions.command("suspend", epilog=example("entitlements provision suspend p1 sub-17 --reason 'payment failed'"))
def suspend(
    pool_id: PoolId,
    provision_id: ProvisionId,
    reason: Reason = "",
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Suspend a provision until it is resumed. It keeps its place on the ladder."""
    from entitlements.domain.commands import SuspendProvision

    way = (actor, key, no_wait, as_json)
    _change(SuspendProvision, "is suspended", (pool_id, provision_id), reason, effective_at, way, data)


@provisions.command("resume", epilog=example("entitlements provision resume p1 sub-17"))
def resume(
    pool_id: PoolId,
    provision_id: ProvisionId,
    reason: Reason = "",
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Resume a suspended provision."""
    from entitlements.domain.commands import ResumeProvision

    way = (actor, key, no_wait, as_json)
    _change(ResumeProvision, "is active again", (pool_id, provision_id), reason, effective_at, way, data)


@provisions.command(
    "end",
    epilog=example(
        "entitlements provision end p1 sub-17 --when now",
        "entitlements provision end p1 sub-17 --when 2027-01-01T00:00:00Z",
    ),
)
def end(
    pool_id: PoolId,
    provision_id: ProvisionId,
    when: Annotated[
        str, typer.Option(help="now, period_end (end of the billing period) or a time.", show_default=False)
    ],
    reason: Reason = "",
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """End a provision now, at the end of its billing period, or at a given time. `provision uncancel` undoes it until then."""
    _end((pool_id, provision_id), when, reason, effective_at, (actor, key, no_wait, as_json), data)


@provisions.command("cancel", epilog=example("entitlements provision cancel p1 sub-17 --reason 'too expensive'"))
def cancel(
    pool_id: PoolId,
    provision_id: ProvisionId,
    reason: Reason = "",
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Cancel a provision at the end of its billing period. `provision uncancel` undoes it until then.

    The provision needs a billing period or an end. Without either, use `provision end --when`.
    """
    _end((pool_id, provision_id), "period_end", reason, effective_at, (actor, key, no_wait, as_json), data)


def _end(which: tuple[str, str], when: str, reason: str, at: str, way: tuple[str, str, bool, bool], data: Any) -> None:
    from entitlements.cli import values
    from entitlements.domain.commands import EndProvision

    if when in {"now", "period_end"}:
        _change(EndProvision, _ends, which, reason, at, way, data, when=when)
    else:
        _change(EndProvision, _ends, which, reason, at, way, data, when="at", ends_at=values.instant(when))


def _ends(now: dict[str, Any] | None) -> str:
    if now is None:
        return "will end as requested"
    if now["ended_at"] is not None:
        return f"ended at {output.text(now['ended_at'])}"
    return f"ends at {output.text(now['ends_at'])}"


def _goes_on(now: dict[str, Any] | None) -> str:
    ends_at = None if now is None else now["ends_at"]
    return (
        "continues, with no end date"
        if now is not None and ends_at is None
        else ("continues until its planned end" + (f", {output.text(ends_at)}" if ends_at else ", if it has one"))
    )


@provisions.command("uncancel", epilog=example("entitlements provision uncancel p1 sub-17"))
def uncancel(
    pool_id: PoolId,
    provision_id: ProvisionId,
    reason: Reason = "",
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Undo the cancellation of a provision. If it was sold with an end, that end applies again."""
    from entitlements.domain.commands import UncancelProvision

    way = (actor, key, no_wait, as_json)
    _change(UncancelProvision, _goes_on, (pool_id, provision_id), reason, effective_at, way, data)
