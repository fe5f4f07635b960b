"""What a customer has, a row for each entitlement: Entitlement, Current, Quota, Status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from entitlements.cli import output

Status = Literal["OK", "WARNING", "EXCEEDED", "ACTIVE", "SUSPENDED", "ENDED"]

_COLOURS: Final[dict[Status, str]] = {
    "OK": "green", "WARNING": "yellow", "EXCEEDED": "red", "ACTIVE": "green",
    "SUSPENDED": "yellow", "ENDED": "dim",
}  # fmt: skip


def status_of(row: Mapping[str, Any]) -> Status:
    """SUSPENDED, ENDED: nothing is included any more, but something was used in this period or is owed. ACTIVE: a feature. EXCEEDED: usage was refused or lay above the limit. WARNING: the soft limit is reached, or nothing is left.

    A refusal counts until the quota's reset, or until something of a limit is free again; and only under this limit: after an
    upgrade it starts at OK.
    """
    if not row["held"]:
        return "SUSPENDED" if row["suspended"] else "ENDED"
    if row["entitlement_type"] == "boolean":
        return "ACTIVE"
    # What credits or an on-demand payer bear lies not above the limit.
    consumed = row["consumed"] - (row.get("elsewhere") or 0)
    limit, soft_limit = row["effective_limit"], row["soft_limit"]
    if limit is None:
        return "OK"
    was_refused = row["exceeded_at"] is not None and row["exceeded_at"] >= row["changed_at"]
    if row["entitlement_type"] == "limit":
        was_refused = was_refused and consumed >= limit
    if consumed > limit or was_refused:
        return "EXCEEDED"
    if consumed >= limit or (soft_limit is not None and consumed >= soft_limit):
        return "WARNING"
    return "OK"


def cells(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """A row of the read models as people see it."""
    status = status_of(row)
    shown = f"[{_COLOURS[status]}]{status}[/{_COLOURS[status]}]"
    name = row["name"] or row["resource_key"]
    if status == "ACTIVE":
        return name, "", "", shown
    unit = f" {row['unit']}s" if row["unit"] else ""
    quota = output.amount(row["effective_limit"], row["scale"]) + (f" / {row['period']}" if row["period"] else "")
    return name, output.amount(row["consumed"], row["scale"]) + unit + _beside(row), quota + _kind(row), shown


def _beside(row: Mapping[str, Any]) -> str:
    """What is no consumption of what is included: held for later, charged to credits or an on-demand payer, or owed as overage."""
    counts = {
        "reserved": row.get("reserved"),
        "by credits or on demand": row.get("elsewhere"),
        "owed": row.get("owed"),
    }
    said = [f"{output.amount(count, row['scale'])} {words}" for words, count in counts.items() if count]
    return f" ({', '.join(said)})" if said else ""


def _kind(row: Mapping[str, Any]) -> str:
    if row.get("over_allocated"):
        return " (over-allocated)"
    return " (credits)" if row["entitlement_type"] == "credit" else ""


def fact(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the read models as JSON has it."""
    names = ("resource_key", "name", "entitlement_type", "pool_id", "consumed", "effective_limit", "soft_limit", "hard_limit",
             "remaining", "unit", "scale", "period", "period_start", "resets_at", "provision_ids",
             "reserved", "elsewhere", "owed", "over_allocated", "held")  # fmt: skip
    return {name: row.get(name) for name in names} | {"status": status_of(row)}
