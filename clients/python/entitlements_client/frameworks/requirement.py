"""What the frameworks share: which question a request asks, what a refusal says, and what is recorded when it went well."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, Literal, TypeAlias, TypeVar

from entitlements_client.asking.asking import AWAY
from entitlements_client.asking.facades import AsyncEntitlements, Entitlements, Shared
from entitlements_client.deciding import Context, Decision, Request
from entitlements_client.deciding.decision import REVOKED_JUST_NOW
from entitlements_client.errors import BufferIsFull, ClientIsClosed, EntitlementsError
from entitlements_client.leasing.admitting import may_draw
from entitlements_client.leasing.lease import Lease

R = TypeVar("R")

#: Recorded: nothing; after a successful answer, by the usage buffer; or before it, by a lease, so that a strict limit stays strict.
RecordUsage: TypeAlias = Literal[False, "after", "lease"]
FORBIDDEN: Final = 403
UNAVAILABLE: Final = 503
#: Seconds after which a client may try again that met an outage: the service is tried about once a second meanwhile.
RETRY_AFTER: Final = 5
#: An answer with a status below this was a success.
FAILED: Final = 400

#: What goes wrong on our side, whoever the customer is.
OUTAGES: Final = (*AWAY, ClientIsClosed)
#: What says nothing about the customer that an upgrade would mend: what keeps a lease from handing units out; and what was revoked
#: for a reason that is not known yet.
NOT_THE_CUSTOMERS: Final = frozenset({"client_is_closed", "too_many_reservations", REVOKED_JUST_NOW})

_log = logging.getLogger(__name__)


class Refusal(Exception):
    """A view is not reached; what is answered instead."""

    status: ClassVar[int]
    headers: ClassVar[Mapping[str, str]] = {}

    def document(self) -> dict[str, Any]:
        """The body of the answer, as JSON."""
        raise NotImplementedError


class EntitlementsUnavailable(Refusal):
    """The entitlement could not be checked, and the failure mode of the key denies."""

    status = UNAVAILABLE
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": str(RETRY_AFTER)}

    def __init__(self, resource_key: str, reason_code: str, message: str) -> None:
        super().__init__(message)
        self.resource_key, self.reason_code, self.message = resource_key, reason_code, message

    def document(self) -> dict[str, Any]:
        """What the answer 503 says: nothing of an upgrade."""
        return {
            "error": "entitlements_unavailable",
            "required_entitlement": self.resource_key,
            "reason_code": self.reason_code,
            "message": self.message,
            "retry_after": RETRY_AFTER,
        }


class EntitlementRequired(Refusal):
    """The customer lacks the required entitlement."""

    status = FORBIDDEN

    def __init__(self, decision: Decision, upgrade_url: str) -> None:
        super().__init__(decision.sentence)
        self.decision, self.upgrade_url = decision, upgrade_url

    def document(self) -> dict[str, Any]:
        """What the answer 403 says."""
        return {
            "error": "entitlement_required",
            "required_entitlement": self.decision.resource_key,
            "upgrade_url": self.upgrade_url,
            "reason_code": self.decision.reason_code,
            "message": self.decision.sentence,
        }


@dataclass(frozen=True, kw_only=True)
class Asked(Generic[R]):
    """How requests of a framework are mapped to checks.

    customer     the customer of a request
    subject      the subject (user) in it; None: none
    context      the context for access policies; None: none
    organization the customer's organization, for a key that acts for several; None: that of the key
    upgrade_url  where a refused customer can upgrade: one URL, or a function of the resource key
    """

    entitlements: Entitlements | AsyncEntitlements
    customer: Callable[[R], str]
    subject: Callable[[R], str] | None = None
    context: Callable[[R], Context] | None = None
    upgrade_url: str | Callable[[str], str] = ""
    organization: Callable[[R], str] | None = None

    def entitlements_for(self, request: R) -> Entitlements | AsyncEntitlements:
        """Whom to ask about a request."""
        if self.organization is None:
            return self.entitlements
        return self.entitlements.for_organization(self.organization(request))

    def url_for(self, resource_key: str) -> str:
        """Where a refused customer can get a key."""
        return self.upgrade_url if isinstance(self.upgrade_url, str) else self.upgrade_url(resource_key)


@dataclass(frozen=True, kw_only=True)
class Requirement(Generic[R]):
    """What a view requires. quantity: how much of it each request uses; of a feature nothing."""

    resource_key: str
    record_usage: RecordUsage = False
    quantity: int | Callable[[R], int] | None = None

    def passing(self, asked: Asked[R], request: R) -> Generator[Question, Decision, Passed]:
        """Let a request pass, or raise a Refusal. Asks its one question by yielding it: the caller waits or awaits."""
        quantity = self.quantity(request) if callable(self.quantity) else self.quantity
        if self.record_usage and quantity is None:
            quantity = 1
        customer = asked.customer(request)
        subject = asked.subject(request) if asked.subject else ""
        context = asked.context(request) if asked.context else None
        wish = Request(customer, self.resource_key, quantity, subject, "", context)
        try:
            entitlements = asked.entitlements_for(request)
        except OUTAGES as error:
            raise _unavailable(self, error) from error
        decision = yield Question(entitlements, wish, takes=self.record_usage == "lease")
        if not decision.allowed and _is_outage(decision):
            raise EntitlementsUnavailable(self.resource_key, decision.reason_code, decision.sentence)
        if not decision.allowed:
            raise EntitlementRequired(decision, asked.url_for(self.resource_key))
        return Passed(entitlements, wish, decision, self.record_usage)


@dataclass(frozen=True)
class Question:
    """What has to be asked. takes: the quantity is then taken from a lease."""

    entitlements: Shared
    request: Request
    takes: bool

    def answer(self) -> Decision:
        """Wait for the answer. Only who is allowed draws on the lease, which knows neither policies nor subjects."""
        assert isinstance(self.entitlements, Entitlements), (
            "a view that waits needs Entitlements, not AsyncEntitlements"
        )
        decision = self.entitlements.decide(self.request, draws=self.takes)
        if self.takes and may_draw(self.request, decision):
            return self._take().take(self.request.quantity or 1)
        return decision

    async def answer_later(self) -> Decision:
        """As answer, to be awaited."""
        assert isinstance(self.entitlements, AsyncEntitlements), "a view that is awaited needs AsyncEntitlements"
        decision = await self.entitlements.decide(self.request, draws=self.takes)
        if self.takes and may_draw(self.request, decision):
            return await self._take().take_async(self.request.quantity or 1)
        return decision

    def _take(self) -> Lease:
        return self.entitlements.lease(self.request.customer_id, self.request.resource_key)


@dataclass(frozen=True)
class Passed:
    """A request that was let pass; what is done when its answer is known."""

    entitlements: Shared
    request: Request
    decision: Decision
    record_usage: RecordUsage

    def ended(self, status: int | None) -> None:
        """The answer had a status; None: there was none. A success is recorded; what a failure took from a lease is given back.

        The answer stays as it is, though the client may have been closed meanwhile: usage then waits on disk for the next start.
        """
        succeeded = status is not None and status < FAILED
        quantity, wish = self.request.quantity or 1, self.request
        if self.record_usage == "after" and succeeded:
            try:
                self.entitlements.report_usage(
                    wish.customer_id, wish.resource_key, quantity, subject_id=wish.subject_id
                )
            except BufferIsFull:
                _log.exception("usage not recorded: %s of %s by %s", quantity, wish.resource_key, wish.customer_id)
        elif self.record_usage == "lease" and not succeeded and self.decision.source == "LEASE":
            self.entitlements.lease(wish.customer_id, wish.resource_key).give_back(quantity)


def _is_outage(decision: Decision) -> bool:
    """Whether a refusal does not say what the customer lacks: the failure mode's, a lease that cannot be had now, an unread reason."""
    return decision.source == "FALLBACK" or decision.reason_code in NOT_THE_CUSTOMERS


def pass_waiting(requirement: Requirement[R], asked: Asked[R], request: R) -> Passed:
    """Let a request pass; raises a Refusal."""
    steps = requirement.passing(asked, request)
    question = next(steps)
    try:
        decision = question.answer()
    except OUTAGES as error:
        raise _unavailable(requirement, error) from error
    return _end(steps, decision)


async def pass_awaiting(requirement: Requirement[R], asked: Asked[R], request: R) -> Passed:
    """Let a request pass; raises a Refusal."""
    steps = requirement.passing(asked, request)
    question = next(steps)
    try:
        decision = await question.answer_later()
    except OUTAGES as error:
        raise _unavailable(requirement, error) from error
    return _end(steps, decision)


def _unavailable(requirement: Requirement[Any], error: EntitlementsError) -> EntitlementsUnavailable:
    return EntitlementsUnavailable(requirement.resource_key, error.reason_code, str(error))


def _end(steps: Generator[Question, Decision, Passed], decision: Decision) -> Passed:
    try:
        steps.send(decision)
    except StopIteration as end:
        passed: Passed = end.value
        return passed
    raise AssertionError("a requirement can be checked once")
