"""The pools of customers, which usage asks in turn: from memory, as long as nothing was heard that moves a customer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import orjson

from entitlements.access.caching.in_process import InProcess
from entitlements.access.judging import Parsed, parsed_pools, pools_in
from entitlements.access.sources import ViewSource
from entitlements.api.gathering import Gathering

#: In their order, each with whether usage may go on from it.
Those: TypeAlias = list[tuple[str, bool]]


class CustomerPools:
    """For one event loop."""

    def __init__(
        self,
        pools: InProcess | None,
        views: ViewSource,
        cache_size: int,
        load: Callable[..., Awaitable[dict[str, bytes]]],
    ) -> None:
        """pools: customer_pools.PostgresPools in memory; None: memory is off. views: what may have them, too. load: calls what blocks, for an
        organization.
        """
        # One for each kind of document: of a customer who has both each is parsed once.
        self._places: list[tuple[InProcess, Parsed]] = [
            (source, parsed_pools(cache_size)) for source in (pools, views) if isinstance(source, InProcess)
        ]
        self._gathering: Gathering | None = None
        self._gathering_newest: Gathering | None = None
        if pools is not None:
            self._gathering = Gathering(
                lambda organization_id, those: load(organization_id, pools.load, organization_id, those)
            )
            self._gathering_newest = Gathering(
                lambda organization_id, those: load(organization_id, pools.source.load, organization_id, those)
            )

    def at_hand(self, organization_id: str, customer_id: str) -> Those:
        """The pools of a customer if this worker knows them; what changed a moment ago may not be in it. Empty: ask `read`."""
        for source, parsed in self._places:
            document = source.peek(organization_id, customer_id, of_features=True)
            if document is not None:
                pools: Those = parsed.of(organization_id, customer_id, document)
                return pools
        return []

    async def read(self, organization_id: str, customer_id: str) -> Those:
        """The pools of a customer by the read models at this moment; they are kept. Empty: they know none, or memory is off.

        Raises ServerIsAway.
        """
        if self._gathering is None:
            return []
        document = await self._gathering.one(organization_id, customer_id)
        pools: Those = self._places[0][1].of(organization_id, customer_id, document)
        return pools

    async def newest(self, organization_id: str, customer_id: str) -> Those:
        """As read, whatever is remembered; nothing is kept."""
        if self._gathering_newest is None:
            return []
        return pools_in(orjson.loads(await self._gathering_newest.one(organization_id, customer_id)))
