"""`entitlements assign, unassign, customer show`: who uses a pool, and what a customer has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from entitlements.cli import output
from entitlements.cli.options import (
    FOLDER,
    Actor,
    AsJson,
    CustomerId,
    Data,
    EffectiveAt,
    Key,
    NoWait,
    Organization,
    PoolId,
    Reason,
    example,
    group,
)
from entitlements.cli.session import Session, envelope, report, session

ASSIGN_EXAMPLE = example("entitlements assign p1 ws-1")
UNASSIGN_EXAMPLE = example("entitlements unassign p1 ws-1 --reason 'moved to another team'")
_SHOW_EXAMPLE = example(
    "entitlements customer show ws-1",
    "entitlements customer show ws-1 --json",
    "entitlements customer show ws-1 --organization acme-inc",
)
#: Organizations that a sentence names; JSON names all.
_NAMED_MAX = 10

customers = group("Customers: who uses pools, and their entitlements.")

Customer = Annotated[str, typer.Option("--customer", "-c", help="Id of the customer.", show_default=False)]
Pool = Annotated[
    str,
    typer.Option(
        "--pool", "-p", help="Id of a pool (default: all pools of the customer, primary first).", show_default=False
    ),
]


def assign(
    pool_id: PoolId,
    customer_id: CustomerId,
    secondary: Annotated[
        bool, typer.Option("--secondary", help="As a secondary pool: used only after the primary pool.")
    ] = False,
    overflow: Annotated[
        bool, typer.Option("--overflow", help="Usage that exceeds this pool may use the customer's next pool.")
    ] = False,
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Assign a customer to a pool, as its primary or a secondary pool."""
    from entitlements.cli import values
    from entitlements.domain.commands import AssignWorkspace

    command = AssignWorkspace(
        **envelope(actor, key),
        pool_id=values.id_of("pool", pool_id),
        workspace_id=values.new_id_of("customer", customer_id),
        role="secondary" if secondary else "primary",
        may_overflow=overflow,
        effective_at=values.instant(effective_at),
    )
    with session(data) as opened:
        done = opened.do(command, wait=not no_wait)
        sentence = (
            f"Customer {output.strong(customer_id)} uses pool {output.strong(pool_id)} as its {command.role} pool."
        )
        report(done, sentence, as_json=as_json, pool_id=pool_id, customer_id=customer_id, role=command.role)


