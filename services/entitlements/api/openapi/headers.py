"""The request headers of routes. A route declares with `takes` which ones it honours; reading another one fails (`require_taken`).

So the document cannot leave one out. A GET that declares nothing takes `Entitlements-Consistency`, as reads do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

ORGANIZATION: Final = "Entitlements-Organization"
CONSISTENCY: Final = "Entitlements-Consistency"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
PREFER: Final = "Prefer"
IF_NONE_MATCH: Final = "If-None-Match"
LAST_EVENT_ID: Final = "Last-Event-ID"
#: The attributes of a CloudEvent in binary mode.
CE_ATTRIBUTES: Final = ("ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time")
#: Of a route that changes something, and can say so later.
CHANGES: Final = (IDEMPOTENCY_KEY, PREFER)

_TAKEN: Final = "headers_taken"
_READS: Final = frozenset({CONSISTENCY})
_ID: Final = {"type": "string", "minLength": 1, "maxLength": 128}
#: As `asking.key_of` reads it: spaces around the value of a header are none of it, and `~` is of ids that are derived.
_CHOSEN_ASCII: Final = "^[!-}]([ -~]*[!-~])?$"
#: A percent-encoded byte is three characters, and an id has at most 128 characters of 4 bytes.
_ENCODED_MAX: Final = 128 * 4 * 3

#: Every header, as the document's components tell it. Without examples: pages fill them in and send them.
PARAMETERS: Final[Mapping[str, dict[str, Any]]] = {
    ORGANIZATION: {
        "description": "The organization the request is for, percent-encoded, such as `acme-inc`. Required for a key with `act_for`.",
        "schema": {"type": "string", "minLength": 1, "maxLength": _ENCODED_MAX},
    },
    CONSISTENCY: {
        "description": "A consistency token from the response to a change, such as `3:201`. The response includes that change; the request waits for it, or is answered with 409 `not_reached_yet`.",
        "schema": {"type": "string", "pattern": r"^[0-9]{1,6}:[0-9]{1,18}(, *[0-9]{1,6}:[0-9]{1,18})*$"},
    },
    IDEMPOTENCY_KEY: {
        "description": "Makes the request safe to repeat: with the same key it takes effect once, and repeats get the original response. Kept for 24 hours.",
        "schema": _ID | {"pattern": _CHOSEN_ASCII},
    },
    PREFER: {
        "description": "`respond-async`: respond with 202 when the request is in the log, without waiting for the decision (RFC 7240).",
        "schema": {"type": "string"},
    },
    IF_NONE_MATCH: {
        "description": "The `ETag` of an earlier response: 304 without a body if nothing has changed.",
        "schema": {"type": "string"},
    },
    LAST_EVENT_ID: {
        "description": "The id of the last event received. The stream resumes after it.",
        "schema": {"type": "string", "pattern": r"^([ce][0-9]{1,6}:[0-9]{1,18}(,[ce][0-9]{1,6}:[0-9]{1,18})*)?$"},
    },
    "ce-specversion": {
        "description": "Binary mode: version of CloudEvents.",
        "schema": {"type": "string", "enum": ["1.0"]},
    },
    "ce-id": {
        "description": "Binary mode: id of the event, percent-encoded, unique within `ce-source`. The same id counts once.",
        "schema": {"type": "string", "minLength": 1},
    },
    "ce-source": {
        "description": "Binary mode: sender of the event, percent-encoded.",
        "schema": {"type": "string", "minLength": 1},
    },
    "ce-type": {
        "description": "Binary mode: type of the event.",
        "schema": {"type": "string", "minLength": 1},
    },
    "ce-subject": {
        "description": "Binary mode: the customer, percent-encoded, unless the data contains it.",
        "schema": {"type": "string", "maxLength": _ENCODED_MAX},
    },
    "ce-time": {
        "description": "Binary mode: when it happened, RFC 3339. Default: when it is recorded.",
        "schema": {"type": "string"},
    },
}


def takes(*names: str) -> Callable[[F], F]:
    """Declare the headers that a route honours, beside `Entitlements-Organization`, which all do."""
    assert set(names) <= PARAMETERS.keys(), "the document tells nothing of one of these"

    def declare(endpoint: F) -> F:
        setattr(endpoint, _TAKEN, frozenset(names))
        return endpoint

    return declare


def taken_by(endpoint: Any, method: str) -> frozenset[str]:
    """The headers that a route honours."""
    found: frozenset[str] = getattr(endpoint, _TAKEN, _READS if method == "GET" else frozenset())
    return found


def require_taken(scope: Mapping[str, Any], name: str) -> None:
    """Called by whatever reads a header: the route of the request has declared it."""
    endpoint = scope.get("endpoint")
    assert endpoint is None or name in taken_by(endpoint, scope["method"]), f"{endpoint} does not declare {name}"


def components() -> dict[str, Any]:
    """The parameters as components of the document."""
    return {name: {"name": name, "in": "header", "required": False} | said for name, said in PARAMETERS.items()}


def references(names: frozenset[str]) -> list[dict[str, str]]:
    """The parameters of an operation, in the order of PARAMETERS."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in PARAMETERS if name in names or name == ORGANIZATION]
