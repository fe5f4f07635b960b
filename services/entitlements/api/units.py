"""Which customers a key that is bound to a unit may ask and record for: those in the unit, and in the units below it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Final

from entitlements.api.auth.errors import OutsideUnit
from entitlements.api.identity import Identity

#: Seconds for which a customer that lies in a unit is taken to do so: as long as a revoked key is honoured as a rule.
KNOWN_FOR: Final = 2.0
REMEMBERED_MAX: Final = 100_000

#: Organization, unit and customers: which of them lie there.
Look = Callable[[str, str, Collection[str]], Awaitable[set[str]]]


class Units:
    """For one event loop. Customers that lie in a unit are remembered for KNOWN_FOR seconds; of others it is looked each time."""

    def __init__(
        self, look: Look, catch_up: Callable[[], Awaitable[None]], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """catch_up: waits until what is looked at has all that was decided until now."""
        self._look, self._catch_up, self._monotonic = look, catch_up, monotonic
        #: By organization, unit and customer: until when it is taken to lie there.
        self._inside: dict[tuple[str, str, str], float] = {}

    async def require(self, identity: Identity, customer_ids: Iterable[str]) -> None:
        """Whether the key may ask and record for all of these customers. Raises OutsideUnit, ServerIsAway."""
        wanted = set(customer_ids)
        if identity.unit_id and wanted - await self.allowed(identity, wanted):
            raise OutsideUnit

    async def allowed(self, identity: Identity, customer_ids: Collection[str]) -> set[str]:
        """Which of the customers lie in the key's unit, by all that was decided until now. Raises ServerIsAway."""
        found = await self.inside(identity, customer_ids)
        if len(found) < len(set(customer_ids)):
            # One of them may have been placed a moment ago.
            await self._catch_up()
            found = await self.inside(identity, customer_ids)
        return found

    async def inside(self, identity: Identity, customer_ids: Collection[str]) -> set[str]:
        """Which of the customers lie in the key's unit, as far as the read models know. Raises ServerIsAway."""
        organization_id, unit_id = identity.organization_id, identity.unit_id
        now = self._monotonic()
        found = {each for each in customer_ids if self._inside.get((organization_id, unit_id, each), now) > now}
        unknown = set(customer_ids) - found
        if unknown:
            lie_there = await self._look(organization_id, unit_id, unknown)
            if len(self._inside) + len(lie_there) > REMEMBERED_MAX:
                self._inside.clear()
            self._inside |= {(organization_id, unit_id, each): now + KNOWN_FOR for each in lie_there}
            found |= lie_there
        return found
