"""What can go wrong when the service is asked: the tree is the table of contents.

EntitlementsError
├── Refused                  a rule of the service says no; `code` says which
│   ├── NotEntitled          no active plan includes the key
│   │   └── ProvisionSuspended   what includes it is suspended, as for a payment that is past due
│   ├── QuotaExceeded        not so much is left; `remaining` says how much is, where the service said it
│   └── UnknownReservation   it was committed, released or has expired
├── RequestError             the request cannot be answered as it is: repeating it changes nothing
│   ├── IdempotencyKeyReused the key stands for another request already
│   ├── NotFound             there is no such thing, or it belongs to another organization
│   ├── Unauthenticated      the API key is missing, unknown, expired or revoked
│   ├── InsufficientScope    the API key may not do this
│   ├── OrganizationRequired, OrganizationNotAllowed, UnknownOrganization   of a key that acts for several: organization=...
│   ├── OutsideUnit          the API key is bound to a unit, and the customer is in none of it
│   └── BodyTooLarge
├── ServiceIsAway            no answer in time; nothing was changed
│   ├── RateLimited          the API key asks too often
│   └── NotReachedYet        the read models do not show the wanted position yet
├── OutcomeUnknown           it may have happened or not: repeat with the same `idempotency_key`
├── BufferIsFull             usage.py: as much waits on disk as may
└── ClientIsClosed           something was asked of what has been closed
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class EntitlementsError(Exception):
    """The request failed.

    code is stable; problem is the service's problem document (RFC 9457), or empty. The text is the service's own where there is
    one, else the first line of the class, followed by detail.
    """

    code: ClassVar[str] = "error"

    def __init__(self, detail: str = "", problem: Mapping[str, Any] | None = None, status: int = 0) -> None:
        stated = str((problem or {}).get("detail") or (problem or {}).get("title") or "")
        said = (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(stated if stated and not detail else f"{said} {detail}".strip())
        self.problem: Mapping[str, Any] = problem or {}
        self.status = status

    @property
    def reason_code(self) -> str:
        """The code that the service gave, else that of the class."""
        return str(self.problem.get("code") or self.code)


class Refused(EntitlementsError):
    """The request was refused."""

    code = "refused"


class NotEntitled(Refused):
    """The customer is not entitled to the key."""

    code = "not_entitled"


class ProvisionSuspended(NotEntitled):
    """The plan that includes the key is suspended."""

    code = "provision_suspended"


class QuotaExceeded(Refused):
    """The quantity exceeds the remaining amount."""

    code = "quota_exceeded"

    @property
    def remaining(self) -> int | None:
        """How much is left; None: the service did not say."""
        found = self.problem.get("remaining")
        return found if isinstance(found, int) else None


class UnknownReservation(Refused):
    """No such open reservation: it was committed, released or has expired."""

    code = "unknown_reservation"


class RequestError(EntitlementsError):
    """Invalid request."""

    code = "invalid_request"


class IdempotencyKeyReused(RequestError):
    """The idempotency key was already used with a different request."""

    code = "idempotency_key_reused"


class NotFound(RequestError):
    """Not found."""

    code = "not_found"


class Unauthenticated(RequestError):
    """Missing or invalid API key."""

    code = "unauthenticated"


class InsufficientScope(RequestError):
    """The API key lacks the required scope."""

    code = "insufficient_scope"


class OrganizationRequired(RequestError):
    """The API key acts for several organizations: pass organization=..."""

    code = "organization_required"


class OrganizationNotAllowed(RequestError):
    """The API key cannot act for this organization."""

    code = "organization_not_allowed"


class UnknownOrganization(RequestError):
    """No such organization. Opening its first pool creates it."""

    code = "unknown_organization"


class OutsideUnit(RequestError):
    """The API key is limited to customers of a unit."""

    code = "outside_unit"


class BodyTooLarge(RequestError):
    """The request is too large."""

    code = "body_too_large"


class ServiceIsAway(EntitlementsError):
    """The service is unreachable."""

    code = "service_is_away"


class RateLimited(ServiceIsAway):
    """The rate limit of the API key is exceeded."""

    code = "rate_limited"


class NotReachedYet(ServiceIsAway):
    """The read models have not reached the requested position yet."""

    code = "not_reached_yet"


class OutcomeUnknown(EntitlementsError):
    """Timeout: the request may or may not have taken effect. Retry with the same idempotency key."""

    code = "outcome_unknown"

    def __init__(
        self,
        detail: str = "",
        problem: Mapping[str, Any] | None = None,
        status: int = 0,
        idempotency_key: str = "",
    ) -> None:
        super().__init__(detail, problem, status)
        self.idempotency_key = idempotency_key


class BufferIsFull(EntitlementsError):
    """The usage buffer on disk is full; the usage was not recorded."""

    code = "buffer_is_full"


class ClientIsClosed(EntitlementsError):
    """The client is closed."""

    code = "client_is_closed"


_BY_CODE: dict[str, type[EntitlementsError]] = {
    error.code: error
    for error in (
        NotEntitled, ProvisionSuspended, QuotaExceeded, UnknownReservation, IdempotencyKeyReused, NotFound, Unauthenticated,
        InsufficientScope, OrganizationRequired, OrganizationNotAllowed, UnknownOrganization, OutsideUnit,
        BodyTooLarge, RateLimited, NotReachedYet, OutcomeUnknown,
    )
}  # fmt: skip
_BY_STATUS: dict[int, type[EntitlementsError]] = {
    401: Unauthenticated,
    403: InsufficientScope,
    404: NotFound,
    409: Refused,
    413: BodyTooLarge,
    429: RateLimited,
    504: OutcomeUnknown,
}


def error_of(status: int, problem: Mapping[str, Any]) -> EntitlementsError:
    """The error that a problem document stands for: by its code, else by the status of the answer."""
    otherwise = ServiceIsAway if status >= 500 else RequestError
    kind = _BY_CODE.get(str(problem.get("code", ""))) or _BY_STATUS.get(status, otherwise)
    return kind("" if problem.get("detail") or problem.get("title") else f"(HTTP {status})", problem, status)
