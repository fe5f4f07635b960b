"""The short way of the question that is asked at every request: POST /v1/check without the routing of all others.

It is the same handler; the framework around it costs as much again as the answer. Everything else passes through.
"""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from entitlements.api.asking import path_of
from entitlements.api.problems import Problem, problem_of
from entitlements.api.questions import answer_to, check

_log = logging.getLogger(__name__)

PATH: Final = "/v1/check"
#: As the router would say it, for whoever measures by route.
_ROUTE: Final = SimpleNamespace(path=PATH)


class ShortWay:
    """In front of the application, behind the door."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        # A query is refused by the route, as on every other; a slash that is percent-encoded ends no segment.
        is_plain = scope["type"] == "http" and not scope["query_string"] and b"%" not in scope.get("raw_path", b"")
        if not is_plain or scope["path"] != PATH or scope["method"] != "POST":
            if scope["type"] == "http":
                try:
                    scope["path"] = path_of(scope)
                except Problem as problem:
                    await problem.response()(scope, receive, send)
                    return
            await self._app(scope, receive, send)
            return
        scope["app"], scope["route"], scope["endpoint"] = self._app, _ROUTE, check
        try:
            answer = await answer_to(Request(scope, receive), await _read(receive))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered.
            await _problem(error)(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


async def _read(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body", False):
        return bytes(message.get("body", b""))
    parts = [message.get("body", b"")]
    while message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


def _problem(error: Exception) -> Response:
    found = problem_of(error)
    if found.code == "internal":
        _log.error("POST %s failed", PATH, exc_info=error)
    return found.response()
