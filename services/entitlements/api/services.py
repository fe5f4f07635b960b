"""What every route needs: opened once for each worker, closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, Final, TypeVar

import orjson
import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout
from starlette.requests import Request
from starlette.responses import Response

from entitlements.access.caching.documents import facts_of
from entitlements.access.caching.floors import Floors
from entitlements.access.caching.in_process import InProcess
from entitlements.access.judging import Parsed, parsed_views
from entitlements.access.log.writer import AccessLog
from entitlements.access.remembered import RememberedPolicies
from entitlements.access.sources import ViewSource
from entitlements.api import http_caching
from entitlements.api.apart import Apart
from entitlements.api.aside import Aside
from entitlements.api.auth import Knowing, RememberedOrganizations
from entitlements.api.catching_up import CatchingUp, Following, what_follows
from entitlements.api.connections import Streams
from entitlements.api.fanout import Fanout
from entitlements.api.following import Follower
from entitlements.api.gathering import Gathering
from entitlements.api.http_caching import Lifetimes
from entitlements.api.openapi.headers import IF_NONE_MATCH, require_taken
from entitlements.api.policies_in_force import PoliciesInForce
from entitlements.api.reaching import Latest, Reaching
from entitlements.api.units import Units
from entitlements.domain.commands import Command
from entitlements.errors import OutcomeUnknown, ServerIsAway
from entitlements.ledger.caller import Caller, Outcome, Sent
from entitlements.ledger.ends import TopicEnds
from entitlements.ledger.partitioning import partition_of
from entitlements.operations.lag import ProjectionLag
from entitlements.settings import Settings
from entitlements_client.deciding import CustomerView
from entitlements_projections.database import Connection
from entitlements_projections.positions import read_positions
from entitlements_projections.reading import access, offsets_unlike
from entitlements_projections.reading.views import pools_of_workspaces

T = TypeVar("T")
R = TypeVar("R")

#: Views that are parsed at once: some 50 us each.
VIEWS_AT_ONCE: Final = 50
#: Threads, and connections to Postgres, of one worker: what is asked of a server blocks there and not in the loop.
THREADS: Final = 16
#: Threads for lists: however many ask for filters that look through much, all others are answered meanwhile.
LIST_THREADS: Final = 4


@dataclass(kw_only=True)
class Services:
    """The servers and caches of one worker."""

    settings: Settings
    caller: Caller
    ends: TopicEnds
    database: ConnectionPool[Any]
    log_tables: ConnectionPool[Any]
    #: Before all caches, and what they are before: what became due a moment ago is read from there.
    views: ViewSource
    primary: ViewSource
    policies: RememberedPolicies
    authenticator: Knowing
    follower: Follower
    access_log: AccessLog
    lag: ProjectionLag
    #: Of each level of caching that is on, by its name.
    cache_counts: Mapping[str, Any]
    lifetimes: Lifetimes
    floors: Floors
    parsed_views: Parsed = field(default_factory=parsed_views)
    organizations: RememberedOrganizations = field(init=False)
    units: Units = field(init=False)
    gathering: Gathering = field(init=False)
    reaching: Reaching = field(init=False)
    in_force: PoliciesInForce = field(init=False)
    catching_up: CatchingUp = field(init=False)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "api"))
    computing: Apart = field(default_factory=Apart)
    deciding: Apart = field(default_factory=Apart)
    another_process: Aside = field(default_factory=Aside)
    streams: Streams = field(init=False)
    listing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(LIST_THREADS, "lists"))
    closing: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.streams = Streams(self.settings)
        self.in_force = PoliciesInForce(self.policies, self.in_thread, self.computing)
        self.organizations = RememberedOrganizations(self.settings.operator_organization, self._knows)
        self.units = Units(lambda *of: self.read(access.customers_in_unit, *of), self.catch_up)
        self.gathering = Gathering(
            lambda organization_id, those: self.in_thread(self.views.load, organization_id, those)
        )
        self.reaching = Reaching(lambda known: self.read(offsets_unlike, known))
        self.catching_up = CatchingUp(self.reach, Latest(self._ledger_ends), self._what_follows)

    @cached_property
    def fanout(self) -> Fanout:
        """Hands what happens to streams; made in the loop when the first one is asked for."""
        return Fanout(self.follower)

    async def views_of(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, CustomerView]:
        """What customers have. Raises NotReachedYet, ServerIsAway."""
        documents = await self.view_documents(organization_id, customer_ids, at_least)
        if len(documents) <= VIEWS_AT_ONCE:
            return self._parsed(organization_id, documents)
        parse = partial(self._parsed_of, organization_id)
        return dict(await self.in_slices(organization_id, parse, list(documents.items()), VIEWS_AT_ONCE))

    def view_at_hand(self, organization_id: str, customer_id: str, resource_key: str) -> CustomerView | None:
        """What a customer has, if this worker knows it well enough to tell of a key; None: ask views_of."""
        views = self.views
        if not isinstance(views, InProcess):
            return None
        document = views.peek(organization_id, customer_id, of_features=True)
        if document is None:
            return None
        view: CustomerView = self.parsed_views.of(organization_id, customer_id, document)
        entry = view.entitlements.get(resource_key)
        if entry is None or entry.is_feature or views.peek(organization_id, customer_id) is document:
            return view
        return None

    async def view_documents(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        """What customers have, as JSON documents. Raises NotReachedYet, ServerIsAway."""
        if len(customer_ids) == 1 and not at_least:
            return {customer_ids[0]: await self.gathering.one(organization_id, customer_ids[0])}
        await self.reach(at_least)
        return await self.in_thread(self.views.load, organization_id, customer_ids, at_least)

    async def fresh_views(self, organization_id: str, customer_ids: Sequence[str]) -> dict[str, CustomerView]:
        """What customers have by the read models at this moment. Raises ServerIsAway."""
        return self._parsed(organization_id, await self.in_thread(self.primary.load, organization_id, customer_ids))

    def _parsed(self, organization_id: str, documents: Mapping[str, bytes]) -> dict[str, CustomerView]:
        return dict(self._parsed_of(organization_id, list(documents.items())))

    def _parsed_of(
        self, organization_id: str, documents: Sequence[tuple[str, bytes]]
    ) -> list[tuple[str, CustomerView]]:
        return [(name, self.parsed_views.of(organization_id, name, each)) for name, each in documents]

    async def apart(self, organization_id: str, function: Callable[..., T], *arguments: Any) -> T:
        """Call what computes for long, organizations in turns (apart.py). Raises TooManyRequests."""
        return await self.computing.call(organization_id, function, *arguments)

    async def aside(self, organization_id: str, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function of aside.py in the process for it, organizations in turns. Raises TooManyRequests, ServerIsAway."""
        return await self.deciding.call(organization_id, self.another_process.call, function, *arguments)

    async def in_slices(
        self, organization_id: str, function: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], size: int
    ) -> list[R]:
        """Call what computes for long with so many items at once, so that others have their turns between. Raises TooManyRequests."""
        found: list[R] = []
        for start in range(0, len(items), size):
            found += await self.apart(organization_id, function, items[start : start + size])
        return found

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call what blocks. Raises ServerIsAway when Postgres is."""
        return await self._in(self.threads, function, *arguments)

    async def read_list(self, pool: ConnectionPool[Any], function: Callable[[Connection], T]) -> T:
        """Call what may look through much, with a connection, beside all others. Raises ServerIsAway."""

        def reading() -> T:
            with pool.connection() as connection:
                return function(connection)

        return await self._in(self.listing, reading)

    async def _in(self, executor: ThreadPoolExecutor, function: Callable[..., T], *arguments: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, function, *arguments)
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise ServerIsAway("Postgres.") from error

    async def reach(self, at_least: Mapping[int, int] | None, within_for: float | None = None) -> None:
        """Wait until the tables know the ledger up to an offset of each partition. Raises NotReachedYet, ServerIsAway.

        Here and not in a thread: who waits in vain, for whatever a caller made up, must take nothing from all others.
        """
        if at_least:
            await self.reaching.wait(at_least, within_for or self.settings.answer_timeout_for)

    async def read(self, function: Callable[..., T], *arguments: Any, at_least: Mapping[int, int] | None = None) -> T:
        """Call what reads the tables, with a connection before its arguments. Raises ServerIsAway, NotReachedYet.

        at_least: by partition the offset of the ledger that the tables must know first.
        """
        await self.reach(at_least)

        def reading() -> T:
            with self.database.connection() as connection:
                return function(connection, *arguments)

        return await self.in_thread(reading)

    async def pools_of(
        self,
        organization_id: str,
        customers: Collection[str],
        at_least: Mapping[int, int] | None = None,
        catch_up: Callable[[], Awaitable[None]] | None = None,
    ) -> dict[str, list[tuple[str, bool]]]:
        """The organization's pools of each customer in their order, and whether usage may go on from each.

        A customer that is not known is one only after the read models have all that was decided until now. Raises ServerIsAway: they have
        not. catch_up: waits for that, where several look for customers at the same moment.
        """
        found = await self.read(_pools, organization_id, customers, at_least=at_least)
        missing = [customer_id for customer_id in customers if customer_id not in found]
        if missing:
            await (catch_up or self.catch_up)()
            found |= await self.read(_pools, organization_id, missing)
        return found

    async def catch_up(self) -> None:
        """Wait until the read models have all that was decided until now: for what they do not know, and may in a moment.

        Raises ServerIsAway: they have not, so nobody can say that there is no such thing.
        """
        await self.catching_up.wait()

    async def _ledger_ends(self) -> dict[int, int]:
        return await self.in_thread(self.ends.of, "ledger", range(self.settings.partitions))

    async def _what_follows(self) -> Following:
        ends = await self._ledger_ends()  # Before the positions: what is read meanwhile is not behind.
        return await self.in_thread(what_follows, self.settings, await self.read(read_positions), ends)

    async def _knows(self, organization_id: str) -> bool:
        if await self.read(access.organization_is_known, organization_id):
            return True
        await self.catch_up()
        return await self.read(access.organization_is_known, organization_id)

    async def pool_with(
        self, find: Callable[[Connection, Sequence[str], str], str | None], pool_ids: Sequence[str], id: str
    ) -> str | None:
        """Which of the pools has something under an id, by all that is in the ledger now; None: none of them. Raises ServerIsAway."""
        await self.catch_up_with(pool_ids)
        return await self.read(find, pool_ids, id)

    async def catch_up_with(self, pool_ids: Collection[str]) -> None:
        """Wait until the read models have all that was decided of some pools until now. Raises as catch_up does."""
        await self.catching_up.wait({partition_of(pool_id, self.settings.partitions) for pool_id in pool_ids})

    def cacheable(self, request: Request, document: bytes, organization_id: str, customer_id: str) -> Response:
        """The answer with a view, as caches may keep it; 304 where whoever asks has it already."""
        said = orjson.loads(document)
        is_old = not self.floors.admits(organization_id, customer_id, facts_of(document).position)
        headers = http_caching.headers_of(
            said,
            self.lifetimes,
            now=datetime.now(UTC),
            is_known_to_be_old=is_old,
            news_are_late=not self.floors.is_current,
        )
        require_taken(request.scope, IF_NONE_MATCH)
        if http_caching.is_not_modified(request.headers.get("if-none-match"), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(document, headers=headers, media_type="application/json")

    async def do(self, command: Command, partition: int | None = None) -> Outcome:
        """Send a command and wait for its outcome. Raises OutcomeUnknown, CommandIsTooLarge, NotEncodable."""
        future = self.caller.send(command, partition=partition)
        try:
            async with asyncio.timeout(self.settings.answer_timeout_for):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            self.caller.forget(command)
            raise OutcomeUnknown from None

    async def post(self, command: Command, partition: int | None = None) -> Sent:
        """Send a command and wait only until it is in the log. Raises as do."""
        try:
            async with asyncio.timeout(self.settings.answer_timeout_for):
                return await asyncio.wrap_future(self.caller.post(command, partition=partition))
        except TimeoutError:
            raise OutcomeUnknown from None

    def close(self) -> None:
        """Close what was opened."""
        self.closing.close()
        for executor in (self.threads, self.listing):
            executor.shutdown(wait=False, cancel_futures=True)
        self.computing.close()
        self.deciding.close()
        self.another_process.close()


def _pools(
    connection: Connection, organization_id: str, customers: Collection[str]
) -> dict[str, list[tuple[str, bool]]]:
    found: dict[str, list[tuple[str, bool]]] = {}
    for row in pools_of_workspaces(connection, organization_id, sorted(customers)):
        found.setdefault(row["workspace_id"], []).append((row["pool_id"], bool(row["may_overflow"])))
    return found
