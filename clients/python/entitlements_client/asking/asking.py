"""A decision from memory where that may be relied on, else the steps to find one out. No input or output."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from entitlements_client.asking.failing import FailureModes, answer_meanwhile, why_away
from entitlements_client.asking.memory import Known, KnownPolicies, Memory, includes, positions
from entitlements_client.asking.nobody import decide_on_nobody, may_exist
from entitlements_client.asking.overruling import refused_for_all
from entitlements_client.deciding import NO_POLICIES, Decision, PolicyIsInvalid, PolicySet, Request, decide
from entitlements_client.deciding.decide import RESET_IS_DUE, VALID_UNTIL_OVER
from entitlements_client.deciding.instants import seconds_of
from entitlements_client.errors import (
    EntitlementsError,
    InsufficientScope,
    NotFound,
    OutcomeUnknown,
    ServiceIsAway,
    Unauthenticated,
)
from entitlements_client.transport.attempts import Steps
from entitlements_client.transport.methods import LINES_MAX, ask, check_all, entitlements, policy_set

_log = logging.getLogger(__name__)

#: Seconds for which nobody waits for a service that did not answer just now: a part of it by chance, so that not all ask at once.
AWAY_FOR: Final = 1.0
#: Seconds without a failed question after which an outage is a new one.
SILENT_FOR: Final = 60.0
#: Decisions of the service that are remembered for a grace.
REMEMBERED_MAX: Final = 10_000
#: Whatever keeps the service from answering. What is wrong with a request itself is raised.
AWAY: Final = (ServiceIsAway, OutcomeUnknown, Unauthenticated, InsufficientScope)


#: Seconds after which a view is read again of which a reset is due.
RESET_AGAIN_FOR: Final = 1.0
_NEVER: Final = float("inf")
_NOTHING: Final[tuple[Decision | None, float, float]] = (None, 0.0, _NEVER)
_STALENESS: Final = {"LOCAL": 0, "CACHED": 1, "STALE": 2, "": 3}


class Freshness(Protocol):
    """How far what is known may be relied on: what a way to decide promises."""

    def at_once(self, known: Known, policies: KnownPolicies, now: float) -> str:
        """What an answer by both says where both are good and neither is due; empty: look closer. Called for every question."""
        ...

    def source_of(self, known: Known | KnownPolicies, now: float) -> str:
        """LOCAL, CACHED or STALE: what an answer by it says. Empty: it must not be relied on."""
        ...

    def is_due(self, known: Known | KnownPolicies, now: float) -> bool:
        """Whether it should be read again, behind the answers."""
        ...

    #: Whether somebody may be made to wait for a view that is known, but not fresh.
    waits: bool


class Never:
    """Nothing is relied on: the service decides."""

    waits = True

    def at_once(self, known: Known, policies: KnownPolicies, now: float) -> str:  # noqa: ARG002
        return ""

    def source_of(self, known: Known | KnownPolicies, now: float) -> str:  # noqa: ARG002
        return ""

    def is_due(self, known: Known | KnownPolicies, now: float) -> bool:  # noqa: ARG002
        return False


class ByAge:
    """What is remembered is relied on for ttl seconds, and given out as STALE for stale_for more."""

    waits = True

    def __init__(self, ttl: float, stale_for: float) -> None:
        self._ttl, self._stale_for = ttl, stale_for

    def at_once(self, known: Known, policies: KnownPolicies, now: float) -> str:
        good_from = now - self._ttl
        return "CACHED" if known.read_at >= good_from and policies.read_at >= good_from else ""

    def source_of(self, known: Known | KnownPolicies, now: float) -> str:
        age = now - known.read_at
        if age <= self._ttl:
            return "CACHED"
        return "STALE" if age <= self._ttl + self._stale_for else ""

    def is_due(self, known: Known | KnownPolicies, now: float) -> bool:
        return now - known.read_at > self._ttl


class Asking:
    """What both facades share: everything but sending.

    wants is called with a customer whose view should be read again in the background; the empty customer: the policies.
    """

    def __init__(
        self,
        memory: Memory,
        freshness: Freshness,
        modes: FailureModes,
        *,
        decides_here: bool,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.memory = memory
        self.wants: Callable[[str], None] = lambda _: None
        self._freshness, self._modes, self._decides_here = freshness, modes, decides_here
        self._clock, self._wall = clock, wall
        self._away_until = 0.0
        self._why_away = ""
        self._remembering = threading.Lock()
        #: Each with the instant at which it was decided, and that (of the wall clock) from which on it says nothing any more.
        self._remembered: dict[tuple[object, ...], tuple[Decision | None, float, float]] = {}

    def known(self, request: Request) -> Decision | None:
        """The decision that needs nobody else; None: it has to be found out."""
        known = self.memory.views.get(request.customer_id)
        now = self._clock()
        if known is not None and (policies := self.memory.policies) is not None:
            source = self._freshness.at_once(known, policies, now) or self._source(known, policies, now)
            if source:
                decision = decide(known.view, policies.policies, request, self._wall(), source)
                if not decision.needs_service:
                    return decision
                if decision.needs_service == RESET_IS_DUE:
                    if now - known.read_at > RESET_AGAIN_FOR:
                        self.wants(request.customer_id)
                    if decision.allowed:
                        return decision
            elif not self._freshness.waits:
                return self._meanwhile(request, now)
        elif known is None and not may_exist(request.customer_id):
            policies = self.memory.policies
            return decide_on_nobody(request, NO_POLICIES if policies is None else policies.policies, self._wall())
        return self._meanwhile(request, now) if now < self._away_until else None

    def _source(self, known: Known, policies: KnownPolicies, now: float) -> str:
        """How far an answer by a view and the policies may be relied on: as far as the one of them that is staler."""
        freshness = self._freshness
        if freshness.is_due(known, now):
            self.wants(known.view.customer_id)
        if freshness.is_due(policies, now):
            self.wants("")
        of_view, of_policies = freshness.source_of(known, now), freshness.source_of(policies, now)
        if of_view == of_policies:
            return of_view
        return max(of_view, of_policies, key=_STALENESS.__getitem__)

    def finding_out(self, request: Request) -> Steps[Decision]:
        """Read what is missing, and let the service decide what cannot be decided here."""
        try:
            if self._decides_here and (yield from self._loading_what_is_missing(request.customer_id)):
                known = self.known(request)
                if known is not None:
                    return known
            decision: Decision = yield ask(request)
        except (*AWAY, NotFound) as error:
            self._is_away(error)
            return self._meanwhile(request, self._clock())
        self._remember(request, decision)
        return decision

    def finding_out_all(self, requests: Sequence[Request]) -> Steps[list[Decision]]:
        """A decision on each of many requests; what only the service can decide it decides in one go."""
        found = [self.known(request) for request in requests]
        if self._decides_here:
            for place, request in enumerate(requests):
                found[place] = found[place] or (yield from self.finding_out(request))
        missing = [place for place, decision in enumerate(found) if decision is None]
        for first in range(0, len(missing), LINES_MAX):
            places = missing[first : first + LINES_MAX]
            try:
                decisions = yield check_all([requests[place] for place in places])
            except (*AWAY, NotFound) as error:
                self._is_away(error)
                decisions = [self._meanwhile(requests[place], self._clock()) for place in places]
            else:
                for place, decision in zip(places, decisions, strict=True):
                    self._remember(requests[place], decision)
            for place, decision in zip(places, decisions, strict=True):
                found[place] = decision
        return [decision for decision in found if decision is not None]

    def loading(self, customer_id: str) -> Steps[bool]:
        """Read the view of a customer again. Whether it is the newest that was heard of."""
        asked_at, known = self._clock(), self.memory.views.get(customer_id)
        etag = "" if known is None else known.etag
        fetched = yield entitlements(customer_id, etag=etag, consistency=self.memory.wanted(customer_id))
        if fetched.value is None:
            self.memory.confirm(customer_id, etag, asked_at)
            return True
        return self.memory.keep(Known(fetched.value, fetched.etag, asked_at - (fetched.value.as_of.lag_ms or 0) / 1000))

    def loading_policies(self) -> Steps[bool]:
        """Read the policies again. False: a policy says something that this version of the client does not know; the service decides."""
        asked_at, known = self._clock(), self.memory.policies
        fetched = yield policy_set(etag="" if known is None else known.etag)
        if fetched.value is not None:
            try:
                compiled = PolicySet.compile(fetched.value)
            except PolicyIsInvalid as error:
                _log.warning("local policies disabled, every decision goes to the service: %s", error)
                self.memory.forget_policies()
                return False
            self.memory.keep_policies(KnownPolicies(compiled, fetched.etag, asked_at))
        elif known is not None:
            self.memory.keep_policies(KnownPolicies(known.policies, known.etag, asked_at))
        return True

    def _loading_what_is_missing(self, customer_id: str) -> Steps[bool]:
        """Read what may not be relied on. Whether it can be decided here now; not where all was there already, and could not tell."""
        lacks_policies = self._is_missing(self.memory.policies)
        lacks_view = self._is_missing(self.memory.views.get(customer_id))
        if lacks_policies and not (yield from self.loading_policies()):
            return False
        if lacks_view:
            yield from self.loading(customer_id)
        return lacks_policies or lacks_view

    def _is_missing(self, known: Known | KnownPolicies | None) -> bool:
        return known is None or not self._freshness.source_of(known, self._clock())

    def _is_away(self, error: EntitlementsError) -> None:
        if isinstance(error, NotFound) and error.reason_code != NotFound.code:
            raise error  # Something that the request names. Else the service has no such path: its URL is wrong.
        why, now = why_away(error), self._clock()
        if why != self._why_away or now > self._away_until + SILENT_FOR:  # Once for an outage, not for every question.
            _log.warning("no answer from the service, failure modes decide: %s %s", error, why)
        self._why_away = why
        self._away_until = now + AWAY_FOR * random.uniform(0.5, 1.0)  # noqa: S311 - jitter.

    def _meanwhile(self, request: Request, now: float) -> Decision:
        last, known_at = self._last(request)
        mode = self._modes.of(request.resource_key)
        return answer_meanwhile(mode, request, last, now - known_at, self._why_away)

    def _last(self, request: Request) -> tuple[Decision | None, float]:
        """What is known still of a request, and since when. What has ended in the meantime says nothing; a reset ends nothing.

        Without the policies a view says too little: one of them may deny what it has.
        """
        known, policies, now_s = self.memory.views.get(request.customer_id), self.memory.policies, self._wall()
        if known is not None and policies is not None:
            decision = decide(known.view, policies.policies, request, now_s, "STALE")
            if decision.needs_service in {"", RESET_IS_DUE}:
                return decision, min(known.read_at, policies.read_at)
        last, known_at, ends_s = self._remembered.get(_identity(request), _NOTHING)
        if last is None or now_s >= ends_s:
            return _NOTHING[:2]
        if last.allowed and known is not None and policies is not None:
            refused = refused_for_all(known, policies, request, now_s, last, known_at)
            if refused is not None:
                has_ended = refused.needs_service == VALID_UNTIL_OVER
                return _NOTHING[:2] if has_ended else (refused, min(known.read_at, policies.read_at))
        return last, known_at

    def forget(self, customer_id: str) -> None:
        """Something was taken from a customer: what the service decided of it before is no longer known."""
        with self._remembering:
            for key in [key for key in self._remembered if key[0] == customer_id]:
                del self._remembered[key]

    def _remember(self, request: Request, decision: Decision) -> None:
        if not includes(positions(decision.as_of.position), positions(self.memory.wanted(request.customer_id))):
            return  # Something newer was heard of in the meantime.
        key, ends_s = _identity(request), seconds_of(decision.ends_at)
        with self._remembering:
            self._remembered.pop(key, None)
            self._remembered[key] = (decision, self._clock(), _NEVER if ends_s is None else ends_s)
            while len(self._remembered) > REMEMBERED_MAX:
                del self._remembered[next(iter(self._remembered))]


def _identity(request: Request) -> tuple[object, ...]:
    """What makes two requests the same: everything but their name and time."""
    said = "" if request.context is None else request.context.to_document() | {"request_id": None, "timestamp": None}
    context = json.dumps(said, sort_keys=True, default=str)
    return (request.customer_id, request.resource_key, request.quantity, request.subject_id, request.action, context)
