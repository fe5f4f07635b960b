"""`entitlements check`: may they, how much remains, what it is charged to, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entitlements.cli import output
from entitlements.cli.customers import Customer, Pool, as_of, role_of, what_they_have
from entitlements.cli.options import FOLDER, AsJson, Data, Organization, ResourceKey, example
from entitlements.cli.session import session
from entitlements.cli.showing import why_kept

if TYPE_CHECKING:
    from entitlements.access.checking import Narrowing, PoolAnswer
    from entitlements.access.standing import Row
    from entitlements.domain.cover import Cover
    from entitlements_projections.database import Connection

EXAMPLE = example(
    "entitlements check api_calls --customer ws-1",
    "entitlements check api_calls --customer ws-1 --subject ann --quantity 30",
    "entitlements check seats --pool p1 --quantity 3",
)


def check(
    resource_key: ResourceKey,
    customer: Customer = "",
    pool: Pool = "",
    organization: Organization = "",
    subject: Annotated[
        str, typer.Option("--subject", help="A member of the customer, with its own caps.", show_default=False)
    ] = "",
    quantity: Annotated[str, typer.Option(help="Quantity to check.")] = "1",
    country: Annotated[
        str,
        typer.Option(
            help="Country of the request, such as DE or US-CA; required for keys limited to some countries.",
            show_default=False,
        ),
    ] = "",
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Check whether a customer may use KEY, how much remains, and until when. Changes nothing.

    Exit status 0 if allowed or denied, 1 if the key, customer or pool is unknown.

    The answer is what strict usage would get: included first, then credits, then on-demand, within the member's caps. Policies depend
    on each request; those about the key are listed.
    """
    from entitlements.access.checking import check as ask
    from entitlements.cli import granting, values
    from entitlements.cli.failures import InvalidValue
    from entitlements_projections.reading import Member

    wanted = values.quantity(quantity)
    if subject and not customer:
        raise InvalidValue("invalid_request", "--subject requires --customer.", "Add --customer.")
    with session(data, organization) as opened:
        key = opened.require_key(resource_key)
        pools, _ = what_they_have(opened, customer, pool, organization)
        asked = Member(
            pool_ids=[row["pool_id"] for row in pools],
            resource_key=resource_key,
            organization_id=pools[0]["organization_id"],
            workspace_id=customer,
            subject_id=subject,
        )
        answer = ask(opened.database, asked, wanted, [bool(row.get("may_overflow")) for row in pools])
        decisive = answer.decisive
        found = _document(asked, wanted, decisive, key["scale"])
        found = granting.judged(opened, found, pools, customer, values.country(country))
        found["role"] = next((role_of(row) for row in pools if row["pool_id"] == found["pool_id"]), None)
        found["skipped"] = [
            {"pool_id": other.pool_id, "reason_code": other.code} for other in answer.pools if other is not decisive
        ]
        found["policies"] = policies_about(opened.database, pools[0]["organization_id"], resource_key)
        found["as_of"] = as_of(opened, found["pool_id"])
    if as_json:
        output.document(found)
    else:
        _show(found, decisive, key["scale"])


def policies_about(connection: Connection, organization_id: str, resource_key: str) -> list[dict[str, Any]]:
    """The policies of an organization that count and are about a key, who wins first: what they say depends on each request."""
    from entitlements_client.deciding import PolicySet
    from entitlements_projections.reading import access

    found = access.policies_in_force(connection, organization_id)
    compiled = PolicySet.compile({"policies": [json.loads(document) for document in found.documents]})
    about = [policy for policy in compiled.policies if policy.enabled and policy.names(resource_key)]
    return [policy.named() for policy in sorted(about, key=lambda policy: policy.order)]


