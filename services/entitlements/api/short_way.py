"""The short way of what is asked at every request: POST /v1/check and /v1/usage without the routing of all others.

They are the same handlers; the framework around them costs as much again as the answer. Everything else passes through.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, Final, TypeAlias

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from entitlements.api import short_check, short_usage
from entitlements.api.asking import headers_of, path_of
from entitlements.api.http_caching import VARY
from entitlements.api.metering import record_usage, recorded
from entitlements.api.problems import Problem, problem_of
from entitlements.api.questions import answer_to, check
from entitlements.api.services import Services

_log = logging.getLogger(__name__)

#: A body, and headers beside those that say what it is.
_Answer: TypeAlias = tuple[bytes, list[tuple[bytes, bytes]]]

#: As the router would say it, for whoever measures by route.
_ROUTES: Final = {path: SimpleNamespace(path=path) for path in (short_check.PATH, short_usage.PATH)}


class ShortWay:
    """In front of the application, behind the door."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._services: Services = app.state.services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        # A query is refused by the route, as on every other; a slash that is percent-encoded ends no segment.
        is_plain = scope["type"] == "http" and not scope["query_string"] and b"%" not in scope.get("raw_path", b"")
        if not is_plain or scope["path"] not in _ROUTES or scope["method"] != "POST":
            if scope["type"] == "http":
                try:
                    scope["path"] = path_of(scope)
                except Problem as problem:
                    await problem.response()(scope, receive, send)
                    return
            await self._app(scope, receive, send)
        elif scope["path"] == short_check.PATH:
            await self._answer(scope, receive, send, check, self._check(scope, receive))
        else:
            body = await _read(receive)
            plain = short_usage.read(scope, body)
            if plain is None:
                await self._app(scope, _again(body, receive), send)
            else:
                await self._answer(scope, receive, send, record_usage, self._use(scope, receive, plain))

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, endpoint: Any, answering: Coroutine[Any, Any, _Answer]
    ) -> None:
        scope["app"], scope["route"], scope["endpoint"] = self._app, _ROUTES[scope["path"]], endpoint
        try:
            answer, more = await answering
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered.
            await _problem(error, scope["path"])(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer)), *more]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _check(self, scope: Scope, receive: Receive) -> _Answer:
        body = await _read(receive)
        answer = short_check.answer(self._services, scope, body)
        return (await answer_to(Request(scope, receive), body) if answer is None else answer), []

    @staticmethod
    async def _use(scope: Scope, receive: Receive, plain: short_usage.Plain) -> _Answer:
        document, outcome = await recorded(Request(scope, receive), plain.identity, plain.usage, plain.part)
        said = [(name.encode(), value.encode()) for name, value in ({"vary": VARY} | headers_of(outcome)).items()]
        return orjson.dumps(document), said


def _again(body: bytes, receive: Receive) -> Receive:
    """For whoever reads a body that was read already."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again


async def _read(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body", False):
        return bytes(message.get("body", b""))
    parts = [message.get("body", b"")]
    while message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


def _problem(error: Exception, path: str) -> Response:
    found = problem_of(error)
    if found.code == "internal":
        _log.error("POST %s failed", path, exc_info=error)
    return found.response()
