"""The policies of organizations from Postgres: what the service, its caches and its clients decide by."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import orjson

from entitlements_projections.reading import access

if TYPE_CHECKING:
    from entitlements_projections.database import Connection


class PostgresPolicies:
    """Policies read from the read model access_policies (a PolicySource).

    connections: how a connection is borrowed; `psycopg_pool.ConnectionPool.connection` is one.
    """

    def __init__(self, connections: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._connections = connections

    def load(self, organization_id: str) -> bytes:
        """The policies as JSON (entitlements_client.deciding.policies); the same policies are the same bytes.

        An organization without any, or that nobody knows, has none and version 0. Raises psycopg.OperationalError.
        """
        with self._connections() as connection:
            found = access.policies_in_force(connection, organization_id)
        return orjson.dumps(
            {
                "organization_id": organization_id,
                "version": found.version,
                "policies": [orjson.Fragment(document) for document in found.documents],
                "metered_keys": found.metered_keys,
                "keys": found.keys,
            },
            option=orjson.OPT_SORT_KEYS,
        )
