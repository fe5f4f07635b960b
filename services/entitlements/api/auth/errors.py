"""What is refused at the door, before anybody looks at what is asked. (Unauthenticated is identity.py's.)"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from entitlements.errors import EntitlementsError


class InsufficientScope(EntitlementsError):
    """The key or token lacks the required scope."""

    code: ClassVar[str] = "insufficient_scope"

    def __init__(self, needed: str, scopes: Collection[str]) -> None:
        super().__init__(
            f"The request needs the scope {needed}; the API key has {', '.join(sorted(scopes)) or 'none'}. Create a key that has it: "
            f"`entitlements api-key create --organization ORGANIZATION --scope {needed}`."
        )
        self.facts = {"needed": needed}


class ExceedsOwnKey(EntitlementsError):
    """A key cannot create a key with a later expiry or a higher rate limit than its own."""

    code: ClassVar[str] = "exceeds_own_key"


class OrganizationRequired(EntitlementsError):
    """This key acts for several organizations: set the header Entitlements-Organization."""

    code: ClassVar[str] = "organization_required"


class OrganizationNotAllowed(EntitlementsError):
    """The key cannot act for the organization in the header Entitlements-Organization."""

    code: ClassVar[str] = "organization_not_allowed"


class InvalidOrganization(EntitlementsError):
    """The header Entitlements-Organization is invalid."""

    code: ClassVar[str] = "invalid_organization"


class UnknownOrganization(EntitlementsError):
    """No such organization. Opening its first pool creates it."""

    code: ClassVar[str] = "unknown_organization"


class OutsideUnit(EntitlementsError):
    """The key is limited to customers of a unit of the organization."""

    code: ClassVar[str] = "outside_unit"


class RateLimited(EntitlementsError):
    """The rate limit of the key is exceeded."""

    code: ClassVar[str] = "rate_limited"

    def __init__(self, retry_after_for: float, requests_per_s: float) -> None:
        super().__init__(f"Retry in {retry_after_for:.3f} s; the maximum is {requests_per_s:g} requests/s.")
        self.retry_after_for = retry_after_for
        self.facts = {"bound": "requests_per_s", "maximum": max(1, round(requests_per_s))}


class BodyTooLarge(EntitlementsError):
    """The request body is too large."""

    code: ClassVar[str] = "body_too_large"


class UnsupportedEncoding(EntitlementsError):
    """The body is compressed."""

    code: ClassVar[str] = "unsupported_media_type"


class OperatorOnly(EntitlementsError):
    """Only the operator can define the catalogue. Use an API key of the operator's organization, or one that acts for it."""

    code: ClassVar[str] = "operator_only"


class RequestTimeout(EntitlementsError):
    """The request body did not arrive in time."""

    code: ClassVar[str] = "request_timeout"


class TooManyRequests(EntitlementsError):
    """Too many concurrent requests from this organization."""

    code: ClassVar[str] = "too_many_requests"

    def __init__(self, detail: str, bound: str, maximum: int) -> None:
        super().__init__(detail)
        self.facts = {"bound": bound, "maximum": maximum}


class TooManyPoolsOfOrganization(EntitlementsError):
    """The organization has too many pools."""

    code: ClassVar[str] = "too_many_pools_of_organization"

    def __init__(self, maximum: int) -> None:
        super().__init__(f"The maximum is {maximum}, including closed ones. Ask the operator to raise it.")
        self.facts = {"bound": "pools", "maximum": maximum}
