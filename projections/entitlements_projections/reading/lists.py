"""The lists that there are: what each selects, its order, and what it can be filtered by.

The newest comes first, by the instant at which a row began; what has no beginning that stays comes by its id. Policies come as they
are decided by, who wins first: a policy that gets another priority while somebody pages may be seen twice or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import sql

from entitlements_projections.reading.cursors import Columns
from entitlements_projections.reading.listing import Listing, Select
from entitlements_projections.statements import statement

_NONE: Final[frozenset[str]] = frozenset()
#: Filters by the pools of a customer: those that it may use now, and those that it ever could.
_POOLS_OF_CUSTOMER: Final = """pool_id in (
    select a.pool_id from pool_assignments a
    where a.organization_id = %(organization_id)s and a.workspace_id = %(customer_id)s and a.unassigned_at is null
)"""
_POOLS_EVER_OF_CUSTOMER: Final = """customer_id = %(customer_id)s and pool_id in (
    select a.pool_id from pool_assignments a
    where a.organization_id = %(organization_id)s and a.workspace_id = %(customer_id)s
)"""
#: An array: so only the rows that it names are read.
_CUSTOMERS_OF_POOL: Final = """customer_id = any(array(
    select a.workspace_id from pool_assignments a
    where a.pool_id = %(pool_id)s and a.organization_id = %(organization_id)s and a.unassigned_at is null
))"""
#: By the unit that a key is bound to, and all units below it.
_CUSTOMERS_WITHIN: Final = """customer_id in (
    select w.workspace_id from organization_workspaces w
    where w.organization_id = %(organization_id)s
        and w.unit_id in (select units_within(%(organization_id)s, %(within_unit)s))
)"""
_UNITS_WITHIN: Final = "unit_id in (select units_within(%(organization_id)s, %(within_unit)s))"


def _equal(*columns: LiteralString) -> dict[str, LiteralString]:
    return {column: f"{column} = %({column})s" for column in columns}


def _time(column: LiteralString) -> dict[str, LiteralString]:
    return {"since": f"{column} >= %(since)s", "until": f"{column} < %(until)s"}


def _listing(
    name: str,
    key: Columns,
    filters: Mapping[str, LiteralString],
    *,
    descends: bool = False,
    bounds: Mapping[str, LiteralString] | None = None,
    hidden: frozenset[str] = _NONE,
    select: Select | None = None,
) -> Listing:
    return Listing(
        name=name,
        select=select or (lambda *_: (_statement(name), _NONE)),
        key=key,
        descends=descends,
        filters={name: sql.SQL(condition) for name, condition in filters.items()},
        bounds={name: sql.SQL(condition) for name, condition in (bounds or {}).items()},
        hidden=hidden,
    )


def _statement(name: str) -> sql.SQL:
    text: Any = statement("reading.lists", name).decode().rstrip().removesuffix(";")
    return sql.SQL(text)  # A file of ours.


def _customers(given: Mapping[str, Any], direction: sql.SQL) -> tuple[sql.Composable, frozenset[str]]:
    """Customers from where those that are filtered by stand in their order already."""
    found, seen_to = _statement("customers_known").format(direction=direction), ""
    unit = next((name for name in ("unit_id", "within_unit") if name in given), None)
    if unit is not None:
        found, seen_to = _statement("customers_placed").format(unit=sql.Placeholder(unit)), unit
    elif given.get("status") == "active":
        found, seen_to = _statement("customers_active").format(direction=direction), "status"
    return _statement("customers").format(customers=found), frozenset({seen_to})


POOLS: Final = _listing(
    "pools",
    {"opened_at": datetime, "pool_id": str},
    _equal("organization_id", "status", "billing_account_id")
    | {"customer_id": _POOLS_OF_CUSTOMER}
    | _time("opened_at"),
    descends=True,
)
CUSTOMERS: Final = _listing(
    "customers",
    {"customer_id": str},
    _equal("organization_id", "status", "unit_id") | {"pool_id": _CUSTOMERS_OF_POOL},
    bounds={"within_unit": _CUSTOMERS_WITHIN},
    select=_customers,
)
PROVISIONS: Final = _listing(
    "provisions",
    {"scheduled_at": datetime, "pool_id": str, "provision_id": str},
    _equal("organization_id", "status", "pool_id", "set_id", "set_version", "source", "source_id", "ladder")
    | {"customer_id": _POOLS_OF_CUSTOMER, "resource_key": "%(resource_key)s = any(resource_keys)"}
    | _time("scheduled_at"),
    descends=True,
)
GRANTS: Final = _listing(
    "grants",
    {"issued_at": datetime, "pool_id": str, "grant_id": str},
    _equal("organization_id", "status", "pool_id", "set_id", "actor")
    | {"customer_id": _POOLS_OF_CUSTOMER}
    | _time("issued_at"),
    descends=True,
)
SETS: Final = _listing(
    "sets",
    {"set_id": str, "set_version": int},
    _equal("set_id", "ladder")
    | {"newest": "is_newest = %(newest)s", "resource_key": "%(resource_key)s = any(resource_keys)"},
)
RESOURCE_KEYS: Final = _listing("resource_keys", {"resource_key": str}, _equal("data_type", "entitlement_type"))
UNITS: Final = _listing(
    "units",
    {"unit_id": str},
    _equal("organization_id", "status", "parent_unit_id"),
    bounds={"within_unit": _UNITS_WITHIN},
)
MEMBERS: Final = _listing(
    "members",
    {"in_unit": str, "in_customer": str, "subject_id": str},
    _equal("organization_id", "unit_id", "customer_id", "subject_id", "role"),
    bounds={"within_unit": f"({_UNITS_WITHIN} or {_CUSTOMERS_WITHIN})"},
    hidden=frozenset({"in_unit", "in_customer"}),
)
POLICIES: Final = replace(
    _listing(
        "policies",
        {"after_priority": int, "after_effect": int, "policy_id": str},
        _equal("organization_id", "status", "effect"),
        hidden=frozenset({"after_priority", "after_effect"}),
    ),
    documents=frozenset({"document"}),
)
CAMPAIGNS: Final = _listing(
    "campaigns",
    {"campaign_id": str},
    _equal("status", "set_id")
    | {
        "pool_id": """exists (
            select from campaign_pools i
            where i.campaign_id = listed.campaign_id and i.pool_id = %(pool_id)s and i.removed_at is null
        )""",
        "organization_id": """exists (
            select from campaign_pools i
            join resource_pools p on p.pool_id = i.pool_id
            where i.campaign_id = listed.campaign_id and p.organization_id = %(organization_id)s and i.removed_at is null
        )""",
        # Only together with the organization: nobody learns of another's pool that it is in the same campaign.
        "own_pool_id": """exists (
            select from campaign_pools i
            join resource_pools p on p.pool_id = i.pool_id
            where i.campaign_id = listed.campaign_id and i.pool_id = %(own_pool_id)s
                and p.organization_id = %(organization_id)s and i.removed_at is null
        )""",
    },
)
USAGE: Final = _listing(
    "usage",
    {"occurred_at": datetime, "pool_id": str, "pool_version": int, "line": int, "part": int},
    _equal("organization_id", "pool_id", "resource_key", "subject_id", "mode", "bearer")
    | {"customer_id": _POOLS_EVER_OF_CUSTOMER}
    | _time("occurred_at"),
    descends=True,
    bounds={"within_unit": _CUSTOMERS_WITHIN},
)
API_KEYS: Final = _listing(
    "api_keys",
    {"created_at": datetime, "key_id": str},
    _equal("organization_id", "status", "unit_id"),
    descends=True,
)
