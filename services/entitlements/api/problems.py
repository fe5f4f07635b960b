"""Errors as RFC 9457 problem documents: stable codes, and a status that a client library understands."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.responses import Response

from entitlements.advice import ADVICE
from entitlements.api.documents import PROBLEM_MEMBERS
from entitlements.api.http_caching import VARY
from entitlements.domain.errors import CommandRefused, sentence_of
from entitlements.errors import EntitlementsError
from entitlements.masking import masked

MEDIA_TYPE: Final = "application/problem+json"
#: Statuses of codes that say not by their name what they are; all others of the domain are conflicts with what there is.
_STATUS: Final = {
    "unauthenticated": HTTPStatus.UNAUTHORIZED,
    "insufficient_scope": HTTPStatus.FORBIDDEN,
    "exceeds_own_key": HTTPStatus.FORBIDDEN,
    "invalid_path": HTTPStatus.BAD_REQUEST,
    "organization_not_allowed": HTTPStatus.FORBIDDEN,
    "act_for_not_allowed": HTTPStatus.FORBIDDEN,
    "outside_unit": HTTPStatus.FORBIDDEN,
    "operator_only": HTTPStatus.FORBIDDEN,
    "organization_required": HTTPStatus.UNPROCESSABLE_ENTITY,
    "request_timeout": HTTPStatus.REQUEST_TIMEOUT,
    "body_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "command_is_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "rate_limited": HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_requests": HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_streams": HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_idempotency_keys": HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_usage_ids": HTTPStatus.TOO_MANY_REQUESTS,
    "filter_too_broad": HTTPStatus.UNPROCESSABLE_ENTITY,
    "idempotency_key_reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "ladder_mismatch": HTTPStatus.UNPROCESSABLE_ENTITY,
    "not_encodable": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unsupported_media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "not_reached_yet": HTTPStatus.CONFLICT,
    "outcome_unknown": HTTPStatus.GATEWAY_TIMEOUT,
    "server_is_away": HTTPStatus.SERVICE_UNAVAILABLE,
    "not_found": HTTPStatus.NOT_FOUND,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
}
#: Seconds after which it makes sense to try again.
_RETRY_AFTER: Final = {
    "not_reached_yet": 1,
    "outcome_unknown": 1,
    "server_is_away": 2,
    "rate_limited": 1,
    "too_many_requests": 1,
    "too_many_streams": 5,
    "too_many_idempotency_keys": 60,
    "too_many_usage_ids": 60,
}


class Problem(EntitlementsError):
    """A request that gets no answer but why. advice: what to do, else that of the code. facts: members beside the standard ones."""

    def __init__(
        self, code: str, detail: str, headers: dict[str, str] | None = None, advice: str = "", **facts: Any
    ) -> None:
        assert facts.keys() <= PROBLEM_MEMBERS, "the OpenAPI document tells every member"
        Exception.__init__(self, detail)
        self.code, self.detail, self.headers, self.facts = code, detail, headers or {}, facts  # type: ignore[misc]
        self.advice = advice or ADVICE.get(code, "")

    @property
    def status(self) -> int:
        """The HTTP status of its code."""
        return status_of(self.code)

    def document(self) -> dict[str, Any]:
        """The problem document."""
        found = {
            "type": f"urn:entitlements:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": masked(f"{self.detail} {self.advice}".strip()),
            **self.facts,
        }
        if "errors" in found:  # Their places have names of parameters and fields that the caller made up.
            found["errors"] = [{name: masked(text) for name, text in each.items()} for each in found["errors"]]
        return found

    def response(self) -> Response:
        """The answer that says so."""
        headers = {"vary": VARY} | self.headers
        if self.code in _RETRY_AFTER:
            headers.setdefault("retry-after", str(_RETRY_AFTER[self.code]))
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = 'Bearer realm="entitlements"'
        return Response(orjson.dumps(self.document()), self.status, headers, MEDIA_TYPE)


def status_of(code: str) -> int:
    """The HTTP status of a stable code."""
    if code in _STATUS:
        return _STATUS[code]
    if code.startswith("unknown_"):
        return HTTPStatus.NOT_FOUND
    return HTTPStatus.UNPROCESSABLE_ENTITY if code.startswith("invalid_") else HTTPStatus.CONFLICT


def problem_of(error: Exception) -> Problem:
    """The problem that an expected error is; anything else is `internal`, and tells nobody what it was."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, CommandRefused | EntitlementsError) or hasattr(error, "code"):
        return Problem(str(error.code), str(error), **getattr(error, "facts", {}))
    return Problem(
        "internal", "Internal error. The log of the server has the details under the id of this request (X-Request-Id)."
    )


def refused(code: str, message: str = "", **facts: Any) -> Problem:
    """A refusal of the domain by its code."""
    return Problem(code, message or sentence_of(code), **facts)
