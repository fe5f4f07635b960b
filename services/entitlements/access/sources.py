"""Where the views of customers and the policies of organizations come from: Postgres, a replica, or a cache before one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class ViewSource(Protocol):
    """Tells what customers have. Every level of caching is one, and wraps another."""

    def load(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        """The views of customers as JSON documents (entitlements_client.deciding.view), by customer. Blocks: call it in a thread.

        A customer without pools has a view without entitlements. at_least: by partition of the ledger the offset that must be
        included. Raises NotReachedYet, ServerIsAway.
        """
        ...


class PolicySource(Protocol):
    """Tells the policies of an organization."""

    def load(self, organization_id: str) -> bytes:
        """The policies as a JSON document (entitlements_client.deciding.policies). Blocks. Raises ServerIsAway."""
        ...
