"""Which organizations there are, for requests of a key that acts for another than its own.

An organization never ends, so one that is known is remembered. One that is not known is looked for by all that is in the ledger at
that moment: whoever has just opened its first pool is not told that there is no such organization.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

#: Organizations remembered; some 200 bytes each. Those that were looked up first are forgotten.
REMEMBERED_MAX: Final = 100_000


class Organizations(Protocol):
    """Tells organizations that there are."""

    #: The organization of whoever runs the installation.
    operator: str

    def is_remembered(self, organization_id: str) -> bool:
        """Whether there is one, as far as that is known without looking."""
        ...

    async def find(self, organization_id: str) -> bool:
        """Whether there is one. Raises ServerIsAway."""
        ...


class RememberedOrganizations:
    """For one event loop. look: whether there is an organization, by all that was decided until now."""

    def __init__(self, operator: str, look: Callable[[str], Awaitable[bool]]) -> None:
        self.operator = operator
        self._look = look
        self._remembered: dict[str, None] = {}

    def is_remembered(self, organization_id: str) -> bool:
        """As Organizations says."""
        return organization_id in self._remembered

    async def find(self, organization_id: str) -> bool:
        """As Organizations says."""
        if organization_id in self._remembered:
            return True
        if not await self._look(organization_id):
            return False
        if len(self._remembered) >= REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[organization_id] = None
        return True
