"""One customer's lease on one key: units are taken from memory, by threads and by asyncio; a worker does the rest behind it."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Final, Protocol

from entitlements_client.asking.failing import FailureModes, answer_meanwhile
from entitlements_client.deciding import AsOf, CustomerView, Decision, Request
from entitlements_client.errors import EntitlementsError
from entitlements_client.leasing.account import Account
from entitlements_client.leasing.errands import Errands
from entitlements_client.leasing.terms import Commit, Holding
from entitlements_client.transport.clients import Client

#: Seconds between attempts while the service is away: a random part of it.
AWAY_FOR: Final = 0.5
#: Seconds that somebody waits at most for a service that did not answer just now.
AWAY_PATIENCE: Final = 0.05

_log = logging.getLogger(__name__)


class Office(Protocol):
    """What a lease needs of those who look after all leases."""

    modes: FailureModes
    clock: Callable[[], float]
    on_fallback: Callable[[Lease, int], None]

    def wake(self, lease: Lease) -> None:
        """Something may have to be done."""
        ...

    def begin(self, holding: Holding, lease: Lease) -> None:
        """A holding is there: note it before anything is drawn from it."""
        ...

    def end(self, holding: Holding) -> None:
        """Nothing is left to be done about a holding."""
        ...


class Lease:
    """A customer's lease on a resource key, from which units are taken. Safe to use from threads and from asyncio."""

    def __init__(
        self, office: Office, customer_id: str, resource_key: str, account: Account, organization: str = ""
    ) -> None:
        """organization: whose customer it is, where that is not the key's own."""
        self.customer_id, self.resource_key, self.organization = customer_id, resource_key, organization
        self._office, self._account = office, account
        self._nothing = CustomerView(customer_id, "", AsOf(), {})
        self._lock = threading.Lock()
        self._errands = self._new_errands()
        self._waiting: list[tuple[int, Future[str]]] = []
        self._away = ""
        self._is_woken = False

    def _new_errands(self) -> Errands:
        def begin(holding: Holding) -> None:
            self._office.begin(holding, self)

        whose = (self.customer_id, self.resource_key)
        return Errands(whose, self._account, self._lock, self._office.clock, begin)

    @property
    def worst_unused(self) -> int:
        """Maximum quantity held here without being used, until it expires. Others cannot use it meanwhile."""
        return self._account.terms.quantity

    @property
    def unused(self) -> int:
        """Quantity held now and not drawn."""
        with self._lock:
            return self._account.unused(self._office.clock())

    @property
    def unsettled(self) -> int:
        """Quantity handed out and not yet committed to the service."""
        with self._lock:
            return self._account.unsettled

    def take(self, quantity: int = 1, *, wait_for: float = 2.0) -> Decision:
        """Take units from memory. If none are left, wait for the service, up to a number of seconds.

        If allowed, the units are taken and will be committed in the background; the decision has the source LEASE.
        """
        future = self._draw(quantity)
        if future is None:
            return self._decision(quantity, "allowed")
        try:
            code = future.result(self._patience(wait_for))
        except NotInTime:
            code = self._too_late(future)
        return self._decision(quantity, code)

    async def take_async(self, quantity: int = 1, *, wait_for: float = 2.0) -> Decision:
        """As take, to be awaited."""
        future = self._draw(quantity)
        if future is None:
            return self._decision(quantity, "allowed")
        try:
            code = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), self._patience(wait_for))
        except TimeoutError:
            code = self._too_late(future)
        except asyncio.CancelledError:
            if self._too_late(future) == "allowed":
                self.give_back(quantity)
            raise
        return self._decision(quantity, code)

    def give_back(self, quantity: int = 1) -> None:
        """Give back units that were taken and not used; they can be taken again."""
        with self._lock:
            self._account.give_back(quantity)
            self._serve()

    def _draw(self, quantity: int) -> Future[str] | None:
        """Draw at once (None), or wait in the queue."""
        if quantity < 1:
            raise ValueError("a quantity must be at least 1")
        future: Future[str] | None = None
        with self._lock:
            now = self._office.clock()
            if self._account.draw(quantity, now):
                wakes = self._account.unsettled <= quantity or self._account.is_low(now)
            else:
                future, wakes = Future(), True
                self._wait(quantity, future, now)
            wakes, self._is_woken = wakes and not self._is_woken, self._is_woken or wakes
        if wakes:
            self._office.wake(self)
        return future

    def _patience(self, wait_for: float) -> float:
        """Not everybody waits for a service that did not answer just now."""
        return min(wait_for, AWAY_PATIENCE) if self._away else wait_for

    def _wait(self, quantity: int, future: Future[str], now: float) -> None:
        if self._account.is_closing:
            future.set_result("client_is_closed")
        elif self._account.still_refused(quantity, now):
            future.set_result(self._account.refusal)
        else:
            self._waiting.append((quantity, future))
            self._tell_demand()

    def _too_late(self, future: Future[str]) -> str:
        """Nobody waits any more. What was drawn in the same instant is taken."""
        with self._lock:
            self._waiting = [waiting for waiting in self._waiting if waiting[1] is not future]
            self._tell_demand()
        return future.result() if future.done() else self._away or "lease_is_late"

    def _tell_demand(self) -> None:
        self._account.waiting = tuple(quantity for quantity, _ in self._waiting)

    def _serve(self) -> None:
        """Let those who wait have what there is now, in their order; refuse them if the service refused."""
        now, left = self._office.clock(), []
        for quantity, future in self._waiting:
            if self._account.draw(quantity, now):
                future.set_result("allowed")
            elif self._account.is_closing or self._account.still_refused(quantity, now):
                future.set_result(self._account.refusal or "client_is_closed")
            else:
                left.append((quantity, future))
        self._waiting = left
        self._tell_demand()

    def _decision(self, quantity: int, code: str) -> Decision:
        request = Request(self.customer_id, self.resource_key, quantity)
        if code in {"service_is_away", "lease_is_late"}:
            decision = answer_meanwhile(self._office.modes.of(self.resource_key), request, None, 0.0, f"({code})")
            if decision.allowed:
                self._office.on_fallback(self, quantity)
            return decision
        # By the constructor, not by a document: this is what every request of an application waits for.
        return Decision(code == "allowed", code, self._nothing, None, request, (), 0, "", time.time(), "LEASE")

    # --- Behind the scenes: one worker at a time ---

    def work(self, client: Client) -> float:
        """Do with the service what has to be done; when to come back, by the clock of leases."""
        while True:
            with self._lock:
                self._is_woken = False
                self._serve()
                now = self._office.clock()
                need = self._account.need(now)
                for holding in self._account.over:
                    self._office.end(holding)
                self._account.over.clear()
                if need is None:
                    return self._account.wakes_at()
                if isinstance(need, Commit):
                    self._account.commits(need)
            try:
                self._errands.do(need, client)
                self._away = ""
            except EntitlementsError as error:
                _log.warning("lease on %s delayed: %s", self.resource_key, error)
                self._away = "service_is_away"
                return self._office.clock() + AWAY_FOR * random.uniform(0.5, 1.0)  # noqa: S311 - jitter.

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be done once it is closed."""
        return not self._account.holdings and not self._account.is_asking

    @property
    def may_end(self) -> bool:
        """Whether nothing is lost by not waiting: all is settled, or what is left expires by itself at a service that is away."""
        return self.is_settled or bool(self._away and not self._account.unsettled)

    def forget(self) -> None:
        """Nothing is ours, and nobody holds our lock: what a forked child knows of its parent's lease."""
        self._lock, self._waiting, self._is_woken = threading.Lock(), [], False
        self._errands = self._new_errands()
        self._account.forget()

    def close(self) -> None:
        """Close the lease: the workers commit what was drawn and release the rest."""
        with self._lock:
            self._account.is_closing = True
            self._serve()
