"""What an application holds: one object that decides, leases, and reports usage. Entitlements waits, AsyncEntitlements is awaited."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Self

from entitlements_client.access_log import AccessReports, Sampling
from entitlements_client.asking.asking import Asking, ByAge, Freshness, Never
from entitlements_client.asking.changes import Change
from entitlements_client.asking.failing import DEFAULT_MODE, FailureMode, FailureModes
from entitlements_client.asking.following import Follower, Heard, Readers
from entitlements_client.asking.memory import Memory
from entitlements_client.asking.organizations import Parts
from entitlements_client.asking.ways import Cached, Local, Remote, Way
from entitlements_client.deciding import Context, Decision, Request
from entitlements_client.deciding.unique import new_id
from entitlements_client.errors import BufferIsFull
from entitlements_client.leasing.admitting import is_for_the_lease
from entitlements_client.leasing.lease import Lease
from entitlements_client.leasing.leases import Leases
from entitlements_client.leasing.terms import LeaseTerms
from entitlements_client.transport.clients import AsyncClient, Client, Service
from entitlements_client.transport.results import Line
from entitlements_client.usage import UsageBuffer

_log = logging.getLogger(__name__)


class Shared:
    """What both facades have: everything that is done in the background, and answers from memory."""

    def __init__(  # noqa: PLR0913 - each is a choice of its own.
        self,
        service: Service,
        way: Way | None = None,
        *,
        failure_modes: Mapping[str, FailureMode] | None = None,
        otherwise: FailureMode = DEFAULT_MODE,
        usage: UsageBuffer | None = None,
        leases: LeaseTerms | None = None,
        access_log: Sampling | None = None,
        organizations_max: int = 100,
    ) -> None:
        """way: how to decide; none: Cached. Raises TypeError for anything else. failure_modes: by pattern of keys, the first that fits; otherwise: for all other keys.

        usage: where usage waits on disk until it is reported. leases: their terms. access_log: which decisions made here are told.
        organizations_max: of so many that are named in calls it keeps what it knows; each has a memory, and with Local a stream.
        """
        self.service = service
        self.usage = usage
        if not isinstance(way, Way | None):
            raise TypeError(f"way must be Remote(), Cached() or Local(), not {way!r}")
        self._way: Way = way or Cached()
        self._modes = FailureModes(failure_modes, otherwise)
        self._begin()
        self._reports = AccessReports(self._background, access_log or Sampling(), self._stopping)
        self._leases = Leases(service, leases or LeaseTerms(), self._modes)
        if usage is not None:
            self._leases.on_fallback = self._note
            usage.flush_to(service)
        self._parts: Parts[Shared] = Parts(lambda organization: copy(self).become(organization), organizations_max)
        self._is_part = False

    def _begin(self) -> None:
        """What each organization has for itself: memory, readers, and the stream that keeps it up to date."""
        self.used_at = 0.0
        self._stopping = threading.Event()
        self._background = Client(self.service, pause=self._stopping.wait)
        memory = Memory(getattr(self._way, "customers_max", 1))
        self._freshness = _freshness(self._way)
        self._asking = Asking(memory, self._freshness, self._modes, decides_here=not isinstance(self._way, Remote))
        self._readers = Readers(self._asking, self._background, self._stopping)
        self._asking.wants = self._readers.want
        self._follower: Follower | None = None
        if isinstance(self._way, Local) and isinstance(self._freshness, Heard):
            self._follower = Follower(self._way, self._freshness, self._readers, self._background, self._stopping)
            self._follower.start()

    def for_organization(self, organization: str) -> Self:
        """The same client for one organization, with a key that acts for several. Equals passing `organization=` to each call.

        It shares connections, leases and the usage buffer with this client, which closes it. Raises ClientIsClosed.
        """
        if not self._is_part and organization in {"", self.service.organization}:
            return self
        # Of a part too: it may have been let go for others, and is another one by now.
        found: Any = self._parts.of(organization or self.service.organization)
        part: Self = found
        return part

    def become(self, organization: str) -> Self:
        """Turn a copy into the client of one organization, with views and a stream of its own."""
        self.service = replace(self.service, organization=organization)
        if isinstance(self._way, Local):
            self._way = replace(self._way, customers=())  # Those are customers of the first organization.
        self._is_part = True
        self._begin()
        return self

    @property
    def is_closed(self) -> bool:
        """Whether close() was called: answers from memory are no longer kept up to date."""
        return self._stopping.is_set()

    @property
    def is_listened_to(self) -> bool:
        """Whether somebody listens to its changes."""
        return self._follower is not None and bool(self._follower.listeners or self._follower.on_standing)

    @property
    def staleness_bound(self) -> float:
        """Maximum age in seconds of the data behind an answer that is neither STALE nor FALLBACK."""
        match self._way:
            case Local(bound=bound):
                return bound
            case Cached(ttl=ttl):
                return ttl
            case _:
                return 0.0

    def lease(self, customer_id: str, resource_key: str, *, organization: str = "") -> Lease:
        """The lease of a customer on a resource key: one per pair, created on first use."""
        return self._leases.of(customer_id, resource_key, organization or self.service.organization)

    def report_usage(
        self,
        customer_id: str,
        resource_key: str,
        quantity: int = 1,
        *,
        subject_id: str = "",
        usage_id: str = "",
        occurred_at: str = "",
        organization: str = "",
    ) -> str:
        """Record usage that happened: written to disk before this returns, and reported in the background. Returns its id.

        Raises BufferIsFull.
        """
        if self.usage is None:
            raise LookupError("no usage buffer is set: Entitlements(..., usage=UsageBuffer(path))")
        line: Line = {"customer_id": customer_id, "resource_key": resource_key, "quantity": quantity}
        if subject_id:
            line["subject_id"] = subject_id
        if occurred_at:
            line["occurred_at"] = occurred_at
        return self.usage.add(
            line, usage_id=usage_id or new_id(), organization=organization or self.service.organization
        )

    def _note(self, lease: Lease, quantity: int) -> None:
        """Report what the failure mode allowed; what does not fit into the buffer is in the program's log at least."""
        customer_id, resource_key = lease.customer_id, lease.resource_key
        try:
            self.report_usage(customer_id, resource_key, quantity, organization=lease.organization)
        except BufferIsFull:
            _log.exception("usage not reported: %s of %s by %s", quantity, resource_key, customer_id)

    def on_change(self, listener: Callable[[Change], None], *, organization: str = "") -> None:
        """Call a listener with every change received, in a background thread. Only in Local mode."""
        part = self.for_organization(organization)
        if part is not self:
            part.on_change(listener)
        elif self._follower is not None:
            self._follower.listeners.append(listener)

    def on_standing(self, listener: Callable[[bool], None], *, organization: str = "") -> None:
        """Call a listener when the stream of changes becomes healthy (True) or is silent for too long (False). Only in Local mode."""
        part = self.for_organization(organization)
        if part is not self:
            part.on_standing(listener)
        elif self._follower is not None:
            self._follower.on_standing.append(listener)

    def wait_until_connected(self, within: float = 10.0, *, organization: str = "") -> bool:
        """Wait until the stream of changes is connected; False: not within this many seconds. Other modes return at once."""
        part = self.for_organization(organization)
        if part is not self:
            return part.wait_until_connected(within)
        return self._follower is None or self._follower.connected.wait(within)

    def wait_until(
        self, request: Request, holds: Callable[[Decision], bool], within: float = 10.0, *, organization: str = ""
    ) -> float | None:
        """Wait until the answer from memory is as expected. Returns the time (time.monotonic) at which it was; None: not within seconds.

        The difference to the time at which a command was sent is the latency from change to client.
        """
        part = self.for_organization(organization)
        if part is not self:
            return part.wait_until(request, holds, within)
        seen: list[float] = []

        def look() -> bool:
            decision = self._asking.known(request)
            if decision is not None and holds(decision):
                seen.append(time.monotonic())
            return bool(seen)

        return seen[0] if self._asking.memory.wait_until(look, within) else None

    @property
    def dropped_reports(self) -> int:
        """Local decisions that could not be reported to the access log."""
        return self._reports.dropped

    def _stop(self) -> None:
        """Release leases, report buffered usage and stop all threads. Takes some seconds at most; a second time there is nothing to do."""
        if self._is_part or self._stopping.is_set():
            return
        self._leases.close()
        self._parts.stop()
        self.stop(self._reports.stop)
        if self.usage is not None:
            self.usage.close()

    def stop(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Stop the threads that receive updates. close() stops everything."""
        self._stopping.set()
        self._readers.stop()
        if self._follower is not None:
            self._follower.stop()
        meanwhile()
        self._background.close()


class Entitlements(Shared):
    """Client for threaded programs. Thread-safe; close it, or use it in `with`."""

    def __init__(self, service: Service, way: Way | None = None, **more: Any) -> None:
        """As of Shared: way, failure_modes, otherwise, usage, leases, access_log."""
        super().__init__(service, way, **more)
        #: Asks whatever else the service can be asked.
        self.client = Client(service)

    def check(
        self,
        customer_id: str,
        resource_key: str,
        quantity: int | None = None,
        *,
        subject_id: str = "",
        action: str = "",
        context: Context | None = None,
        organization: str = "",
    ) -> Decision:
        """Check whether a customer may use a resource key. quantity in the smallest unit; None: access in general.

        organization: the customer's organization, for a key that acts for several. In an outage the failure mode of the key decides.
        Raises RequestError if the request is invalid.
        """
        request = Request(customer_id, resource_key, quantity, subject_id, action, context)
        return self.decide(request, organization=organization)

    def decide(self, request: Request, *, organization: str = "", draws: bool = False) -> Decision:
        """As check, for a Request. draws: the allowed quantity is then drawn from a lease (leasing/admitting.py)."""
        if (organization or self._is_part) and (part := self.for_organization(organization)) is not self:
            return part.decide(request, draws=draws)
        decision = self._asking.known(request)
        if decision is None:
            decision = self.client.run(self._asking.finding_out(request))
        if not (draws and is_for_the_lease(request, decision)):  # Else the lease answers, and not this.
            self._reports.note(request, decision, self.service.organization)
        return decision

    def decide_all(self, requests: Sequence[Request], *, organization: str = "") -> list[Decision]:
        """Decide many requests of one organization."""
        if (organization or self._is_part) and (part := self.for_organization(organization)) is not self:
            return part.decide_all(requests)
        decisions = self.client.run(self._asking.finding_out_all(requests))
        for request, decision in zip(requests, decisions, strict=True):
            self._reports.note(request, decision, self.service.organization)
        return decisions

    def become(self, organization: str) -> Self:
        self.client = self.client.acting_for(organization)
        return super().become(organization)

    def close(self) -> None:
        """Release leases, report buffered usage and stop all threads."""
        self._stop()
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncEntitlements(Shared):
    """Client for asyncio programs. Answers from memory do not yield to the event loop. Close it, or use it in `async with`."""

    def __init__(self, service: Service, way: Way | None = None, **more: Any) -> None:
        """As of Shared: way, failure_modes, otherwise, usage, leases, access_log."""
        super().__init__(service, way, **more)
        #: Asks whatever else the service can be asked.
        self.client = AsyncClient(service)

    async def check(
        self,
        customer_id: str,
        resource_key: str,
        quantity: int | None = None,
        *,
        subject_id: str = "",
        action: str = "",
        context: Context | None = None,
        organization: str = "",
    ) -> Decision:
        """As Entitlements.check, to be awaited."""
        request = Request(customer_id, resource_key, quantity, subject_id, action, context)
        return await self.decide(request, organization=organization)

    async def decide(self, request: Request, *, organization: str = "", draws: bool = False) -> Decision:
        """As check, for a Request. draws: the allowed quantity is then drawn from a lease (leasing/admitting.py)."""
        if (organization or self._is_part) and (part := self.for_organization(organization)) is not self:
            return await part.decide(request, draws=draws)
        decision = self._asking.known(request)
        if decision is None:
            decision = await self.client.run(self._asking.finding_out(request))
        if not (draws and is_for_the_lease(request, decision)):  # Else the lease answers, and not this.
            self._reports.note(request, decision, self.service.organization)
        return decision

    async def decide_all(self, requests: Sequence[Request], *, organization: str = "") -> list[Decision]:
        """Decide many requests of one organization."""
        if (organization or self._is_part) and (part := self.for_organization(organization)) is not self:
            return await part.decide_all(requests)
        decisions = await self.client.run(self._asking.finding_out_all(requests))
        for request, decision in zip(requests, decisions, strict=True):
            self._reports.note(request, decision, self.service.organization)
        return decisions

    def become(self, organization: str) -> Self:
        self.client = self.client.acting_for(organization)
        return super().become(organization)

    async def close(self) -> None:
        """Release leases, report buffered usage and stop all threads."""
        import asyncio

        await asyncio.to_thread(self._stop)
        await self.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _freshness(way: Way) -> Freshness:
    match way:
        case Local():
            return Heard(way)
        case Cached():
            return ByAge(way.ttl, way.stale_for)
        case _:
            return Never()
