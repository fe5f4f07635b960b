"""What is answered while the service cannot be asked, by key: always yes, always no, or what was known last, for so long."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from entitlements_client.deciding import Decision, Request
from entitlements_client.errors import EntitlementsError


@dataclass(frozen=True)
class FailOpen:
    """Allow during an outage."""


@dataclass(frozen=True)
class FailClosed:
    """Deny during an outage."""


@dataclass(frozen=True)
class Grace:
    """Use the last known decision for a number of seconds, then deny."""

    seconds: float


FailureMode: TypeAlias = FailOpen | FailClosed | Grace

DEFAULT_MODE: Final = Grace(300.0)

_SENTENCES: Final = {
    "failed_open": "The service gives no answer; {key} is allowed meanwhile.",
    "failed_closed": "The service gives no answer; {key} is refused meanwhile.",
    "grace_is_over": "The service has given no answer for too long, or {key} was never loaded.",
}


#: Refusals that no retry mends, and what to do.
_ADVICE: Final = {
    "unauthenticated": "check the API key",
    "insufficient_scope": "use an API key with the scopes that this needs",
    "organization_required": "name the organization",
    "organization_not_allowed": "use an API key that may act for the organization",
    "unknown_organization": "check the organization",
    "not_found": "check the URL of the service",
    "service_is_away": "check the URL of the service, and that it runs",
}


def why_away(error: EntitlementsError) -> str:
    """What a decision made without the service says of the reason: its code, and what to do."""
    code = error.reason_code
    return f"({code}: {_ADVICE[code]})" if code in _ADVICE else f"({code})"


class FailureModes:
    """The failure mode of each resource key: that of the first matching pattern ("premium_*"), in the given order."""

    def __init__(self, modes: Mapping[str, FailureMode] | None = None, otherwise: FailureMode = DEFAULT_MODE) -> None:
        self._modes = tuple((modes or {}).items())
        self._otherwise = otherwise

    def of(self, resource_key: str) -> FailureMode:
        """The mode of a key."""
        found = (mode for pattern, mode in self._modes if fnmatchcase(resource_key, pattern))
        return next(found, self._otherwise)


def answer_meanwhile(mode: FailureMode, request: Request, last: Decision | None, age: float, why: str = "") -> Decision:
    """The answer without the service. last: what is known still, age: for how many seconds.

    It says STALE where it rests on something known, FALLBACK where it rests on the mode alone.
    """
    if isinstance(mode, Grace) and last is not None and age <= mode.seconds:
        stale = copy(last)
        stale.source = "STALE"
        return stale
    if isinstance(mode, FailOpen):
        return decided(request, "failed_open", allowed=True, source="FALLBACK", why=why)
    code = "grace_is_over" if isinstance(mode, Grace) else "failed_closed"
    return decided(request, code, allowed=False, source="FALLBACK", why=why)


def decided(request: Request, code: str, *, allowed: bool, source: str, why: str = "") -> Decision:
    """A decision that rests on no view. why: what is said beside the sentence of its code."""
    sentence = _SENTENCES.get(code, "{key}: " + code.replace("_", " ") + ".").format(key=request.resource_key)
    return Decision.from_document(
        {
            "allowed": allowed,
            "reason_code": code,
            "sentence": f"{sentence} {why}".strip(),
            "customer_id": request.customer_id,
            "resource_key": request.resource_key,
            "quantity": request.quantity,
            "decided_at": datetime.now(UTC).isoformat(),
        },
        source,
    )
