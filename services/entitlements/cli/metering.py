"""`entitlements usage record, usage release`: what is consumed, and what is returned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entitlements.cli import output
from entitlements.cli.customers import Customer, Pool
from entitlements.cli.failures import Refused
from entitlements.cli.options import (
    FOLDER,
    Actor,
    AsJson,
    Data,
    EffectiveAt,
    Key,
    NoWait,
    Organization,
    Quantity,
    ResourceKey,
    example,
    group,
)
from entitlements.cli.session import Done, Session, envelope, report, session

if TYPE_CHECKING:
    from entitlements.domain.commands import RecordUsage

_RECORD_EXAMPLE = example(
    "entitlements usage record api_calls 3 --customer ws-1",
    "entitlements usage record bandwidth_bytes 1500 --pool p1 --report --id req-17",
)
_RELEASE_EXAMPLE = example("entitlements usage release seats 1 --pool p1")


usages = group("Usage: record, release, import and list it.")


@dataclass(frozen=True, kw_only=True)
class _Usage:
    """What is to be recorded, apart from the pool."""

    resource_key: str
    quantity: int
    mode: Any
    workspace_id: str
    usage_id: str
    occurred_at_ms: int

    def of(self, pool_id: str, actor: str, effective_at: Any) -> RecordUsage:
        """The command to one pool. The usage id makes a repeat harmless; it needs no other key."""
        from entitlements.domain.commands import RecordUsage

        line: Any = {
            "resource_key": self.resource_key,
            "quantity": self.quantity,
            "mode": self.mode,
            "occurred_at": self.occurred_at_ms,
            "workspace_id": self.workspace_id,
            "usage_id": self.usage_id,
            "subject_id": "",
        }
        carried = envelope(actor, "") | {"idempotency_key": None}
        return RecordUsage(**carried, pool_id=pool_id, lines=[line], effective_at=effective_at)


@usages.command("record", epilog=_RECORD_EXAMPLE)
def record(
    resource_key: ResourceKey,
    quantity: Quantity,
    customer: Customer = "",
    pool: Pool = "",
    organization: Organization = "",
    has_happened: Annotated[
        bool, typer.Option("--report", help="Record usage that already happened, even above the limit.")
    ] = False,
    usage_id: Annotated[
        str,
        typer.Option(
            "--id", help="Id of the usage; a repeated id counts once (default: a new id).", show_default=False
        ),
    ] = "",
    occurred_at: Annotated[str, typer.Option(help="When it happened (default: now).", show_default=False)] = "",
    actor: Actor = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Record usage. Usage that exceeds the remaining amount is refused as a whole, unless it has --report.

    A customer's primary pool is used first, then the others if overflow is enabled. One line of usage is never split between pools.
    """
    from entitlements.cli import values
    from entitlements.intake.instants import occurred_ms
    from entitlements.ledger.caller import new_id

    wanted = _Usage(
        resource_key=values.id_of("resource key", resource_key),
        quantity=values.quantity(quantity),
        mode="report" if has_happened else "strict",
        workspace_id=values.id_of("customer", customer) if customer else "",
        usage_id=values.id_of("usage", usage_id) if usage_id else new_id(),
        occurred_at_ms=occurred_ms(values.instant(occurred_at)),
    )
    with session(data, organization) as opened:
        if pool:
            candidates = {values.id_of("pool", pool): False}
        else:
            was_in = _where_it_was(opened, wanted, organization) if usage_id and customer else None
            candidates = {was_in: False} if was_in else _pools_of(opened, wanted, organization)
        effective = values.instant(effective_at)
        pool_id, done = _use_first_that_fits(opened, wanted, candidates, actor, effective, wait=not no_wait)
    facts = {"pool_id": pool_id, "usage_id": wanted.usage_id, "resource_key": resource_key, "quantity": wanted.quantity}
    sentence = f"Recorded {wanted.quantity:,} of {output.literal(resource_key)} in pool {output.strong(pool_id)}."
    report(done, sentence, as_json=as_json, **facts)
    if not as_json:
        output.say(f"Usage id: {output.literal(wanted.usage_id)}")


def _pools_of(opened: Session, wanted: _Usage, organization: str) -> dict[str, bool]:
    """The pools to ask, in order, and whether usage may overflow from each. What has happened goes to the first that has the key: it is never refused for being too much."""
    from entitlements.cli.customers import what_they_have

    pools, rows = what_they_have(opened, wanted.workspace_id, "", organization)
    ids = {row["pool_id"]: bool(row.get("may_overflow")) for row in pools}
    if wanted.mode == "report":
        having = [row["pool_id"] for row in rows if row["held"] and row["resource_key"] == wanted.resource_key]
        return {next(iter([*having, *ids])): False}
    return ids


