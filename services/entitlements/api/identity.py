"""Who asks: the organization that a request is made for, and what it may do. Found by an Authenticator (auth/)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Protocol, TypeAlias

from entitlements.errors import EntitlementsError

Scope: TypeAlias = Literal["read", "use", "administer", "audit"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "use", "administer", "audit")
#: For which organizations a key may act by naming them. Empty: for its own alone, and it need not name that.
ActFor: TypeAlias = Literal["all"] | frozenset[str]
OWN: Final[frozenset[str]] = frozenset()


class Unauthenticated(EntitlementsError):
    """Missing or invalid API key."""

    code: ClassVar[str] = "unauthenticated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who asks. requests_per_s and body_bytes_max: what this key may at most."""

    key_id: str
    #: The organization that the request is made for: caches, rates, streams, the ledger and the access log go by it.
    organization_id: str
    #: The organization whose key it is: another one where the key acts for that.
    key_organization_id: str
    scopes: frozenset[str]
    actor: str
    requests_per_s: float
    body_bytes_max: int
    act_for: ActFor = OWN
    #: The unit whose customers alone the key is for, those of units below it included; empty: the whole organization.
    unit_id: str = ""
    #: When the key ends, in seconds since 1970; inf: never, as far as is known, or it is no API key.
    ends_at: float = float("inf")


class Authenticator(Protocol):
    """Tells who asks by the value of the header Authorization. Called for every request, so it remembers."""

    def identify(self, authorization: str) -> Identity:
        """Who asks. Raises Unauthenticated, ServerIsAway."""
        ...