def _document(asked: Any, wanted: int, answer: PoolAnswer, scale: int) -> dict[str, Any]:
    from entitlements_client.deciding.sentences import sentence_of

    row, left = answer.row, answer.left
    is_feature = row is not None and row["entitlement_type"] == "boolean"
    sentence = sentence_of(
        "overridden" if answer.code == "not_entitled" and answer.override is not None else answer.code,
        key=asked.resource_key,
        customer=asked.workspace_id or f"Pool {answer.pool_id}",
        quantity=output.amount(wanted, scale),
        remaining=output.amount(answer.remaining, scale),
        is_counted=not is_feature,
    )
    known = (
        "entitlement_type",
        "soft_limit",
        "hard_limit",
        "consumed",
        "elsewhere",
        "owed",
        "reserved",
        "period",
        "period_start",
        "resets_at",
    )
    return {
        "organization_id": asked.organization_id,
        "customer_id": asked.workspace_id or None,
        "subject_id": asked.subject_id or None,
        "resource_key": asked.resource_key,
        "quantity": wanted,
        "allowed": answer.allowed,
        "reason_code": answer.code,
        "sentence": sentence,
        "pool_id": answer.pool_id,
        "limit": None if row is None else row["effective_limit"],
        **{name: None if row is None else row[name] for name in known},
        "remaining": answer.remaining,
        "left": None
        if left is None
        else {
            "included": _bounded(left.included),
            "by_credits": _bounded(left.by_credits),
            "on_demand": _bounded(left.on_demand),
            "as_overage": _bounded(left.as_overage),
        },
        "charged_to": _charged_to(answer.cover) if answer.allowed and answer.cover is not None else None,
        "provision_ids": [] if row is None else row["provision_ids"],
        "contributions": [_contribution(contribution) for contribution in answer.contributions],
        "override": None if answer.override is None else _override(answer.override),
        "caps": [_cap(cap, asked) for cap in answer.caps],
    }


def _bounded(quantity: int) -> int | None:
    """A quantity as JSON has it; None: without end, or more than usage can ask for."""
    from entitlements.settings import QUANTITY_MAX

    return None if quantity > QUANTITY_MAX else quantity


def _charged_to(cover: Cover) -> dict[str, int]:
    """What would be charged to what: quantities, and what credits and the payer are charged for theirs."""
    parts = dict.fromkeys(("included", "credit", "on_demand"), 0)
    for part in cover.parts:
        if part["bearer"] in parts:
            parts[part["bearer"]] += part["quantity"]
    return {
        "included": parts["included"],
        "by_credits": parts["credit"],
        "credit_units": cover.credit_units,
        "on_demand": parts["on_demand"],
        "charge": cover.charge,
        "as_overage": cover.overage,
    }


def _contribution(row: Row) -> dict[str, Any]:
    names = ("provision_id", "included_limit", "carried", "kept", "source", "source_id", "billing_account_id", "set_id",
             "set_version", "quantity", "priority", "ends_at")  # fmt: skip
    return {name: row[name] for name in names}


def _override(row: Row) -> dict[str, Any]:
    names = ("override_id", "allowed", "amount", "soft_limit", "hard_limit", "reason", "actor", "set_at", "expires_at")
    return {"of": "customer" if row["workspace_id"] else "pool", **{name: row[name] for name in names}}


def _cap(cap: Narrowing, asked: Any) -> dict[str, Any]:
    of = {"of": "subject", "id": cap.subject_id} if cap.subject_id else {"of": "customer", "id": asked.workspace_id}
    names = ("amount", "period", "drawn", "reserved", "left", "resets_at")
    return {**of, **{name: getattr(cap, name) for name in names}, "override_id": cap.override_id or None}