def _where_it_was(opened: Session, wanted: _Usage, organization: str) -> str | None:
    """The pool that took the usage before: a repeat counts there, whichever of the customer's pools comes first by now."""
    from entitlements.cli.customers import organization_of
    from entitlements_projections import reading
    from entitlements_projections.reading.views import pool_with_usage

    of = organization_of(opened, wanted.workspace_id, organization)
    pool_ids = [row["pool_id"] for row in reading.pools_ever_of_workspace(opened.database, of, wanted.workspace_id)]
    if len(pool_ids) < 2:
        return None
    opened.catch_up(pool_ids)
    return pool_with_usage(opened.database, pool_ids, wanted.usage_id)


def _use_first_that_fits(
    opened: Session, wanted: _Usage, candidates: dict[str, bool], actor: str, effective_at: Any, *, wait: bool
) -> tuple[str, Done]:
    """Record it in the first pool that takes it. Raises Refused with what the pool said that has it."""
    from entitlements.access.checking import which_decides
    from entitlements.domain.errors import sentence_of
    from entitlements.domain.overflow import asks_the_next

    refusals: list[Refused] = []
    for pool_id, may_overflow in candidates.items():
        retry = f"Retry with --pool {pool_id} --id {wanted.usage_id}."
        done = opened.do(wanted.of(pool_id, actor, effective_at), wait=wait, retry=retry)
        refused = done.outcome.refused_lines
        if not refused:
            return pool_id, done
        code, remaining = refused[0].code, refused[0].remaining
        said = f"{sentence_of(code)} Pool {pool_id}, {wanted.resource_key}."
        if remaining >= 0:
            said = f"{wanted.quantity:,} of {wanted.resource_key} requested, {remaining:,} remaining in pool {pool_id}."
        facts = {"pool_id": pool_id, "usage_id": wanted.usage_id, "remaining": remaining if remaining >= 0 else None}
        advice = _advice(opened, pool_id, wanted.resource_key, remaining) if code == "quota_exceeded" else ""
        refusals.append(Refused(code, said, advice, **facts))
        if not asks_the_next(code, may_overflow=may_overflow):
            break
    raise refusals[which_decides([refusal.code for refusal in refusals])]


def _advice(opened: Session, pool_id: str, resource_key: str, remaining: int) -> str:
    """What can be done about a key of which too little is left: a limit never resets, and of nothing nobody can use less."""
    from entitlements_projections import reading

    (row,) = reading.key_of_pools(opened.database, [pool_id], [resource_key]) or ({},)
    ways = ["use less"] if remaining > 0 else []
    ways += ["release some with `entitlements usage release`"] if row.get("entitlement_type") == "limit" else []
    ways += ["wait for the reset"] if row.get("resets_at") is not None else []
    *first, last = [*ways, "upgrade the plan"]
    said = f"{', '.join(first)}{',' if len(first) > 1 else ''} or {last}" if first else last
    return f"{said[0].upper()}{said[1:]}."


@usages.command("release", epilog=_RELEASE_EXAMPLE)
def release(
    resource_key: ResourceKey,
    quantity: Quantity,
    customer: Customer = "",
    pool: Pool = "",
    organization: Organization = "",
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Release usage of a limit, such as seats."""
    from entitlements.cli import values
    from entitlements.cli.customers import what_they_have
    from entitlements.domain.commands import ReleaseUsage

    number = values.quantity(quantity)
    with session(data, organization) as opened:
        if pool:
            pool_id = values.id_of("pool", pool)
        else:
            pool_id = _holder(resource_key, *what_they_have(opened, customer, "", organization))
        command = ReleaseUsage(
            **envelope(actor, key),
            pool_id=pool_id,
            resource_key=values.id_of("resource key", resource_key),
            quantity=number,
            workspace_id=customer,
            effective_at=values.instant(effective_at),
        )
        done = opened.do(command, wait=not no_wait)
    sentence = f"Released {number:,} of {output.literal(resource_key)} in pool {output.strong(pool_id)}."
    report(done, sentence, as_json=as_json, pool_id=pool_id, resource_key=resource_key, quantity=number)


def _holder(resource_key: str, pools: list[dict[str, Any]], rows: list[dict[str, Any]]) -> str:
    """The first of the customer's pools that holds something of a key."""
    holding = [row["pool_id"] for row in rows if row["resource_key"] == resource_key and row["consumed"]]
    return str([*holding, pools[0]["pool_id"]][0])
