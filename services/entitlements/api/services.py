"""What every route needs: opened once for each worker, closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import orjson
import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout
from starlette.requests import Request
from starlette.responses import Response

from entitlements.access.caching.documents import facts_of
from entitlements.access.caching.floors import Floors
from entitlements.access.caching.in_process import InProcess
from entitlements.access.judging import Parsed, parsed_policies, parsed_views
from entitlements.access.log.writer import AccessLog
from entitlements.access.remembered import RememberedPolicies
from entitlements.access.sources import ViewSource
from entitlements.api import http_caching
from entitlements.api.auth import Knowing, RememberedOrganizations
from entitlements.api.catching_up import CatchingUp, Following, what_follows
from entitlements.api.following import Follower
from entitlements.api.gathering import Gathering
from entitlements.api.http_caching import Lifetimes
from entitlements.api.reaching import Latest, Reaching
from entitlements.api.units import Units
from entitlements.domain.commands import Command
from entitlements.errors import InvalidRequest, OutcomeUnknown, ServerIsAway
from entitlements.ledger.caller import Caller, Outcome, Sent
from entitlements.ledger.ends import TopicEnds
from entitlements.ledger.partitioning import partition_of
from entitlements.operations.lag import ProjectionLag
from entitlements.settings import Settings
from entitlements_client.deciding import CustomerView, PolicySet
from entitlements_projections.database import Connection
from entitlements_projections.positions import read_positions
from entitlements_projections.reading import access, offsets_unlike
from entitlements_projections.reading.views import pools_of_workspaces

T = TypeVar("T")

#: Threads, and connections to Postgres, of one worker: what is asked of a server blocks there and not in the loop.
THREADS: Final = 16


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
    parsed_policies: Parsed = field(default_factory=parsed_policies)
    organizations: RememberedOrganizations = field(init=False)
    units: Units = field(init=False)
    gathering: Gathering = field(init=False)
    reaching: Reaching = field(init=False)
    catching_up: CatchingUp = field(init=False)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "api"))
    computing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "computing"))
    closing: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.organizations = RememberedOrganizations(self.settings.operator_organization, self._knows)
        self.units = Units(lambda *of: self.read(access.customers_in_unit, *of), self.catch_up)
        self.gathering = Gathering(
            lambda organization_id, those: self.in_thread(self.views.load, organization_id, those)
        )
        self.reaching = Reaching(lambda known: self.read(offsets_unlike, known))
        self.catching_up = CatchingUp(self.reach, Latest(self._ledger_ends), self._what_follows)

    async def views_of(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, CustomerView]:
        """What customers have. Raises NotReachedYet, ServerIsAway."""
        return self._parsed(organization_id, await self.view_documents(organization_id, customer_ids, at_least))

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
        return {name: self.parsed_views.of(organization_id, name, each) for name, each in documents.items()}

    async def policies_of(self, organization_id: str, *, anew: bool = False) -> PolicySet:
        """The policies of an organization; anew: as they are now, whatever is remembered. Raises ServerIsAway."""
        if anew:
            self.policies.forget(organization_id)
        document = self.policies.peek(organization_id)
        if document is None:
            document = await self.in_thread(self.policies.load, organization_id)
        known: PolicySet | None = self.parsed_policies.peek(organization_id, "", document)
        if known is not None:
            return known
        compiled: PolicySet = await self.apart(self.parsed_policies.of, organization_id, "", document)
        return compiled

    async def apart(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call what computes for long: one at a time, so that it takes neither the loop nor the threads from all others."""
        return await asyncio.get_running_loop().run_in_executor(self.computing, function, *arguments)

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call what blocks. Raises ServerIsAway when Postgres is."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, function, *arguments)
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise ServerIsAway("Postgres.") from error
        except psycopg.DataError as error:
            raise InvalidRequest("It holds a value that nothing can have.") from error

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
        for executor in (self.threads, self.computing):
            executor.shutdown(wait=False, cancel_futures=True)


def _pools(
    connection: Connection, organization_id: str, customers: Collection[str]
) -> dict[str, list[tuple[str, bool]]]:
    found: dict[str, list[tuple[str, bool]]] = {}
    for row in pools_of_workspaces(connection, organization_id, sorted(customers)):
        found.setdefault(row["workspace_id"], []).append((row["pool_id"], bool(row["may_overflow"])))
    return found