def unassign(
    pool_id: PoolId,
    customer_id: CustomerId,
    reason: Reason = "",
    actor: Actor = "",
    key: Key = "",
    effective_at: EffectiveAt = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Remove a customer from a pool."""
    from entitlements.cli import values
    from entitlements.domain.commands import UnassignWorkspace

    command = UnassignWorkspace(
        **envelope(actor, key),
        pool_id=values.id_of("pool", pool_id),
        workspace_id=values.id_of("customer", customer_id),
        reason=reason,
        effective_at=values.instant(effective_at),
    )
    with session(data) as opened:
        did_use = no_wait or _uses(opened, pool_id, customer_id)
        done = opened.do(command, wait=not no_wait)
        how = "no longer uses" if did_use or done.outcome.repeated else "does not use"
        sentence = f"Customer {output.strong(customer_id)} {how} pool {output.strong(pool_id)}."
        report(done, sentence, as_json=as_json, pool_id=pool_id, customer_id=customer_id)


def _uses(opened: Session, pool_id: str, customer_id: str) -> bool:
    """Whether a customer is assigned to a pool, by all that was decided until now."""
    from entitlements_projections import reading

    opened.catch_up([pool_id])
    found = reading.pool(opened.database, pool_id, datetime.now(UTC))
    return found is not None and any(row["customer_id"] == customer_id for row in found["assignments"])


def organization_of(opened: Session, customer: str, organization: str) -> str:
    """The organization of a customer: the one that is named, else the only one that has a customer of this id.

    Raises UnknownCustomer, AmbiguousCustomer.
    """
    from entitlements.errors import AmbiguousCustomer, UnknownCustomer
    from entitlements_projections import reading

    if organization:
        return organization
    found = reading.organizations_of_workspace(opened.database, customer)
    if not found:
        raise UnknownCustomer(f"{customer}.")
    if len(found) > 1:
        more = f" and {len(found) - _NAMED_MAX} more" if len(found) > _NAMED_MAX else ""
        error = AmbiguousCustomer(f"{customer}: {', '.join(found[:_NAMED_MAX])}{more}.")
        error.facts = {"customer_id": customer, "organizations": found}  # type: ignore[attr-defined]
        raise error
    return found[0]


def role_of(pool: dict[str, Any]) -> str | None:
    """What a pool is to its customer: an older primary counts as secondary. None: nobody asked for a customer."""
    return None if "is_primary" not in pool else "primary" if pool["is_primary"] else "secondary"


def what_they_have(
    opened: Session, customer: str, pool: str, organization: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The pools in question, in the order of use, and what they have; all of one organization.

    Raises UnknownPool, UnknownCustomer, AmbiguousCustomer.
    """
    from entitlements.cli import values
    from entitlements.cli.failures import InvalidValue
    from entitlements.errors import UnknownCustomer
    from entitlements_projections import reading

    if not customer and not pool:
        raise InvalidValue("invalid_request", "No customer or pool is given.", "Add --customer or --pool.")
    now = datetime.now(UTC)
    if pool:
        found = opened.require_pool(values.id_of("pool", pool))
        if not customer:
            return [found], found["entitlements"]
        organization = str(found["organization_id"])  # A pool tells which of several customers is meant.
    organization = organization_of(opened, customer, organization)
    pools = reading.pools_of_workspace(opened.database, organization, customer)
    if not pools:
        raise UnknownCustomer(f"{customer} of organization {organization}.")
    if pool:
        pools = [row for row in pools if row["pool_id"] == pool]
        if not pools:
            raise UnknownCustomer(f"{customer}, pool {pool}.")
    ids = {row["pool_id"] for row in pools}
    rows = reading.entitlements_of_workspace(opened.database, organization, customer, now)
    return pools, [row for row in rows if row["pool_id"] in ids]


def as_of(opened: Session, pool_id: str) -> dict[str, Any]:
    """Up to where the read models know the log of a pool."""
    from entitlements.ledger.partitioning import partition_of

    partition = partition_of(pool_id, opened.settings.partitions)
    query = "select ledger_offset, decided_at from projection_positions where partition = %s"
    row = opened.database.execute(query, (partition,)).fetchone()
    offset, decided_at = row or (-1, None)
    return {"partition": partition, "offset": offset, "decided_at": decided_at}


@customers.command("show", epilog=_SHOW_EXAMPLE)
def show(
    customer: CustomerId,
    pool: Pool = "",
    organization: Organization = "",
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Show a customer's entitlements with usage, limits and status."""
    from entitlements.cli import dashboard

    with session(data, organization) as opened:
        pools, rows = what_they_have(opened, customer, pool, organization)
        positions = {row["pool_id"]: as_of(opened, row["pool_id"]) for row in pools}
    if as_json:
        found = {
            "organization_id": pools[0]["organization_id"],
            "customer_id": customer,
            "pools": [],
            "entitlements": [dashboard.fact(row) for row in rows],
        }
        found["pools"] = [
            {
                "pool_id": row["pool_id"],
                "role": role_of(row),
                "status": row["status"],
                "as_of": positions[row["pool_id"]],
            }
            for row in pools
        ]
        output.document(found)
        return
    for row in pools:
        role = f", {role_of(row)}" if role_of(row) else ""
        output.table(
            ("Entitlement", ">Current", ">Quota", "Status"),
            [dashboard.cells(entitlement) for entitlement in rows if entitlement["pool_id"] == row["pool_id"]],
            title=f"{customer} in pool {row['pool_id']}{role}"
            + ("" if row["status"] == "open" else f" ({row['status']})"),
        )
