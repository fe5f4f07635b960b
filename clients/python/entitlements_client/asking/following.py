"""Keeps memory up to date in the background: reads views again, and follows the stream of changes.

The work is done by threads, in asyncio programs too: a busy event loop must not hold a revocation up.
"""

from __future__ import annotations

import heapq
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from entitlements_client.asking.asking import Asking
from entitlements_client.asking.changes import Change, EventLines, ServerEvent
from entitlements_client.asking.memory import Known, KnownPolicies
from entitlements_client.asking.nobody import may_exist
from entitlements_client.asking.ways import Local
from entitlements_client.errors import EntitlementsError, InsufficientScope, OrganizationRequired, Unauthenticated
from entitlements_client.transport.attempts import Steps
from entitlements_client.transport.clients import Client, Stream

READERS: Final = 4
#: Seconds between attempts while the service is away: doubled from the first to the last, each a random part of it.
PAUSE_FOR_MIN: Final = 0.1
PAUSE_FOR_MAX: Final = 3.0
#: A stream that was silent for so much of the bound is connected anew, so that there is time left to hear of the service.
SILENT_PART: Final = 0.7
#: Of the bound, the longest pause between two attempts to connect.
PAUSE_PART: Final = 0.1
POLICIES: Final = ""
#: Seconds by which what the service tells may be behind the stream of changes at the worst: a view that was read so soon after the
#: stream began may lack what was told before that.
BEHIND_FOR: Final = 3.0
#: Attempts to read policies that were said to have changed, with pauses that double from the first.
POLICIES_TRIES: Final = 8
POLICIES_PAUSE_FOR: Final = 0.02

_log = logging.getLogger(__name__)


