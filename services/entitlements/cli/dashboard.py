"""What a customer has, a row for each entitlement: Entitlement, Current, Quota, Status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from entitlements.cli import output

Status = Literal["OVERAGE", "LIMIT REACHED", "WARNING", "OK", "ACTIVE", "UNAVAILABLE", "SUSPENDED", "ENDED"]

_COLOURS: Final[dict[Status, str]] = {
    "OVERAGE": "bold red", "LIMIT REACHED": "red", "WARNING": "yellow", "OK": "green", "ACTIVE": "green",
    "UNAVAILABLE": "yellow", "SUSPENDED": "yellow", "ENDED": "dim",
}  # fmt: skip


def status_of(row: Mapping[str, Any]) -> Status:
    """How a customer stands, by what is so now. A refused request changes nothing: it used nothing.

    SUSPENDED      the pool, or what includes the key, is suspended
    ENDED          no longer included, but something was used in this period or is owed
    UNAVAILABLE    the key has dates (start_date, end_date), and now is outside of them
    ACTIVE         a feature
    OVERAGE        some overage is neither paid nor forgiven
    LIMIT REACHED  nothing is left of what is included; reservations count
    WARNING        at or above the soft limit
    """
    if not row["held"]:
        return "SUSPENDED" if row["suspended"] else "ENDED"
    if not row["available"]:
        return "UNAVAILABLE"
    if row["entitlement_type"] == "boolean":
        return "ACTIVE"
    return _status_of_quantity(row)


def _status_of_quantity(row: Mapping[str, Any]) -> Status:
    if row["owed"]:
        return "OVERAGE"
    if row["remaining"] == 0:  # None: unlimited.
        return "LIMIT REACHED"
    # What credits and payers bear counts here, as it does for quota.warning.
    if row["soft_limit"] is not None and row["consumed"] >= row["soft_limit"]:
        return "WARNING"
    return "OK"


def cells(row: Mapping[str, Any]) -> tuple[str, str, str, output.Styled]:
    """A row of the read models as people see it."""
    status = status_of(row)
    shown = output.Styled(status, _COLOURS[status])
    name = row["name"] or row["resource_key"]
    if row["entitlement_type"] == "boolean":
        return name, "", "", shown
    is_one = row["consumed"] == 1 and not row["scale"]
    unit = f" {row['unit']}{'' if is_one else 's'}" if row["unit"] else ""
    quota = output.amount(row["effective_limit"], row["scale"]) + (f" / {row['period']}" if row["period"] else "")
    return name, output.amount(row["consumed"], row["scale"]) + unit + _beside(row), quota + _kind(row), shown


def _beside(row: Mapping[str, Any]) -> str:
    """What is no consumption of what is included: held for later, charged to credits or an on-demand payer, or owed as overage."""
    counts = {
        "reserved": row.get("reserved"),
        "from credits or on-demand": row.get("elsewhere"),
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