def _show(found: dict[str, Any], answer: PoolAnswer, scale: int) -> None:
    colour, word = ("green", "Allowed") if found["allowed"] else ("red", "Refused")
    code = "" if found["reason_code"] == "allowed" else f" ({found['reason_code']})"
    output.say(f"[{colour}]{word}[/{colour}]{code}: {output.literal(found['sentence'])}")
    position, role = found["as_of"], found["role"]
    output.facts(
        {
            "Remaining": _left(found, scale),
            "Charged to": _words(found["charged_to"], scale),
            "Included": _limits(found, scale),
            "Used": _used(found, scale),
            "Owed": output.amount(found["owed"], scale) if found["owed"] else None,
            "Resets": found["resets_at"],
            "Pool": found["pool_id"] + (f", {role}" if role else ""),
            "Skipped": ", ".join(f"{p['pool_id']} ({p['reason_code']})" for p in found["skipped"]),
            "Override": _words_of_override(found["override"], scale),
            "As of": f"{output.text(position['decided_at'])} (ledger partition {position['partition']}, offset {position['offset']})"
            if position["decided_at"]
            else "no data yet",
        }
    )
    if found["policies"]:
        named = ", ".join(f"{policy['policy_id']} ({policy['effect']})" for policy in found["policies"])
        output.note(f"Policies not evaluated: {named}. They depend on the request; use POST /v1/check.")
    if answer.contributions:
        output.table(
            ("Contribution", "Source", "Set", ">Includes", ">Rolled over", "Ends"),
            [
                (
                    ("key default" if not row["provision_id"] else row["provision_id"])
                    + (f" ({why_kept(row)})" if row["kept"] else ""),
                    row["source"],
                    row["set_id"] and f"{row['set_id']} v{row['set_version']}",
                    None if found["entitlement_type"] == "boolean" else output.amount(row["included_limit"], scale),
                    row["carried"] or None,
                    row["ends_at"],
                )
                for row in answer.contributions
            ],
        )
    if found["caps"]:
        output.table(
            ("Cap of", ">Amount", "Period", ">Used", ">Reserved", ">Remaining", "Resets"),
            [
                (
                    f"{cap['of']} {cap['id']}" + (" by override" if cap["override_id"] else ""),
                    output.amount(cap["amount"], scale),
                    cap["period"],
                    *(output.amount(cap[name], scale) for name in ("drawn", "reserved", "left")),
                    cap["resets_at"],
                )
                for cap in found["caps"]
            ],
        )


def _left(found: dict[str, Any], scale: int) -> str | None:
    left = found["left"]
    if left is None:
        return None
    words = [f"{output.amount(left['included'], scale)} included"]
    names = {"by_credits": "from credits", "on_demand": "on-demand", "as_overage": "as overage up to the hard limit"}
    words += [f"{output.amount(left[name], scale)} {said}" for name, said in names.items() if left[name] != 0]
    under = " within the caps; the pool has " if found["caps"] else ": "
    return f"{output.amount(found['remaining'], scale)}{under}{', '.join(words)}"


def _words(charged: dict[str, int] | None, scale: int) -> str | None:
    if charged is None:
        return None
    said = {
        "included": "included",
        "by_credits": f"credits ({charged['credit_units']:,} units)",
        "on_demand": f"on-demand for {charged['charge']:,} minor units",
        "as_overage": "as overage",
    }
    return ", ".join(f"{output.amount(charged[name], scale)} {words}" for name, words in said.items() if charged[name])


def _limits(found: dict[str, Any], scale: int) -> str | None:
    if found["left"] is None:
        return None
    said = output.amount(found["limit"], scale) + (f" / {found['period']}" if found["period"] else "")
    if found["soft_limit"] is not None:
        said += f", soft limit {output.amount(found['soft_limit'], scale)}"
    if found["hard_limit"] != found["limit"]:
        said += f", hard limit {output.amount(found['hard_limit'], scale)}"
    return said


def _used(found: dict[str, Any], scale: int) -> str | None:
    if found["left"] is None:
        return None
    said = output.amount(found["consumed"], scale)
    if found["elsewhere"]:
        said += f", including {output.amount(found['elsewhere'], scale)} from credits or on-demand"
    return said + (f"; {output.amount(found['reserved'], scale)} reserved" if found["reserved"] else "")


def _words_of_override(override: dict[str, Any] | None, scale: int) -> str | None:
    if override is None:
        return None
    what = "denied" if not override["allowed"] else output.amount(override["amount"], scale)
    until = f", until {output.text(override['expires_at'])}" if override["expires_at"] else ""
    return f"{override['override_id']} of the {override['of']}: {what}, by {override['actor']}{until}: {override['reason']}"
