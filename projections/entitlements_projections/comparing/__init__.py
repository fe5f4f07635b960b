"""Are two schemas the same, row by row?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql
from psycopg.rows import dict_row

from entitlements_projections.statements import statement

if TYPE_CHECKING:
    from entitlements_projections.database import Connection, Row

#: The tables that hold facts of the ledger. Positions are no facts: a rebuild may stand elsewhere in a rival's branch.
TABLES: Final = (
    "resource_keys",
    "plan_ladders",
    "entitlement_sets",
    "entitlement_set_rules",
    "resource_pools",
    "pool_provisions",
    "pool_provision_ladders",
    "grants",
    "pool_assignments",
    "pool_ondemand_config",
    "boolean_entitlements",
    "numeric_entitlements",
    "numeric_entitlement_contributions",
    "numeric_entitlement_usage",
    "usage_events",
    "pool_overrides",
    "member_caps",
    "pool_reservations",
    "limit_holders",
    "organization_units",
    "organization_workspaces",
    "unit_assignments",
    "unit_workspace_pools",
    "organization_members",
    "access_policies",
    "api_keys",
    "campaigns",
    "campaign_pools",
    "entitlement_set_parents",
    "resource_key_parents",
)
#: Rows of each kind that a report shows of each table.
SAMPLES_MAX: Final = 5


@dataclass(frozen=True, kw_only=True)
class TableComparison:
    """What differs between a live and a rebuilt table."""

    table: str
    #: Rows of the rebuilt table.
    rows: int
    #: How many rows are only in the live table, and how many only in the rebuilt one. A changed row is one of each.
    only_live: int
    only_rebuilt: int
    #: Some of them, as dicts.
    live_samples: list[Row] = field(default_factory=list)
    rebuilt_samples: list[Row] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether the tables hold the same rows."""
        return not self.only_live and not self.only_rebuilt


def compare(connection: Connection, live: str, rebuilt: str) -> list[TableComparison]:
    """Compare every table of two schemas. Run it in a transaction that sees one moment."""
    return [_compare_table(connection, table, live, rebuilt) for table in TABLES]


def _compare_table(connection: Connection, table: str, live: str, rebuilt: str) -> TableComparison:
    only_live, live_samples = _missing(connection, table, live, rebuilt)
    only_rebuilt, rebuilt_samples = _missing(connection, table, rebuilt, live)
    count = sql.SQL("select count(*) from {}").format(sql.Identifier(rebuilt, table))
    (rows,) = connection.execute(count).fetchone() or (0,)
    return TableComparison(
        table=table,
        rows=rows,
        only_live=only_live,
        only_rebuilt=only_rebuilt,
        live_samples=live_samples,
        rebuilt_samples=rebuilt_samples,
    )


def _missing(connection: Connection, table: str, here: str, there: str) -> tuple[int, list[Row]]:
    """How many rows are here and not there, and some of them."""
    query = sql.SQL(statement("comparing", "missing").decode()).format(
        here=sql.Identifier(here, table), there=sql.Identifier(there, table), samples=sql.Literal(SAMPLES_MAX)
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        found: list[dict[str, Any]] = cursor.execute(query).fetchall()
    return (found[0]["missing_rows"] if found else 0), [
        {name: value for name, value in row.items() if name != "missing_rows"} for row in found
    ]
