"""The response headers of an operation, and answers that follow from the request headers it honours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from entitlements.api.openapi.headers import CONSISTENCY, IDEMPOTENCY_KEY, IF_NONE_MATCH, PREFER

_TEXT: Final = {"type": "string"}

#: Every header, as the document's components tell it.
HEADERS: Final[dict[str, dict[str, Any]]] = {
    "Entitlements-Consistency": {
        "description": "Consistency token: the position of the change in the ledger. A request that sends it includes the change.",
        "schema": _TEXT,
        "example": "3:201",
    },
    "Idempotent-Replay": {
        "description": "Present if the request is a repeat and this is the original response.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Preference-Applied": {
        "description": "The preference that was honoured.",
        "schema": {"type": "string", "enum": ["respond-async"]},
    },
    "ETag": {"description": "A validator for `If-None-Match`.", "schema": _TEXT, "example": '"3f9a1c2d"'},
    "Cache-Control": {"description": "Caching rules.", "schema": _TEXT},
    "Vary": {"description": "The request headers the response depends on.", "schema": _TEXT},
    "Retry-After": {"description": "Seconds after which to retry.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to authenticate.", "schema": _TEXT},
    "X-Request-Id": {
        "description": "Id of the request in logs: the one you sent, if it is short and plain, or a generated one.",
        "schema": _TEXT,
    },
}
_OF_STATUS: Final = {
    "202": ("Preference-Applied",),
    "401": ("WWW-Authenticate",),
    "409": ("Retry-After",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
    "504": ("Retry-After",),
}
#: FastAPI's description of an answer that nobody describes.
_SAYS_NOTHING: Final = "Successful Response"
#: Operations that change something and take no Idempotency-Key.
_ALSO_CHANGE: Final = frozenset({"createApiKey", "ingest", "ingestBatch"})


def components(problems: Mapping[int | str, dict[str, Any]]) -> dict[str, Any]:
    """The problems that any operation may answer as components: they are the same everywhere."""
    return {_name(status): response | {"headers": _headers(str(status))} for status, response in problems.items()}


def complete(operation: dict[str, Any], taken: frozenset[str], schemas: Mapping[str, Any]) -> None:
    """Tell the headers of every response, 304 where it may come, and 202 only where it can be asked for."""
    responses = operation["responses"]
    assert ("202" in responses) == (PREFER in taken), f"{operation['operationId']}: 202 is what Prefer asks for"
    if IF_NONE_MATCH in taken:
        responses["304"] = {"description": "Nothing has changed since the `ETag` sent."}
    for status, response in responses.items():
        if status >= "400":
            responses[status] = {"$ref": f"#/components/responses/{_name(status)}"}
            continue
        names = []
        if status == "200" and (IDEMPOTENCY_KEY in taken or operation["operationId"] in _ALSO_CHANGE):
            names += [CONSISTENCY, "Idempotent-Replay"]
        if status in {"200", "304"} and IF_NONE_MATCH in taken:
            names += ["ETag", "Cache-Control", "Vary"]
        response["headers"] = _headers(status, names)
        if response["description"] == _SAYS_NOTHING:
            (content,) = response["content"].values()
            schema = schemas.get(content["schema"].get("$ref", "").rpartition("/")[2], content["schema"])
            response["description"] = schema["description"]


def _name(status: int | str) -> str:
    return HTTPStatus(int(status)).phrase.replace(" ", "")


def _headers(status: str, names: Iterable[str] = ()) -> dict[str, Any]:
    told = ("X-Request-Id", *_OF_STATUS.get(status, ()), *names)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in told}
