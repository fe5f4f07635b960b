"""What blocks or takes long is done beside the loop that answers: in threads, organizations in turns, and none of them in all threads.

Whoever has much of it waits behind its own, not others behind that. A thread that computes shares the interpreter with the loop, which
takes it back after half a millisecond (serving.SWITCH_EVERY_FOR), again and again: so what many may ask for without end is computed in a
process of its own (aside.py), and the thread only waits for it. What reads much reads it in slices, each with a turn of its own.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any, Final, TypeVar

from entitlements.api.auth.errors import TooManyRequests

T = TypeVar("T")

#: Long computations of one organization that wait; more are refused.
WAITING_MAX: Final = 64

#: Whose turn it is, what to call, and who waits for it where.
_Job = tuple[str, Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


def slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in their order, so many at once."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def slices_of_bytes(items: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    """The items in their order, together until they have so many bytes."""
    start = held = 0
    for place, item in enumerate(items, 1):
        held += len(item)
        if held >= size:
            yield items[start:place]
            start, held = place, 0
    if start < len(items):
        yield items[start:]


class Turns:
    """Calls functions in threads. The organization that has waited longest without a turn is next.

    One organization has at most half of the threads, and at least one: the others are for others, however long its calls take.
    """

    def __init__(self, name: str, threads: int = 1, waiting_max: int | None = None, of_one: int | None = None) -> None:
        """waiting_max: calls of one organization that wait; None: as many as it may make requests. of_one: threads of one organization."""
        self._free, self._of_one, self._waiting_max = threads, of_one or max(1, threads // 2), waiting_max
        self._waiting: OrderedDict[str, deque[_Job]] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(threads, name)

    async def call(self, organization_id: str, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function for an organization. Raises TooManyRequests, and what the function raises. Cancelled: it gives up its place."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        job = (organization_id, lambda: function(*arguments), loop, future)
        with self._lock:
            jobs = self._waiting.setdefault(organization_id, deque())
            if self._waiting_max is not None and len(jobs) >= self._waiting_max:
                detail = f"{len(jobs)} long computations are queued."
                raise TooManyRequests(detail, "long_computations", self._waiting_max)
            jobs.append(job)
            begins = self._free > 0
            self._free -= begins
        if begins:
            self._threads.submit(self._work)
        try:
            return await future
        except asyncio.CancelledError:
            self._forget(job)
            raise

    def close(self) -> None:
        """Call nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _forget(self, job: _Job) -> None:
        organization_id = job[0]
        with self._lock:
            jobs = self._waiting.get(organization_id, deque())
            with suppress(ValueError):  # It has had its turn.
                jobs.remove(job)
            if not jobs:
                self._waiting.pop(organization_id, None)

    def _work(self) -> None:
        """In a thread: one call after another, until there is none that may be made."""
        done: _Job | None = None
        while (job := self._next(done)) is not None:
            _, compute, loop, future = done = job
            if future.cancelled():
                continue
            try:
                found, error = compute(), None
            except BaseException as raised:  # noqa: BLE001 - whoever waits hears it.
                found, error = None, raised
            with suppress(RuntimeError):  # The loop is closed: nobody waits.
                loop.call_soon_threadsafe(_tell, future, found, error)
            del found, error, compute, future, job  # What was found is kept by nobody but whoever asked.

    def _next(self, done: _Job | None) -> _Job | None:
        """The next call, after one that is done; None: the thread is free."""
        with self._lock:
            if done is not None:
                self._running[done[0]] -= 1
                if not self._running[done[0]]:
                    del self._running[done[0]]
            for organization_id, jobs in self._waiting.items():
                if self._running[organization_id] < self._of_one:
                    self._running[organization_id] += 1
                    job = jobs.popleft()
                    if jobs:
                        self._waiting.move_to_end(organization_id)
                    else:
                        del self._waiting[organization_id]
                    return job
            self._free += 1
            return None


def _tell(future: asyncio.Future[Any], found: Any, error: BaseException | None) -> None:
    if future.done():
        return  # Whoever waited is gone.
    if error is None:
        future.set_result(found)
    else:
        future.set_exception(error)
