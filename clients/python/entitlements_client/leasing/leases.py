"""The leases of a client: the threads that work on them, their journal, and what is left of those who are gone."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from entitlements_client.asking.failing import FailureModes
from entitlements_client.deciding.unique import new_id
from entitlements_client.leasing.account import Account
from entitlements_client.leasing.journal import SUFFIX, Journal, Orphan
from entitlements_client.leasing.lease import Lease
from entitlements_client.leasing.terms import NEVER, Holding, LeaseTerms
from entitlements_client.transport.clients import Client, Service

WORKERS: Final = 4
#: Seconds between looks for journals that have lost their owners.
LOOK_EVERY: Final = 2.0
#: Seconds that close() waits for everything to be settled.
CLOSE_WITHIN: Final = 10.0
#: Seconds for which one wish is sent again before others have their turn.
CHANGE_WITHIN: Final = 5.0

_log = logging.getLogger(__name__)


def seconds_since_boot() -> float:
    """A clock that nobody sets, and that goes on while the machine sleeps: a reservation expires meanwhile too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Leases:
    """All leases of one process. Threads begin with the first lease."""

    def __init__(
        self,
        service: Service,
        terms: LeaseTerms,
        modes: FailureModes,
        clock: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self.modes, self.clock = modes, clock
        #: Called where units were allowed by the failure mode alone: they are to be counted in another way.
        self.on_fallback: Callable[[Lease, int], None] = lambda _lease, _quantity: None
        self._terms = terms
        within = min(CHANGE_WITHIN, service.retries.change_within)
        self._service = replace(service, retries=replace(service.retries, change_within=within))
        self._folder = None if terms.folder is None else Path(terms.folder)
        #: Those that somebody holds; and those that hold something, so that nobody needs to.
        self._leases: weakref.WeakValueDictionary[tuple[str, str, str], Lease] = weakref.WeakValueDictionary()
        self._begin()
        if self._folder is not None and any(self._folder.glob(f"*{SUFFIX}")):
            self._start_threads()
        _all.add(self)

    def _begin(self) -> None:
        """As it is at the start of a process."""
        self._stopping = threading.Event()
        self._client = Client(self._service, pause=self._stopping.wait)
        self._changing = threading.Condition()
        self._journal: Journal | None = None
        self._orphans: dict[Orphan, list[Lease]] = {}
        self._queue: list[tuple[float, int, Lease]] = []
        self._due_at: dict[Lease, float] = {}
        self._busy: set[Lease] = set()
        self._active: set[Lease] = set()
        self._numbers = itertools.count()
        self._threads: list[threading.Thread] = []
        self._look_at = 0.0

    def of(self, customer_id: str, resource_key: str, organization: str = "") -> Lease:
        """The lease of a customer on a key. organization: whose customer it is, where that is not the key's own."""
        with self._changing:
            found = self._leases.get((organization, customer_id, resource_key))
            if found is None:
                self._start_threads()
                found = Lease(self, customer_id, resource_key, Account(self._terms, new_id), organization)
                self._leases[organization, customer_id, resource_key] = found
            return found

    def _start_threads(self) -> None:
        if not self._threads:
            if self._folder is not None:
                self._journal = Journal(self._folder)
            for number in range(WORKERS):
                thread = threading.Thread(target=self._work, name=f"entitlements-lease-{number}", daemon=True)
                self._threads.append(thread)
                thread.start()

    # --- What leases ask for ---

    def wake(self, lease: Lease) -> None:
        """A lease may have something to do now."""
        with self._changing:
            self._active.add(lease)
            self._plan(lease, self.clock())

    def begin(self, holding: Holding, lease: Lease) -> None:
        """Note a holding before anything is drawn from it."""
        with self._changing:
            if self._journal is None:
                return
            if self._journal.is_full:
                _log.warning("the journal is full: usage of %s is not recorded in it", lease.resource_key)
                return
            self._journal.begin(holding, lease.customer_id, lease.resource_key, lease.organization)

    def end(self, holding: Holding) -> None:
        """Nothing is left to be done about a holding."""
        with self._changing:
            for journal in (self._journal, *self._orphans):
                if journal is not None:
                    journal.end(holding)

    # --- Workers ---

    def _plan(self, lease: Lease, at: float) -> None:
        if at < self._due_at.get(lease, NEVER):
            self._due_at[lease] = at
            heapq.heappush(self._queue, (at, next(self._numbers), lease))
            self._changing.notify()

    def _next(self) -> Lease | None:
        """Wait for a lease that has something to do; None: the end."""
        with self._changing:
            while not self._stopping.is_set():
                now = self.clock()
                if self._folder is not None and now >= self._look_at:
                    self._look_at = now + LOOK_EVERY
                    self._take_over()
                while self._queue and self._queue[0][0] <= now:
                    at, _, lease = heapq.heappop(self._queue)
                    if self._due_at.get(lease) != at:
                        continue
                    if lease in self._busy:
                        self._due_at[lease] = now
                        continue
                    del self._due_at[lease]
                    self._busy.add(lease)
                    return lease
                next_at = self._queue[0][0] if self._queue else NEVER
                self._changing.wait(min(max(0.0, next_at - now), LOOK_EVERY))
            return None

    def _work(self) -> None:
        """Work on leases until stopping is set. Whatever goes wrong with one is logged, and tried again."""
        while (lease := self._next()) is not None:
            at = self.clock() + 1.0
            try:
                at = lease.work(self._client.acting_for(lease.organization) if lease.organization else self._client)
            except Exception:  # noqa: BLE001 - it is tried again.
                _log.exception("lease on %s failed", lease.resource_key)
            with self._changing:
                self._busy.discard(lease)
                # What woke it while it was worked on counts too.
                at = min(at, self._due_at.pop(lease, NEVER))
                if at < NEVER:
                    self._plan(lease, at)
                elif lease.is_settled:
                    self._active.discard(lease)
                self._let_orphans_go()
                self._changing.notify_all()

    # --- What is left of those who are gone ---

    def _take_over(self) -> None:
        """Settle what others had drawn who are gone: the journals in the folder that nobody holds."""
        assert self._folder is not None
        for orphan in Orphan.all_in(self._folder):
            taken_over: list[Lease] = []
            for left in orphan.holdings():
                account = Account(self._terms, new_id)
                account.holdings.append(left.holding)
                lease = Lease(self, left.customer_id, left.resource_key, account, left.organization)
                lease.close()
                taken_over.append(lease)
                self._plan(lease, self.clock())
            self._orphans[orphan] = taken_over
            _log.info("took over %s leases of a terminated process", len(taken_over))
        self._let_orphans_go()

    def _let_orphans_go(self) -> None:
        for orphan in [one for one, leases in self._orphans.items() if all(lease.is_settled for lease in leases)]:
            orphan.close()
            del self._orphans[orphan]

    # --- The end ---

    def close(self) -> None:
        """Commit what was drawn and give back what is left, within CLOSE_WITHIN seconds; what remains then is in the journal."""
        until = self.clock() + CLOSE_WITHIN
        leases = list(self._leases.values())
        for lease in leases:
            lease.close()
            self.wake(lease)
        with self._changing:
            while self._threads and self.clock() < until and not all(lease.may_end for lease in leases):
                self._changing.wait(0.1)
            self._stopping.set()
            self._changing.notify_all()
        for thread in self._threads:
            thread.join(2.0)
        if self._journal is not None:
            self._journal.close()
        for orphan in self._orphans:
            orphan.leave()
        self._client.close()
        _all.discard(self)

    def after_fork(self) -> None:
        """In a forked child: the leases are the parent's; this process begins without any."""
        for journal in (self._journal, *self._orphans):
            if journal is not None:
                journal.leave()
        had_threads = bool(self._threads)
        self._begin()
        for lease in list(self._leases.values()):
            lease.forget()
        if had_threads:
            self._start_threads()


_all: weakref.WeakSet[Leases] = weakref.WeakSet()


def _after_fork() -> None:
    for leases in list(_all):
        leases.after_fork()


os.register_at_fork(after_in_child=_after_fork)
