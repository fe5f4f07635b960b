"""What a request may do.

No scope implies another, `administer` neither: whoever sets up plans and keys has no need to use up what customers have
bought or to read who asked for what, and a key that leaks shall open one door only. A key may have several scopes.

| scope | opens |
|---|---|
| read | questions, views, policies, changes |
| use | usage, events, reservations, and the local decisions that a client reports |
| administer | commands, API keys, dry runs of policies |
| audit | the access log |
"""

from __future__ import annotations

from collections.abc import Iterable

from entitlements.api.auth.errors import InsufficientScope
from entitlements.api.identity import Identity, Scope


def require(identity: Identity, scope: Scope) -> None:
    """Raises InsufficientScope when somebody may not do what needs this scope."""
    if scope not in identity.scopes:
        raise InsufficientScope(scope, identity.scopes)


def require_own(identity: Identity, scopes: Iterable[Scope]) -> None:
    """Raises InsufficientScope when somebody would give away what it may not itself: no key makes one that may do more."""
    for scope in scopes:
        require(identity, scope)
