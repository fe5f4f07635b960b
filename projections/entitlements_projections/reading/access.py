"""Who may ask, and by which policies it is decided: what the service and the CLI need to know of API keys and access policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    """The API keys of an organization, the newest first, without their hashes."""
    return _all(connection, "api_keys_of", {"organization_id": organization_id})


def _all(connection: Connection, name: str, parameters: dict[str, str]) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement("reading", name), parameters).fetchall()
