"""FastAPI and Starlette: app.add_middleware(EntitlementsMiddleware, asked=Asked(...)), and @requires_entitlement("key") on endpoints.

The middleware answers 403, or 503 in an outage, and records usage once the answer has begun with a success; so a view whose answer fails records nothing.
Endpoints may be coroutines or plain functions; both need an AsyncEntitlements.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar, cast

from entitlements_client.frameworks import extra_is_missing

try:
    import anyio.from_thread
    from starlette.requests import HTTPConnection
    from starlette.responses import JSONResponse
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
except ModuleNotFoundError as error:
    raise extra_is_missing(error, "starlette") from error

from entitlements_client.frameworks.requirement import (
    Asked,
    Passed,
    RecordUsage,
    Refusal,
    Requirement,
    pass_awaiting,
)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class _Current:
    """The request under way."""

    asked: Asked[HTTPConnection]
    connection: HTTPConnection
    passed: list[Passed] = field(default_factory=list)


_current: ContextVar[_Current] = ContextVar("entitlements_request")


class EntitlementsMiddleware:
    """Knows whose request it is, answers 403 or 503, and records what succeeded."""

    def __init__(self, app: ASGIApp, asked: Asked[HTTPConnection]) -> None:
        self._app, self._asked = app, asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        current = _Current(self._asked, HTTPConnection(scope))
        token = _current.set(current)
        status: int | None = None

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Refusal as refusal:
            status = refusal.status
            await JSONResponse(refusal.document(), status, refusal.headers)(scope, receive, send)
        except BaseException:
            status = None
            raise
        finally:
            _current.reset(token)
            for passed in current.passed:
                passed.ended(status)


def requires_entitlement(
    resource_key: str,
    *,
    record_usage: RecordUsage = False,
    quantity: int | Callable[[HTTPConnection], int] | None = None,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Require an entitlement to a resource key for an endpoint. Put it below the decorator of the route.

    record_usage   "after": the quantity is recorded after a successful response; "lease": it is taken from a lease before
    quantity       quantity per request, or a function of the request; None: access in general (1 if usage is recorded)
    """
    requirement = Requirement[HTTPConnection](resource_key=resource_key, record_usage=record_usage, quantity=quantity)

    async def ask() -> None:
        current = _current.get(None)
        if current is None:
            raise LookupError(
                "EntitlementsMiddleware is not installed: call `app.add_middleware(EntitlementsMiddleware, asked=...)`"
            )
        current.passed.append(await pass_awaiting(requirement, current.asked, current.connection))

    def decorate(endpoint: Callable[P, T]) -> Callable[P, T]:
        if inspect.iscoroutinefunction(endpoint):

            @functools.wraps(endpoint)
            async def awaited(*args: P.args, **kwargs: P.kwargs) -> object:
                await ask()
                return await endpoint(*args, **kwargs)

            return cast(Callable[P, T], awaited)

        @functools.wraps(endpoint)
        def waiting(*args: P.args, **kwargs: P.kwargs) -> T:
            # Plain endpoints are run in a thread; the question is asked in the loop.
            anyio.from_thread.run(ask)
            return endpoint(*args, **kwargs)

        return waiting

    return decorate
