"""What every route needs: opened once for each worker, closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import psycopg
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]
from psycopg_pool import ConnectionPool, PoolTimeout

from entitlements.access.judging import Parsed, parsed_policies, parsed_views
from entitlements.access.sources import PolicySource, ViewSource
from entitlements.api.identity import Authenticator
from entitlements.domain.commands import Command
from entitlements.errors import OutcomeUnknown, ServerIsAway
from entitlements.ledger import clients
from entitlements.ledger.caller import Caller, Outcome, Sent
from entitlements.ledger.partitioning import partition_of
from entitlements.settings import Settings
from entitlements_client.deciding import CustomerView, PolicySet
from entitlements_projections.database import Connection
from entitlements_projections.reading import wait_for
from entitlements_projections.reading.views import pool_with_usage, pools_of_workspaces

T = TypeVar("T")

#: Threads, and connections to Postgres, of one worker: what is asked of a server blocks there and not in the loop.
THREADS: Final = 16


@dataclass(kw_only=True)
class Services:
    """The servers and caches of one worker."""

    settings: Settings
    caller: Caller
    database: ConnectionPool[Any]
    views: ViewSource
    policies: PolicySource
    authenticator: Authenticator
    parsed_views: Parsed = field(default_factory=parsed_views)
    parsed_policies: Parsed = field(default_factory=parsed_policies)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "api"))
    closing: ExitStack = field(default_factory=ExitStack)

    async def views_of(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, CustomerView]:
        """What customers have. Raises NotReachedYet, ServerIsAway."""
        documents = await self.in_thread(self.views.load, organization_id, customer_ids, at_least)
        return {name: self.parsed_views.of(organization_id, name, each) for name, each in documents.items()}

    async def policies_of(self, organization_id: str) -> PolicySet:
        """The policies of an organization. Raises ServerIsAway."""
        document = await self.in_thread(self.policies.load, organization_id)
        compiled: PolicySet = self.parsed_policies.of(organization_id, "", document)
        return compiled

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call what blocks. Raises ServerIsAway when Postgres is."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, function, *arguments)
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise ServerIsAway("Postgres.") from error

    async def read(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call what reads the tables, with a connection before its arguments. Raises ServerIsAway."""

        def reading() -> T:
            with self.database.connection() as connection:
                return function(connection, *arguments)

        return await self.in_thread(reading)

    async def pools_of(self, organization_id: str, customer_id: str) -> list[tuple[str, bool]]:
        """The organization's pools of a customer in their order, and whether usage may go on from each."""
        rows = await self.read(pools_of_workspaces, organization_id, [customer_id])
        return [(row["pool_id"], bool(row["may_overflow"])) for row in rows]

    async def pool_that_recorded(self, pool_ids: Sequence[str], usage_id: str) -> str | None:
        """Which of the pools recorded usage of this id, by all that is in the ledger now; None: none of them."""
        partitions = {partition_of(pool_id, self.settings.partitions) for pool_id in pool_ids}
        ends = await self.in_thread(ends_of_ledger, self.settings, sorted(partitions))

        def look(connection: Connection) -> str | None:
            for partition, end in ends.items():
                wait_for(connection, partition, end - 1, self.settings.answer_timeout_for)
            return pool_with_usage(connection, pool_ids, usage_id)

        return await self.read(look)

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
        self.threads.shutdown(wait=False, cancel_futures=True)


def ends_of_ledger(settings: Settings, partitions: Sequence[int]) -> dict[int, int]:
    """The offset after the last frame of each partition. Raises ServerIsAway."""
    asked = {TopicPartition(settings.topic("ledger"), partition): OffsetSpec.latest() for partition in partitions}
    try:
        futures = clients.admin(settings).list_offsets(asked)
        return {place.partition: future.result(settings.answer_timeout_for).offset for place, future in futures.items()}
    except KafkaException as error:
        raise ServerIsAway("Kafka.") from error
