"""Long work ends with whoever waits for it: a client that gave up and asks again would otherwise wait behind its own old questions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Receive

from entitlements.api.problems import Problem

T = TypeVar("T")


async def while_connected(receive: Receive, work: Awaitable[T]) -> T:
    """Await work for a request whose body was read; cancel it when the client closes its connection.

    Raises Problem: request_timeout, which nobody reads but the metrics; and what the work raises.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Problem("request_timeout", "The client closed its connection.")
    finally:
        leaving.cancel()
        working.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
