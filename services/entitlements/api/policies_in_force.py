"""The policies that organizations have now, compiled once for each worker, beside the loop that answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from entitlements.access.judging import parsed_policies
from entitlements.access.remembered import RememberedPolicies
from entitlements.api.turns import Turns
from entitlements_client.deciding import PolicySet

#: Policies that take longer to compile, in seconds, are compiled again only after a rest of so many times as long, in seconds at most:
#: whoever changes many again and again waits for that, and takes little from others.
COMPILED_WITHIN_FOR: Final = 0.02
REST: Final = 5.0
REST_FOR_MAX: Final = 2.0


class Policies(NamedTuple):
    """The policies of an organization."""

    compiled: PolicySet
    #: What they were compiled of.
    document: bytes


class PoliciesInForce:
    """For one event loop. in_thread: calls what blocks for an organization."""

    def __init__(
        self, remembered: RememberedPolicies, in_thread: Callable[..., Awaitable[Any]], computing: Turns
    ) -> None:
        self._remembered, self._in_thread, self._computing = remembered, in_thread, computing
        self._parsed = parsed_policies()
        self._again_at: dict[str, float] = {}

    def at_hand(self, organization_id: str) -> Policies | None:
        """The policies of an organization, if this worker knows them and they are compiled; None: ask `of`."""
        document = self._remembered.peek(organization_id)
        if document is None:
            return None
        known: PolicySet | None = self._parsed.peek(organization_id, "", document)
        return None if known is None else Policies(known, document)

    async def of(self, organization_id: str, *, anew: bool = False) -> Policies:
        """The policies of an organization; anew: as they are now, whatever is remembered. Raises ServerIsAway, TooManyRequests."""
        if anew:
            self._remembered.forget(organization_id)
        document = self._remembered.peek(organization_id)
        if document is None:
            document = await self._in_thread(organization_id, self._remembered.load, organization_id)
        known: PolicySet | None = self._parsed.peek(organization_id, "", document)
        return Policies(known or await self._compiled(organization_id, document), document)

    async def _compiled(self, organization_id: str, document: bytes) -> PolicySet:
        rest_for = self._again_at.get(organization_id, 0.0) - time.monotonic()
        if rest_for > 0:
            await asyncio.sleep(rest_for)
        began_at = time.monotonic()
        compiled: PolicySet = await self._computing.call(
            organization_id, self._parsed.of, organization_id, "", document
        )
        took_for = time.monotonic() - began_at
        self._again_at.pop(organization_id, None)
        if took_for > COMPILED_WITHIN_FOR:
            self._again_at[organization_id] = time.monotonic() + min(took_for * REST, REST_FOR_MAX)
        return compiled
