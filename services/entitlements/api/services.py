"""What every route needs: opened once for each worker, closed at its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
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
from entitlements.access.log.writer import AccessLog
from entitlements.access.remembered import RememberedPolicies
from entitlements.access.sources import ViewSource
from entitlements.api import http_caching
from entitlements.api.aside import AT_ONCE as DECIDING_AT_ONCE
from entitlements.api.aside import Aside
from entitlements.api.auth import Knowing, RememberedOrganizations
from entitlements.api.catching_up import CatchingUp, Following, what_follows
from entitlements.api.commanding import Commanding
from entitlements.api.connections import Streams
from entitlements.api.customer_pools import CustomerPools
from entitlements.api.fanout import Fanout
from entitlements.api.following import Follower
from entitlements.api.http_caching import Lifetimes
from entitlements.api.openapi.headers import IF_NONE_MATCH, require_taken
from entitlements.api.policies_in_force import PoliciesInForce
from entitlements.api.pool_counts import PoolCounts
from entitlements.api.reaching import Latest, Reaching
from entitlements.api.turns import WAITING_MAX, Turns, slices
from entitlements.api.units import Units
from entitlements.api.views import CUSTOMERS_AT_ONCE, CustomerViews
from entitlements.api.windows import Windows
from entitlements.domain.commands import Command
from entitlements.errors import ServerIsAway
from entitlements.ledger.caller import Caller, Outcome, Sent
from entitlements.ledger.ends import TopicEnds
from entitlements.ledger.partitioning import partition_of
from entitlements.operations.lag import ProjectionLag
from entitlements.settings import Settings
from entitlements_projections.database import Connection
from entitlements_projections.positions import read_positions
from entitlements_projections.reading import access, offsets_unlike
from entitlements_projections.reading.views import pools_of_workspaces

T = TypeVar("T")
R = TypeVar("R")

#: Threads, and connections to Postgres, of one worker: what is asked of a server blocks there and not in the loop.
THREADS: Final = 16
#: Threads for lists: however many ask for filters that look through much, all others are answered meanwhile.
LIST_THREADS: Final = 4
#: Threads for the views of many customers. To make them is computing: with more threads the loop would have less of the interpreter.
LOAD_THREADS: Final = 2
#: Threads that compute, one of an organization at most: what one has that cannot be cut leaves the other to all others.
COMPUTE_THREADS: Final = 2
#: Whose turns what all organizations need takes, and whose the look-ups of organizations that there may not be. No organization has these ids.
_SHARED, _UNKNOWN = "", "\0"


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
    #: The pools of customers in memory, if that is on.
    pools: InProcess | None
    policies: RememberedPolicies
    authenticator: Knowing
    follower: Follower
    access_log: AccessLog
    lag: ProjectionLag
    #: Of each level of caching that is on, by its name.
    cache_counts: Mapping[str, Any]
    lifetimes: Lifetimes
    floors: Floors
    organizations: RememberedOrganizations = field(init=False)
    units: Units = field(init=False)
    pool_counts: PoolCounts = field(init=False)
    customer_views: CustomerViews = field(init=False)
    reaching: Reaching = field(init=False)
    in_force: PoliciesInForce = field(init=False)
    catching_up: CatchingUp = field(init=False)
    threads: Turns = field(default_factory=lambda: Turns("api", THREADS))
    listing: Turns = field(default_factory=lambda: Turns("lists", LIST_THREADS))
    loading: Turns = field(default_factory=lambda: Turns("loading", LOAD_THREADS))
    computing: Turns = field(default_factory=lambda: Turns("computing", COMPUTE_THREADS, WAITING_MAX, of_one=1))
    deciding: Turns = field(default_factory=lambda: Turns("deciding", DECIDING_AT_ONCE, WAITING_MAX, of_one=1))
    windows: Windows = field(default_factory=Windows)
    another_process: Aside = field(default_factory=Aside)
    streams: Streams = field(init=False)
    commanding: Commanding = field(init=False)
    closing: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.streams = Streams(self.settings)
        self.commanding = Commanding(self.caller, self.settings)
        self.in_force = PoliciesInForce(self.policies, self.in_thread, self.computing)
        self.organizations = RememberedOrganizations(self.settings.operator_organization, self._knows)
        self.units = Units(self._in_unit, self.catch_up)
        self.pool_counts = PoolCounts(self.settings.organization_pools_max, self.read)
        self.customer_views = CustomerViews(
            self.views,
            self.primary,
            self.settings.cache_size,
            self.computing,
            load_few=self.in_thread,
            load_many=partial(self._in, self.loading),
            reach=self.reach,
        )
        self.customer_pools = CustomerPools(self.pools, self.views, self.settings.cache_size, self.in_thread)
        self.reaching = Reaching(lambda known: self.read(_SHARED, offsets_unlike, known))
        self.catching_up = CatchingUp(self.reach, Latest(self._ledger_ends), self._what_follows)

    @cached_property
    def fanout(self) -> Fanout:
        """Hands what happens to streams; made in the loop when the first one is asked for."""
        return Fanout(self.follower)

    async def compute(self, organization_id: str, function: Callable[..., T], *arguments: Any) -> T:
        """Call what computes for long, organizations in turns. Raises TooManyRequests."""
        return await self.computing.call(organization_id, function, *arguments)

    async def aside(self, organization_id: str, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function of aside.py in the process for it, organizations in turns. Raises TooManyRequests, ServerIsAway."""
        return await self.deciding.call(organization_id, self.another_process.call, function, *arguments)

    async def in_thread(self, organization_id: str, function: Callable[..., T], *arguments: Any) -> T:
        """Call what blocks, organizations in turns. Raises ServerIsAway when Postgres is."""
        return await self._in(self.threads, organization_id, function, *arguments)

    async def read_list(
        self, organization_id: str, pool: ConnectionPool[Any], function: Callable[[Connection], T]
    ) -> T:
        """Call what may look through much, with a connection, beside all others. Raises ServerIsAway."""

        def reading() -> T:
            with pool.connection() as connection:
                return function(connection)

        return await self._in(self.listing, organization_id, reading)

    async def _in(self, turns: Turns, organization_id: str, function: Callable[..., T], *arguments: Any) -> T:
        try:
            return await turns.call(organization_id, function, *arguments)
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise ServerIsAway("Postgres.") from error

    async def reach(self, at_least: Mapping[int, int] | None, within_for: float | None = None) -> None:
        """Wait until the tables know the ledger up to an offset of each partition. Raises NotReachedYet, ServerIsAway.

        Here and not in a thread: who waits in vain, for whatever a caller made up, must take nothing from all others.
        """
        if at_least:
            await self.reaching.wait(at_least, within_for or self.settings.answer_timeout_for)

    async def read(
        self,
        organization_id: str,
        function: Callable[..., T],
        *arguments: Any,
        at_least: Mapping[int, int] | None = None,
    ) -> T:
        """Call what reads the tables, with a connection before its arguments. Raises ServerIsAway, NotReachedYet.

        at_least: by partition the offset of the ledger that the tables must know first.
        """
        await self.reach(at_least)

        def reading() -> T:
            with self.database.connection() as connection:
                return function(connection, *arguments)

        return await self.in_thread(organization_id, reading)

    async def read_many(
        self, organization_id: str, function: Callable[[Connection, Sequence[T]], R], items: Collection[T]
    ) -> list[R]:
        """Call what reads the tables about many, with some of them at once and a turn for each of these calls. Raises ServerIsAway."""
        return [await self.read(organization_id, function, part) for part in slices(list(items), CUSTOMERS_AT_ONCE)]

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
        await self.reach(at_least)
        found = await self._pools_of(organization_id, customers)
        missing = [customer_id for customer_id in customers if customer_id not in found]
        if missing:
            await (catch_up or self.catch_up)()
            found |= await self._pools_of(organization_id, missing)
        return found

    async def _pools_of(self, organization_id: str, customers: Collection[str]) -> dict[str, list[tuple[str, bool]]]:
        parts = await self.read_many(organization_id, partial(_pools, organization_id), sorted(customers))
        return {customer_id: pools for part in parts for customer_id, pools in part.items()}

    async def _in_unit(self, organization_id: str, unit_id: str, customers: Collection[str]) -> set[str]:
        def read(connection: Connection, part: Sequence[str]) -> set[str]:
            return access.customers_in_unit(connection, organization_id, unit_id, part)

        return set[str]().union(*await self.read_many(organization_id, read, customers))

    async def catch_up(self) -> None:
        """Wait until the read models have all that was decided until now: for what they do not know, and may in a moment.

        Raises ServerIsAway: they have not, so nobody can say that there is no such thing.
        """
        await self.catching_up.wait()

    async def _ledger_ends(self) -> dict[int, int]:
        return await self.in_thread(_SHARED, self.ends.of, "ledger", range(self.settings.partitions))

    async def _what_follows(self) -> Following:
        ends = await self._ledger_ends()  # Before the positions: what is read meanwhile is not behind.
        known = await self.read(_SHARED, read_positions)
        return await self.in_thread(_SHARED, what_follows, self.settings, known, ends)

    async def _knows(self, organization_id: str) -> bool:
        if await self.read(_UNKNOWN, access.organization_is_known, organization_id):
            return True
        await self.catch_up()
        return await self.read(_UNKNOWN, access.organization_is_known, organization_id)

    async def pool_with(
        self,
        organization_id: str,
        find: Callable[[Connection, Sequence[str], str], str | None],
        pool_ids: Sequence[str],
        id: str,
    ) -> str | None:
        """Which of the pools has something under an id, by all that is in the ledger now; None: none of them. Raises ServerIsAway."""
        await self.catch_up_with(pool_ids)
        return await self.read(organization_id, find, pool_ids, id)

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
        """As Commanding.do."""
        return await self.commanding.do(command, partition)

    async def post(self, command: Command, partition: int | None = None) -> Sent:
        """As Commanding.post."""
        return await self.commanding.post(command, partition)

    def close(self) -> None:
        """Close what was opened."""
        self.closing.close()
        for turns in (self.threads, self.listing, self.loading, self.computing, self.deciding):
            turns.close()
        self.another_process.close()


def _pools(organization_id: str, connection: Connection, customers: Sequence[str]) -> dict[str, list[tuple[str, bool]]]:
    found: dict[str, list[tuple[str, bool]]] = {}
    for row in pools_of_workspaces(connection, organization_id, customers):
        found.setdefault(row["workspace_id"], []).append((row["pool_id"], bool(row["may_overflow"])))
    return found
