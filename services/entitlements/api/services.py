"""What every route needs: opened once for each worker, closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from entitlements.access.sources import PolicySource, ViewSource
from entitlements.api.identity import Authenticator
from entitlements.domain.commands import Command
from entitlements.errors import OutcomeUnknown, ServerIsAway
from entitlements.ledger.caller import Caller, Outcome, Sent
from entitlements.settings import Settings

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
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "api"))
    closing: ExitStack = field(default_factory=ExitStack)

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
