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

from datetime import UTC, datetime

from entitlements.api.auth.errors import ExceedsOwnKey, InsufficientScope
from entitlements.api.identity import Identity, Scope
from entitlements.domain.governance_commands import CreateApiKey


def require(identity: Identity, scope: Scope) -> None:
    """Raises InsufficientScope when somebody may not do what needs this scope."""
    if scope not in identity.scopes:
        raise InsufficientScope(scope, identity.scopes)


def require_own(identity: Identity, command: CreateApiKey, default_requests_per_s: float) -> None:
    """Hold a key that is to be made to the one that makes it. Raises InsufficientScope, ExceedsOwnKey.

    No key makes one that may do more, lives longer or asks faster: else one that leaks for a day would be one for ever. Bearer tokens end
    within minutes and people need keys that do not, so of theirs the scopes alone count. The operator's command line asks nobody.
    """
    for scope in command.scopes:
        require(identity, scope)
    ends_at = float("inf") if command.expires_at is None else command.expires_at.timestamp()
    if ends_at > identity.ends_at:
        until = datetime.fromtimestamp(identity.ends_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        raise ExceedsOwnKey(f"This key expires at {until}; set expires_at to that or earlier.")
    requests_per_s = command.requests_per_s or default_requests_per_s
    if requests_per_s > identity.requests_per_s:
        raise ExceedsOwnKey(
            f"This key has {identity.requests_per_s:g} requests/s, the new key would have {requests_per_s:g}; lower requests_per_s."
        )