class Readers:
    """Reads again what is wanted, each thing once however often it is wanted. What a change made necessary is tried until it is done."""

    def __init__(self, asking: Asking, client: Client, stopping: threading.Event) -> None:
        self._asking, self._client, self._stopping = asking, client, stopping
        #: By customer whether it is urgent.
        self._wanted: dict[str, bool] = {}
        self._later: list[tuple[float, str]] = []
        self._reading: set[str] = set()
        self._something = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._not_before = 0.0
        self._policies_tries = 0

    def want(self, customer_id: str, *, urgent: bool = False) -> None:
        """Read the view of a customer again, or the policies (""). Returns at once.

        urgent: it is known to be outdated; what is not urgent is left while the service is away.
        """
        if customer_id != POLICIES and not may_exist(customer_id):
            return
        if not urgent and (customer_id in self._wanted or time.monotonic() < self._not_before):
            return
        with self._something:
            self._wanted[customer_id] = urgent or self._wanted.get(customer_id, False)
            if len(self._threads) < READERS:
                thread = threading.Thread(target=self._read, name="entitlements-reader", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._something.notify()

    def want_later(self, customer_id: str, seconds: float) -> None:
        """Read the view of a customer again in so many seconds."""
        with self._something:
            heapq.heappush(self._later, (time.monotonic() + seconds, customer_id))
            self._something.notify()

    def policies_changed(self) -> None:
        """The policies are to be read until they are others: what the service tells may be a moment behind."""
        self._policies_tries = POLICIES_TRIES
        self.want(POLICIES, urgent=True)
        # Of two changes at once the first that is seen is taken for both.
        self.want_later(POLICIES, BEHIND_FOR)

    def stop(self) -> None:
        with self._something:
            self._something.notify_all()

    def _next(self) -> tuple[str, bool] | None:
        with self._something:
            while not self._stopping.is_set():
                now = time.monotonic()
                while self._later and self._later[0][0] <= now:
                    self._wanted[heapq.heappop(self._later)[1]] = True
                free = next((customer for customer in self._wanted if customer not in self._reading), None)
                if free is not None:
                    self._reading.add(free)
                    return free, self._wanted.pop(free)
                self._something.wait(self._later[0][0] - now if self._later else None)
            return None

    def _read(self) -> None:
        """Read what is wanted until stopping is set."""
        while (found := self._next()) is not None:
            customer_id, urgent = found
            try:
                is_newest = self._client.run(self._steps(customer_id))
            except EntitlementsError as error:
                is_newest = not urgent
                self._not_before = time.monotonic() + random.uniform(0.5, 1.0)  # noqa: S311 - jitter.
                _log.info("could not read %s: %s", customer_id or "the policies", error)
                self._stopping.wait(self._not_before - time.monotonic())
            except Exception:  # noqa: BLE001 - one view that cannot be read must not end a reader.
                is_newest = True
                _log.exception("could not read %s", customer_id or "the policies")
            with self._something:
                self._reading.discard(customer_id)
                self._something.notify()
            if not is_newest:
                self._stopping.wait(0.02)
                self.want(customer_id, urgent=True)

    def _steps(self, customer_id: str) -> Steps[bool]:
        if customer_id == POLICIES:
            return self._reading_policies()
        return self._asking.loading(customer_id)

    def _reading_policies(self) -> Steps[bool]:
        before = self._asking.memory.policies
        yield from self._asking.loading_policies()
        after, tries = self._asking.memory.policies, self._policies_tries
        if not tries or before is None or after is None or before.etag != after.etag:
            self._policies_tries = 0
            return True
        self._policies_tries = tries - 1
        self._stopping.wait(POLICIES_PAUSE_FOR * 2 ** (POLICIES_TRIES - tries))
        return self._policies_tries == 0


class Heard:
    """How far the stream vouches for what is known: the freshness that following promises.

    heard_at: when anything was heard last. covered_since: from when on no change was missed.
    """

    waits = False

    def __init__(self, local: Local) -> None:
        self._local, self._customers = local, frozenset(local.customers)
        self.heard_at = self.covered_since = -float("inf")

    def at_once(self, known: Known, policies: KnownPolicies, now: float) -> str:
        good_from, covered = now - self._local.refresh, self.covered_since + BEHIND_FOR
        good_from = max(good_from, covered)
        is_good = known.read_at >= good_from and policies.read_at >= good_from and now <= known.fresh_until
        return "LOCAL" if is_good and not self._customers and not self._is_silent(now) else ""

    def source_of(self, known: Known | KnownPolicies, now: float) -> str:
        bound = self._local.bound
        if now > known.fresh_until:
            return ""
        if self._is_vouched_for(known, now):
            return "LOCAL"
        return "CACHED" if now - known.read_at <= bound else ""

    def is_due(self, known: Known | KnownPolicies, now: float) -> bool:
        age = now - known.read_at
        if self._is_vouched_for(known, now) and not self._is_silent(now):
            return age > self._local.refresh
        return age > min(self._local.bound / 2, BEHIND_FOR)

    def _is_silent(self, now: float) -> bool:
        """The stream may soon vouch for nothing: whoever is asked about is better read again in time."""
        return now - self.heard_at > self._local.bound * SILENT_PART

    def _is_vouched_for(self, known: Known | KnownPolicies, now: float) -> bool:
        if self._customers and isinstance(known, Known) and known.view.customer_id not in self._customers:
            return False
        return self.is_fresh(now) and known.read_at >= self.covered_since + BEHIND_FOR

    def is_fresh(self, now: float) -> bool:
        """Whether something was heard within the bound."""
        return now - self.heard_at <= self._local.bound


class Follower:
    """Follows GET /v1/changes until stopping is set; resumes where it was. A crash forgets memory with it, so nothing is missed."""

    def __init__(self, local: Local, heard: Heard, readers: Readers, client: Client, stopping: threading.Event) -> None:
        self._local, self._heard, self._readers, self._client, self._stopping = local, heard, readers, client, stopping
        self._lines = EventLines()
        self._memory = readers._asking.memory  # noqa: SLF001
        self._stream: Stream | None = None
        self.listeners: list[Callable[[Change], None]] = []
        #: Called with whether the service is heard, whenever that changes.
        self.on_standing: list[Callable[[bool], None]] = []
        self._was_fresh: bool | None = None
        self.connected = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="entitlements-follower", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop following; stopping is set already."""
        if (stream := self._stream) is not None:
            stream.cut()
        self._thread.join(2.0)

    def _follow(self) -> None:
        pause_for = PAUSE_FOR_MIN
        while not self._stopping.is_set():
            connected_at = time.monotonic()
            try:
                self._listen()
            except OrganizationRequired:
                # The key acts for several: each organization is followed when it is first asked about (organizations.py).
                return
            except EntitlementsError as error:
                # A key that is refused stays so until somebody does something about it; all else comes back by itself.
                level = logging.WARNING if isinstance(error, Unauthenticated | InsufficientScope) else logging.INFO
                _log.log(level, "change stream disconnected: %s", error)
            except Exception:  # noqa: BLE001 - it is connected anew.
                _log.exception("change stream disconnected")
                # What was just told is not taken in: it does not go on behind it.
                self._lines.last_event_id = ""
            pause_for = PAUSE_FOR_MIN if time.monotonic() - connected_at > PAUSE_FOR_MAX else 2 * pause_for
            # A small bound wants to be kept: it is tried often enough to be heard again within it.
            longest = min(PAUSE_FOR_MAX, self._local.bound * PAUSE_PART)
            self._stopping.wait(min(pause_for, longest) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter.
            self._tell_standing()

    def _listen(self) -> None:
        query = [("customer_id", customer) for customer in self._local.customers]
        place = self._lines.last_event_id
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        headers |= {"Last-Event-ID": place} if place else {}
        self._lines.connected()
        with self._client.stream("/v1/changes", query, headers, self._local.bound * SILENT_PART) as stream:
            self._stream, is_up_to_date = stream, False
            for line in stream.lines:
                event = self._lines.feed(line)
                if event is not None:
                    is_up_to_date = is_up_to_date or self._begins(event, resumed=bool(place))
                    self._take(event)
                if is_up_to_date:
                    self._hear()
                    self.connected.set()
                if self._stopping.is_set():
                    return

    def _begins(self, event: ServerEvent, *, resumed: bool) -> bool:
        """Whether all that was missed has been told by now. Before that nothing was heard: what is no stream of ours never says so."""
        if event.name == "hello" and not resumed:
            self._begin_anew()
        return event.name in {"hello", "reset"}

    def _hear(self) -> None:
        self._heard.heard_at = time.monotonic()
        if not self._was_fresh:
            self._tell_standing()

    def _tell_standing(self) -> None:
        is_fresh = self._heard.is_fresh(time.monotonic())
        if is_fresh is not self._was_fresh:
            self._was_fresh = is_fresh
            _call_all(self.on_standing, is_fresh)

    def _begin_anew(self) -> None:
        """Changes may have been missed since something was heard last: whatever is known ages from then on, and is read again."""
        self._memory.vouch(self._heard.covered_since + BEHIND_FOR, self._heard.heard_at)
        self._heard.covered_since = time.monotonic()
        for customer_id in {POLICIES, *self._local.customers, *self._memory.customers()}:
            self._readers.want(customer_id, urgent=True)

    def _take(self, event: ServerEvent) -> None:
        if event.name == "reset":
            self._begin_anew()
        elif event.name == "policies":
            self._readers.policies_changed()
        elif event.name == "invalidate":
            customer_id = event.document().get("customer_id")
            if customer_id is None:
                self._begin_anew()
            elif customer_id in self._memory.views:
                # It names no position that could be waited for: what is read at once may lack it still.
                self._readers.want(customer_id, urgent=True)
                self._readers.want_later(customer_id, BEHIND_FOR)
        elif event.name == "change":
            change = Change.from_document(event.document())
            if change.revokes:
                self._readers._asking.forget(change.customer_id)  # noqa: SLF001
            if self._memory.apply(change, fresh_until=time.monotonic() + self._local.bound):
                self._readers.want(change.customer_id, urgent=True)
            _call_all(self.listeners, change)


def _call_all(listeners: Iterable[Callable[..., None]], *arguments: object) -> None:
    for listener in list(listeners):
        try:
            listener(*arguments)
        except Exception:  # noqa: BLE001 - it is somebody else's.
            _log.exception("change listener failed")
