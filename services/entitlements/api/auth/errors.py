"""What is refused at the door, before anybody looks at what is asked. (Unauthenticated is identity.py's.)"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from entitlements.errors import EntitlementsError


class InsufficientScope(EntitlementsError):
    """The key or token may not do this."""

    code: ClassVar[str] = "insufficient_scope"

    def __init__(self, needed: str, scopes: Collection[str]) -> None:
        super().__init__(f"This needs the scope {needed}; the key has {', '.join(sorted(scopes)) or 'none'}.")
        self.facts = {"needed": needed}


class ExceedsOwnKey(EntitlementsError):
    """An API key creates no key that lives longer or has a higher rate than itself."""

    code: ClassVar[str] = "exceeds_own_key"


class OrganizationRequired(EntitlementsError):
    """This key acts for several organizations: name one in the header Entitlements-Organization."""

    code: ClassVar[str] = "organization_required"


class OrganizationNotAllowed(EntitlementsError):
    """The key may not act for the organization in the header Entitlements-Organization."""

    code: ClassVar[str] = "organization_not_allowed"


class InvalidOrganization(EntitlementsError):
    """The header Entitlements-Organization is invalid."""

    code: ClassVar[str] = "invalid_organization"


class UnknownOrganization(EntitlementsError):
    """There is no such organization. Opening its first pool creates it."""

    code: ClassVar[str] = "unknown_organization"


class OutsideUnit(EntitlementsError):
    """The key is bound to a unit of the organization, and this is not about customers of that unit."""

    code: ClassVar[str] = "outside_unit"


class RateLimited(EntitlementsError):
    """This key asks more often than it may."""

    code: ClassVar[str] = "rate_limited"

    def __init__(self, retry_after_for: float) -> None:
        super().__init__(f"The next request is taken in {retry_after_for:.3f} s.")
        self.retry_after_for = retry_after_for


class BodyTooLarge(EntitlementsError):
    """The body of the request is larger than it may be."""

    code: ClassVar[str] = "body_too_large"


class RequestTimeout(EntitlementsError):
    """The body of the request did not arrive in time."""

    code: ClassVar[str] = "request_timeout"


class TooManyRequests(EntitlementsError):
    """Too many requests of this organization are under way at once."""

    code: ClassVar[str] = "too_many_requests"
