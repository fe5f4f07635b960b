"""A pool as people read it: a table for each kind of thing that is said of it, and none for what is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from entitlements.cli import dashboard, output

#: Rows of one table; of a pool with more of a kind --json has them all.
ROWS_MAX: Final = 20

Row = dict[str, Any]


def show(pool: Row) -> None:
    """Print a pool as `reading.pool` gives it."""
    since = f"{pool['status']} since {output.text(pool['status_at'])}"
    output.facts(
        {
            "Name": pool["name"],
            "Organization": pool["organization_id"],
            "Billing account": pool["billing_account_id"],
            "Status": since + (f": {pool['status_reason']}" if pool["status_reason"] else ""),
            "Backfilled until": pool["clock"] if pool["backfilling"] else None,
            "Calendar": _calendar(pool),
            "Owed": _owed(pool),
        },
        title=f"Pool {pool['pool_id']}",
    )
    scales = {row["resource_key"]: row["scale"] or 0 for row in pool["entitlements"]}

    def amount(row: Row, name: str) -> str:
        return output.amount(row[name], scales.get(row["resource_key"], 0))

    output.table(
        ("Entitlement", ">Current", ">Quota", "Status", "Resets"),
        [(*dashboard.cells(row), row["resets_at"]) for row in pool["entitlements"]],
    )
    for name, columns, cells in _TABLES:
        rows = pool[name]
        if rows:
            output.table(columns, [cells(row, amount) for row in rows[:ROWS_MAX]])
        if len(rows) > ROWS_MAX:
            output.say(f"... and {len(rows) - ROWS_MAX:,} more {name}; --json has them all.")


def _owed(pool: Row) -> str:
    """Overage that is neither paid nor forgiven, by key."""
    owing = [row for row in pool["entitlements"] if row.get("owed")]
    return ", ".join(f"{output.amount(row['owed'], row['scale'] or 0)} of {row['resource_key']}" for row in owing)


def _calendar(pool: Row) -> str:
    anchor = f", billing periods counted from {output.text(pool['anchor_at'])}" if pool["anchor_at"] else ""
    return f"{pool['time_zone']}{anchor}"


Amount = Callable[[Row, str], str]
Cells = Callable[[Row, Amount], Sequence[Any]]


def _provision(row: Row, _: Amount) -> Sequence[Any]:
    return (
        row["provision_id"],
        row["source"],
        f"{row['set_id']} v{row['set_version']}",
        row["quantity"],
        row["ladder"] and f"{row['ladder']} {row['rung']}",
        row["status"],
        row["starts_at"],
        row["ended_at"] or row["ends_at"],
    )


def _grant(row: Row, _: Amount) -> Sequence[Any]:
    return row["grant_id"], row["reason"], row["actor"], row["status"], row["ends_at"]


def why_kept(row: Mapping[str, Any]) -> str:
    """Why a contribution includes nothing now."""
    return {"suspended": "suspended", "active": "the pool is suspended"}.get(row["status"], "ended")


def _contribution(row: Row, amount: Amount) -> Sequence[Any]:
    why = f"{why_kept(row)}; its usage counts until the reset" if row["kept"] else ""
    return (
        row["resource_key"],
        row["provision_id"] or "(key default)",
        "" if row["is_feature"] else amount(row, "included_limit"),
        amount(row, "carried") if row["carried"] else "",
        why,
    )


def _assignment(row: Row, _: Amount) -> Sequence[Any]:
    return row["customer_id"], row["role"], "yes" if row["may_overflow"] else "", row["assigned_at"]


def _override(row: Row, amount: Amount) -> Sequence[Any]:
    value = "denied" if not row["allowed"] else "allowed" if row["is_feature"] else amount(row, "amount")
    drawn = "" if row["drawn"] is None else amount(row, "drawn")
    of = row["customer_id"] or "all of the pool"
    return (
        row["override_id"],
        row["resource_key"],
        of,
        value,
        drawn,
        row["reason"],
        row["actor"],
        row["expires_at"] or "cleared",
    )


def _cap(row: Row, amount: Amount) -> Sequence[Any]:
    of = f"{row['subject_id']} in {row['customer_id']}" if row["subject_id"] else row["customer_id"]
    limit = amount(row, "amount") + (f" / {row['period']}" if row["period"] else "")
    return of, row["resource_key"], limit, amount(row, "drawn"), amount(row, "reserved"), row["actor"], row["resets_at"]


def _reservation(row: Row, amount: Amount) -> Sequence[Any]:
    who = " / ".join(name for name in (row["customer_id"], row["subject_id"]) if name)
    beside = [f"{row['credit_units']:,} units of {row['credit_key']}"] if row["credit_units"] else []
    beside += [f"{row['spending']:,} minor units of spending"] if row["spending"] else []
    kind = "lease" if row["lease"] else "reservation"
    return (
        row["reservation_id"],
        kind,
        row["resource_key"],
        amount(row, "held"),
        ", ".join(beside),
        who,
        row["expires_at"],
    )


def _holder(row: Row, amount: Amount) -> Sequence[Any]:
    return row["resource_key"], row["holder_id"], amount(row, "held"), row["customer_id"], row["changed_at"]


def _on_demand(row: Row, amount: Amount) -> Sequence[Any]:
    currency = f" {row['currency']}" if row["currency"] else ""
    price = f"{row['unit_price']:,}{currency} for {amount(row, 'price_per')}"
    cap = "none" if row["spending_cap"] is None else f"{row['spending_cap']:,}"
    payer = row["payer"] or "the pool's billing account"
    alerts = ", ".join(f"{percent} %" for percent in row["alert_at"])
    spent = f"{row['spent']:,}" + (f" and {row['spending_reserved']:,} reserved" if row["spending_reserved"] else "")
    return row["resource_key"], row["enabled"], payer, price, spent, cap, alerts


_TABLES: Final[tuple[tuple[str, tuple[str, ...], Cells], ...]] = (
    ("contributions", ("Contribution to", "From", ">Includes", ">Rolled over", "~Note"), _contribution),
    ("provisions", ("Provision", "Source", "Set", ">Quantity", "Ladder", "Status", "Starts", "Ends"), _provision),
    ("grants", ("Grant", "~Reason", "By", "Status", "Ends"), _grant),
    ("assignments", ("Customer", "Role", "Overflow", "Since"), _assignment),
    ("overrides", ("Override", "Key", "For", ">Value", ">Used", "~Reason", "By", "Until"), _override),
    ("caps", ("Cap of", "Key", ">Amount", ">Used", ">Reserved", "By", "Resets"), _cap),
    ("reservations", ("Reservation", "Kind", "Key", ">Reserved", "~Also reserved", "For", "Expires"), _reservation),
    ("holders", ("Key", "Holder", ">Allocated", "Customer", "Since"), _holder),
    ("on_demand", ("On-demand", "Enabled", "Payer", "~Price in minor units", "~Spent", ">Spending cap", "~Alerts at"), _on_demand),
)  # fmt: skip
