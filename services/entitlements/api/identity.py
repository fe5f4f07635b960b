"""Who asks: the organization that a request is made for, and what it may do. Found by an Authenticator (auth/)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Protocol, TypeAlias

from entitlements.errors import EntitlementsError

Scope: TypeAlias = Literal["read", "use", "administer", "audit"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "use", "administer", "audit")


class Unauthenticated(EntitlementsError):
    """The request says not who asks, or says it wrongly."""

    code: ClassVar[str] = "unauthenticated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who asks. requests_per_s and body_bytes_max: what this key may at most."""

    key_id: str
    organization_id: str
    scopes: frozenset[str]
    actor: str
    requests_per_s: float
    body_bytes_max: int


class Authenticator(Protocol):
    """Tells who asks by the value of the header Authorization. Called for every request, so it remembers."""

    def identify(self, authorization: str) -> Identity:
        """Who asks. Raises Unauthenticated, ServerIsAway."""
        ...
