"""The outermost middleware of the API: seconds, request ids and spans of requests. Pure ASGI: some microseconds a request.

The request id is the caller's (header X-Request-Id) if it is a short word, else a new one; the answer carries it, and every log
message that the request causes.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entitlements.operations import tracing
from entitlements.operations.health import Readiness
from entitlements.operations.metrics import REQUEST_SECONDS, REQUESTS_UNDER_WAY
from entitlements.operations.request_id import REQUEST_ID
from entitlements.settings import INSTALLATION_HEADER
from entitlements_client.deciding.unique import new_id

#: What a request's route is called when there is none: labels must not be made up by callers.
NO_ROUTE: Final = "none"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES: Final = frozenset({"/healthz", "/readyz"})
_PROBED_BY: Final = ("GET", "HEAD")
#: The problem of any other method (RFC 9457), as the application says it.
_NOT_ALLOWED: Final = {
    "type": "urn:entitlements:problem:method_not_allowed",
    "title": "Method Not Allowed",
    "status": 405,
    "code": "method_not_allowed",
    "detail": "Method Not Allowed",
}
_WORD: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


class Observed:
    """Measures every request until its answer begins, names it, and traces it if that is on.

    With a readiness it answers /healthz and /readyz by itself: probes are no requests, and are not counted as such.
    """

    def __init__(self, app: ASGIApp, readiness: Readiness | None = None) -> None:
        self._app = app
        self._readiness = readiness
        # Looking a child up by its labels costs more than counting.
        self._seconds: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Everything else passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, self._closing(send) if scope["type"] == "lifespan" else send)
            return
        if self._readiness is not None and scope["path"] in _PROBES:
            await self._probe(self._readiness, scope, send)
            return
        await self._observed(scope, receive, send)

    @staticmethod
    def _closing(send: Send) -> Send:
        """What is traced of the last requests is exported before the worker says that it has ended, and is."""

        async def send_when_closed(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await asyncio.to_thread(tracing.close)
            await send(message)

        return send_when_closed

    async def _observed(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request_id, traceparent = _told(scope)
        token = REQUEST_ID.set(request_id)
        tracer = tracing.tracer()
        request = _Span(tracer, scope, traceparent) if tracer is not None else None

        async def send_observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
                self._observe(scope, message["status"], time.perf_counter() - began)
                if request is not None:
                    request.answered(_route(scope), message["status"])
            await send(message)

        REQUESTS_UNDER_WAY.inc()
        try:
            if request is None:
                await self._app(scope, receive, send_observed)
            else:
                with request.current():
                    await self._app(scope, receive, send_observed)
        finally:
            REQUESTS_UNDER_WAY.dec()
            REQUEST_ID.reset(token)
            if request is not None:
                request.end()

    async def _probe(self, readiness: Readiness, scope: Scope, send: Send) -> None:
        media_type, more = b"application/json", [(b"cache-control", b"no-store")]
        if scope["method"] not in _PROBED_BY:
            status, document = 405, _NOT_ALLOWED
            media_type, more = b"application/problem+json", [*more, (b"allow", ", ".join(_PROBED_BY).encode())]
        elif scope["path"] == "/healthz":
            status, document = readiness.alive()
        else:
            status, document = await asyncio.get_running_loop().run_in_executor(None, readiness.ready)
        body = json.dumps(document).encode()
        headers = [(b"content-type", media_type), (b"content-length", str(len(body)).encode()), *more]
        if readiness.installation:
            headers.append((INSTALLATION_HEADER.lower().encode(), readiness.installation.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        key = scope["method"], _route(scope), status // 100
        child = self._seconds.get(key)
        if child is None:
            method = key[0] if key[0] in _METHODS else "other"
            child = REQUEST_SECONDS.labels(method, key[1], f"{key[2]}xx")
            if key[0] in _METHODS:
                self._seconds[key] = child
        child.observe(seconds)


def _told(scope: Scope) -> tuple[str, bytes | None]:
    """The request's id, and the context of its caller's span."""
    told = traceparent = None
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            told = value
        elif name == b"traceparent":
            traceparent = value
    return told.decode() if told is not None and _WORD.fullmatch(told) else new_id()[:16], traceparent


def _route(scope: Scope) -> str:
    """The template of the route that answers, which the router writes into the scope."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    return path if isinstance(path, str) else NO_ROUTE


class _Span:
    """The span of a request, a child of the caller's if the request says so."""

    def __init__(self, tracer: Any, scope: Scope, traceparent: bytes | None) -> None:
        from opentelemetry.trace import NonRecordingSpan, SpanKind, set_span_in_context

        caller = tracing.read(traceparent)  # Also of a caller that does not trace: then nobody does.
        self._span = tracer.start_span(
            scope["method"],
            context=None if caller is None else set_span_in_context(NonRecordingSpan(caller)),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"], "url.path": scope["path"]},
        )

    def current(self) -> Any:
        """While this lasts, spans that begin are its children."""
        from opentelemetry.trace import use_span

        return use_span(self._span, end_on_exit=False)

    def answered(self, route: str, status: int) -> None:
        """The head of the answer is sent."""
        from opentelemetry.trace import Status, StatusCode

        if self._span.is_recording():
            name = self._span.attributes["http.request.method"]
            self._span.update_name(name if route == NO_ROUTE else f"{name} {route}")
            self._span.set_attributes({"http.route": route, "http.response.status_code": status})
            if status >= 500:
                self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """The request is answered."""
        self._span.end()
