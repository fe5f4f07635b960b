"""How many pools an organization may open. Counted in the read models and remembered for a moment, so not to the pool: each worker may let
through what was opened at the others meanwhile. No aggregate has all pools of an organization, so none could decide it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from entitlements.api.auth.errors import TooManyPoolsOfOrganization
from entitlements_projections.reading import organization_of_pool
from entitlements_projections.reading.access import count_pools

#: Seconds for which a count is remembered.
COUNTED_FOR: Final = 10.0
#: Organizations of which it is.
_REMEMBERED_MAX: Final = 10_000


class PoolCounts:
    """For one event loop. read: calls what reads the tables for an organization (Services.read)."""

    def __init__(
        self, pools_max: int, read: Callable[..., Awaitable[Any]], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._pools_max, self._read, self._monotonic = pools_max, read, monotonic
        #: When it was counted, and how many there were with those that were opened here since.
        self._known: dict[str, tuple[float, int]] = {}

    async def take_one(self, organization_id: str, pool_id: str) -> None:
        """A pool is to be opened; one that is there may be again. Raises TooManyPoolsOfOrganization, ServerIsAway."""
        counted_at, count = self._known.get(organization_id, (float("-inf"), 0))
        if self._monotonic() - counted_at > COUNTED_FOR:
            counted_at = self._monotonic()
            count = await self._read(organization_id, count_pools, organization_id, self._pools_max)
        if count >= self._pools_max:
            if await self._read(organization_id, organization_of_pool, pool_id) != organization_id:
                raise TooManyPoolsOfOrganization(self._pools_max)
            count -= 1  # It is there already.
        if len(self._known) >= _REMEMBERED_MAX:
            self._known = {}
        self._known[organization_id] = counted_at, count + 1
