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


class RateLimited(EntitlementsError):
    """This key asks more often than it may."""

    code: ClassVar[str] = "rate_limited"

    def __init__(self, retry_after_for: float) -> None:
        super().__init__(f"The next request is taken in {retry_after_for:.3f} s.")
        self.retry_after_for = retry_after_for


class BodyTooLarge(EntitlementsError):
    """The body of the request is larger than it may be."""

    code: ClassVar[str] = "body_too_large"
