"""What customers have: loaded beside the loop that answers, many in slices, so that nobody's many keep others waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from entitlements.access.caching.in_process import InProcess
from entitlements.access.judging import parsed_views
from entitlements.access.sources import ViewSource
from entitlements.api.gathering import Gathering
from entitlements.api.turns import Turns, slices
from entitlements_client.deciding import CustomerView

#: Views that are parsed at once: some 50 us each; and bytes of views that are parsed in the loop: a millisecond.
VIEWS_AT_ONCE: Final = 50
VIEW_BYTES_AT_ONCE: Final = 64 * 1024
#: Customers that are loaded at once, some 100 us each. Larger requests take turns,
#: and hold the views of only so many at a time.
CUSTOMERS_AT_ONCE: Final = 500

#: Calls what blocks: for an organization, what and with what. Raises ServerIsAway.
Blocking = Callable[..., Awaitable[dict[str, bytes]]]


class CustomerViews:
    """For one event loop."""

    def __init__(
        self,
        source: ViewSource,
        primary: ViewSource,
        cache_size: int,
        computing: Turns,
        *,
        load_few: Blocking,
        load_many: Blocking,
        reach: Callable[[Mapping[int, int] | None], Awaitable[None]],
    ) -> None:
        """source: through all caches. primary: Postgres itself, past them: what became due a moment ago is read from there.

        cache_size: customers whose views are kept parsed, too.
        """
        self._source, self._primary, self._computing = source, primary, computing
        self._parsed = parsed_views(cache_size)
        self._load_few, self._load_many, self._reach = load_few, load_many, reach
        self._gathering = Gathering(
            lambda organization_id, those: load_few(organization_id, source.load, organization_id, those)
        )

    async def of(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, CustomerView]:
        """What customers have. Of many ask for CUSTOMERS_AT_ONCE at a time. Raises NotReachedYet, ServerIsAway, TooManyRequests."""
        documents = list((await self.documents(organization_id, customer_ids, at_least)).items())
        return await self._parsed_of(organization_id, documents)

    async def _parsed_of(self, organization_id: str, documents: Sequence[tuple[str, bytes]]) -> dict[str, CustomerView]:
        if sum(len(document) for _, document in documents) <= VIEW_BYTES_AT_ONCE:
            return self._parse(organization_id, documents)
        found: dict[str, CustomerView] = {}
        for part in slices(documents, VIEWS_AT_ONCE):
            found |= await self._computing.call(organization_id, self._parse, organization_id, part)
        return found

    def at_hand(self, organization_id: str, customer_id: str, resource_key: str) -> CustomerView | None:
        """What a customer has, if this worker knows it well enough to tell of a key; None: ask `of`."""
        source = self._source
        if not isinstance(source, InProcess):
            return None
        document = source.peek(organization_id, customer_id, of_features=True)
        if document is None:
            return None
        view: CustomerView | None = self._parsed.peek(organization_id, customer_id, document)
        if view is None:
            if len(document) > VIEW_BYTES_AT_ONCE:
                return None
            view = self._parsed.of(organization_id, customer_id, document)
        entry = view.entitlements.get(resource_key)
        if entry is None or entry.is_feature or source.peek(organization_id, customer_id) is document:
            return view
        return None

    async def documents(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        """What customers have, as JSON documents. Raises NotReachedYet, ServerIsAway."""
        if len(customer_ids) == 1 and not at_least:
            return {customer_ids[0]: await self._gathering.one(organization_id, customer_ids[0])}
        await self._reach(at_least)
        found: dict[str, bytes] = {}
        load = self._load_few if len(customer_ids) <= VIEWS_AT_ONCE else self._load_many
        for part in slices(customer_ids, CUSTOMERS_AT_ONCE):
            found |= await load(organization_id, self._source.load, organization_id, part, at_least)
        return found

    async def newest(self, organization_id: str, customer_id: str) -> dict[str, CustomerView]:
        """What a customer has by the read models at this moment. Raises ServerIsAway."""
        loaded = await self._load_few(organization_id, self._primary.load, organization_id, [customer_id])
        return await self._parsed_of(organization_id, list(loaded.items()))

    def _parse(self, organization_id: str, documents: Sequence[tuple[str, bytes]]) -> dict[str, CustomerView]:
        return {name: self._parsed.of(organization_id, name, each) for name, each in documents}
