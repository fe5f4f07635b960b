"""The pools of customers, which usage asks in turn: all that usage needs of a view, and a tenth of its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from entitlements.access.caching.documents import exactly, position_to_text
from entitlements.access.views import Connections
from entitlements_projections import reading
from entitlements_projections.positions import read_offsets
from entitlements_projections.reading.views import pools_of_workspaces


class PostgresPools:
    """A ViewSource whose views say of which position they are and name the pools, in their order, and nothing else."""

    def __init__(self, connections: Connections, wait_for: float = 5.0) -> None:
        """wait_for: seconds that a position may be waited for."""
        self._connections, self._wait_for = connections, wait_for

    def load(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        """The pools of customers. Raises NotReachedYet, psycopg.OperationalError."""
        pools: dict[str, list[dict[str, Any]]] = {customer_id: [] for customer_id in customer_ids}
        with self._connections() as connection:
            reading.wait_for_all(connection, at_least or {}, self._wait_for)
            position = read_offsets(connection)  # Before the pools, which may be newer than it says.
            for row in pools_of_workspaces(connection, organization_id, customer_ids):
                pools[row["workspace_id"]].append({"pool_id": row["pool_id"], "may_overflow": row["may_overflow"]})
        as_of = {"position": position_to_text(position)}
        return {name: exactly({"as_of": as_of, "pools": those}) for name, those in pools.items()}
