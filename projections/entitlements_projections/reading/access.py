"""Who may ask, and by which policies it is decided: what the service and the CLI need to know of API keys and access policies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from entitlements_projections.statements import statement

if TYPE_CHECKING:
    from entitlements_projections.database import Connection, Row


@dataclass(frozen=True, kw_only=True)
class PoliciesInForce:
    """What an organization decides by. documents: the policies that count, as JSON."""

    #: Version of the policies together; 0: there never was one.
    version: int
    documents: list[str]
    #: Keys that are numbers, which no policy grants; empty where no policy grants anything.
    metered_keys: list[str]
    #: The type of every key that is defined: "boolean" or "integer".
    keys: dict[str, str]


def policies_in_force(connection: Connection, organization_id: str) -> PoliciesInForce:
    """The policies that count, in one moment."""
    (row,) = _all(connection, "policies_in_force", {"organization_id": organization_id})
    return PoliciesInForce(
        version=row["version"],
        documents=row["documents"] or [],
        metered_keys=row["metered_keys"] or [],
        keys=row["keys"] or {},
    )


def access_policies(connection: Connection, organization_id: str) -> list[Row]:
    """All policies of an organization, those that are retired too: who wins comes first."""
    return _all(connection, "access_policies", {"organization_id": organization_id})


def key_of(connection: Connection, key_id: str) -> Row | None:
    """An API key: organization_id, secret_sha256, scopes, expires_at, revoked_at, ..; None: there is none of this id.

    Whether it counts is for the caller to say: it does not from expires_at and from revoked_at on.
    """
    return next(iter(_all(connection, "key_of", {"key_id": key_id})), None)


def api_keys_of(connection: Connection, organization_id: str) -> list[Row]:
    """The API keys of an organization, the newest first, without their hashes. act_for: "all", or the organizations."""
    rows = _all(connection, "api_keys_of", {"organization_id": organization_id})
    return [row | {"act_for": "all" if row.pop("acts_for_all") else row["act_for"]} for row in rows]


def organization_is_known(connection: Connection, organization_id: str) -> bool:
    """Whether there is an organization: its first pool brings it into being, or whatever else was decided about it."""
    (row,) = _all(connection, "organization_is_known", {"organization_id": organization_id})
    return bool(row["is_known"])


def count_pools(connection: Connection, organization_id: str, at_most: int) -> int:
    """How many pools an organization has, closed ones included; counted no further than asked."""
    (row,) = _all(connection, "count_pools", {"organization_id": organization_id, "at_most": at_most})
    return int(row["count"])


def customers_in_unit(
    connection: Connection, organization_id: str, unit_id: str, customer_ids: Iterable[str]
) -> set[str]:
    """Which of these customers lie in a unit of the organization, or in a unit below it."""
    parameters = {"organization_id": organization_id, "unit_id": unit_id, "customer_ids": list(customer_ids)}
    return {row["workspace_id"] for row in _all(connection, "customers_in_unit", parameters)}


def customer_of_reservation(connection: Connection, pool_id: str, reservation_id: str) -> str | None:
    """For which customer something was reserved in a pool; empty: for nobody in particular; None: there is no such reservation."""
    rows = _all(connection, "customer_of_reservation", {"pool_id": pool_id, "reservation_id": reservation_id})
    return rows[0]["workspace_id"] if rows else None


def _all(connection: Connection, name: str, parameters: dict[str, Any]) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement("reading", name), parameters).fetchall()
