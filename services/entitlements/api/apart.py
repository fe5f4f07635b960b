"""What takes long is done beside the loop that answers: in one thread, organizations in turns.

Whoever has much of it waits behind its own, not others behind that. A thread that computes shares the interpreter with the loop, which
takes it back after half a millisecond (serving.SWITCH_EVERY_FOR), again and again: so what many may ask for without end is computed in a
process of its own (aside.py), and the thread only waits for it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any, Final, TypeVar

from entitlements.api.auth.errors import TooManyRequests

T = TypeVar("T")

#: Computations of one organization that wait; more are refused.
WAITING_MAX: Final = 64

#: A computation: what to call, and who waits for it where.
_Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Apart:
    """Computes one at a time. Whoever has waited longest without a turn is next."""

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self._waiting_max = waiting_max
        self._waiting: OrderedDict[str, deque[_Job]] = OrderedDict()
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, "computing")

    async def call(self, owner: str, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function for an organization. Raises TooManyRequests, and what the function raises. Cancelled: it gives up its place."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._lock:
            jobs = self._waiting.setdefault(owner, deque())
            if len(jobs) >= self._waiting_max:
                raise TooManyRequests(f"{len(jobs)} long decisions are queued.")
            job = (lambda: function(*arguments), loop, future)
            jobs.append(job)
        self._thread.submit(self._next)
        try:
            return await future
        except asyncio.CancelledError:
            self._forget(owner, job)
            raise

    def close(self) -> None:
        """Compute nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _forget(self, owner: str, job: _Job) -> None:
        with self._lock:
            jobs = self._waiting.get(owner, deque())
            with suppress(ValueError):  # It has had its turn.
                jobs.remove(job)
            if not jobs:
                self._waiting.pop(owner, None)

    def _next(self) -> None:
        """In the thread: one computation. It was submitted once for each that waits, or has waited and given up."""
        with self._lock:
            if not self._waiting:
                return
            owner, jobs = next(iter(self._waiting.items()))
            compute, loop, future = jobs.popleft()
            if jobs:
                self._waiting.move_to_end(owner)
            else:
                del self._waiting[owner]
        if future.cancelled():
            return
        try:
            found, error = compute(), None
        except BaseException as raised:  # noqa: BLE001 - whoever waits hears it.
            found, error = None, raised
        try:
            loop.call_soon_threadsafe(_tell, future, found, error)
        except RuntimeError:
            return  # The loop is closed: nobody waits.


def _tell(future: asyncio.Future[Any], found: Any, error: BaseException | None) -> None:
    if future.done():
        return  # Whoever waited is gone.
    if error is None:
        future.set_result(found)
    else:
        future.set_exception(error)
