"""The middleware in front of everything: who asks, how often, how much. Pure ASGI: it costs some microseconds a request."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entitlements.api.auth.acting import HEADER, acting_for
from entitlements.api.auth.api_keys import SEND_KEY
from entitlements.api.auth.bodies import check_encoding, check_length, taken
from entitlements.api.auth.either import Knowing
from entitlements.api.auth.errors import (
    BodyTooLarge,
    InvalidOrganization,
    OrganizationNotAllowed,
    OrganizationRequired,
    RateLimited,
    RequestTimeout,
    TooManyRequests,
    UnknownOrganization,
    UnsupportedEncoding,
)
from entitlements.api.auth.limits import Answering, Limits, UnderWay
from entitlements.api.auth.organizations import Organizations
from entitlements.api.auth.rates import Rates
from entitlements.api.http_caching import VARY
from entitlements.api.identity import Identity, Unauthenticated
from entitlements.errors import EntitlementsError, ServerIsAway
from entitlements.masking import masked

#: Where the identity stands in the scope of a request.
IDENTITY: Final = "entitlements.identity"
#: Where it is counted what a request takes.
ANSWERING: Final = "entitlements.answering"
#: Threads in which keys are looked up that are new here. More wait: that many strangers at once are an attack.
_STRANGERS_MAX: Final = 8
_STATUS: Final[dict[type[EntitlementsError], int]] = {
    Unauthenticated: 401,
    OrganizationNotAllowed: 403,
    UnknownOrganization: 404,
    RequestTimeout: 408,
    BodyTooLarge: 413,
    UnsupportedEncoding: 415,
    InvalidOrganization: 422,
    OrganizationRequired: 422,
    RateLimited: 429,
    TooManyRequests: 429,
    ServerIsAway: 503,
}
#: Answers after which the connection is closed: strangers keep none, and what is left of a body is not waited for.
_CLOSING: Final = frozenset({401, 408, 413, 415})
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

#: (status, problem): the body of a refusal.
Render: TypeAlias = Callable[[int, EntitlementsError], dict[str, Any]]


def problem(status: int, error: EntitlementsError) -> dict[str, Any]:
    """A problem document (RFC 9457)."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": masked(str(error)), "code": error.code}


def identity_of(scope: Scope) -> Identity:
    """Who makes this request; the door has found it. KeyError: the route is open to everybody."""
    identity: Identity = scope[IDENTITY]
    return identity


def answering_of(scope: Scope) -> Answering:
    """What counts what this request takes of its organization's share. KeyError: the answer has no end, or is open to everybody."""
    answering: Answering = scope[ANSWERING]
    return answering


class Door:
    """Lets in who says who they are, for an organization that they may act for, as often and as much as their key may.

    open_paths are open to everybody; creating_paths bring an organization into being that is not known yet, with the verb POST.

    Answers 401 unauthenticated, 403 organization_not_allowed, 404 unknown_organization, 408 request_timeout, 413 body_too_large,
    415 unsupported_media_type, 422 organization_required and invalid_organization, 429 rate_limited and too_many_requests, and 503 server_is_away by itself.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Knowing,
        organizations: Organizations,
        open_paths: Collection[str] = (),
        creating_paths: Collection[str] = (),
        render: Render = problem,
        limits: Limits | None = None,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._organizations = organizations
        self._open = frozenset(open_paths)
        self._creating = frozenset(creating_paths)
        self._render = render
        self._limits = limits or Limits()
        self._rates = self._limits.rates or Rates()
        self._under_way = UnderWay(self._limits.requests_max, self._limits.bodies_bytes_max, self._limits.questions_max)
        self._threads = ThreadPoolExecutor(_STRANGERS_MAX, "strangers")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. A lifespan passes through."""
        if scope["type"] != "http":
            # There are no routes but HTTP's: whoever asks for another protocol is told so by the application.
            await self._app(scope, receive, send)
            return
        if scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        try:
            identity = scope[IDENTITY] = await self._let_in(scope)
            is_stream = scope["path"] in self._limits.stream_paths
            answering = None if is_stream else self._under_way.begin(identity.organization_id)
        except tuple(_STATUS) as error:
            await self._refuse(error, scope, send)
            return
        if answering is None:
            await self._app(scope, receive, send)
            return
        scope[ANSWERING] = answering
        try:
            await self._pass_on(identity, answering, scope, receive, send)
        finally:
            answering.end()

    async def _let_in(self, scope: Scope) -> Identity:
        """Who makes the request. Raises what the door answers by itself."""
        authorization = None
        named: tuple[bytes, ...] = ()
        for name, value in scope["headers"]:
            if name == b"authorization":
                if authorization is not None:  # Either of them might be meant.
                    raise Unauthenticated("The request has several Authorization headers. Send one.")
                authorization = value
            elif name == HEADER:
                named = (*named, value)
        identity = await self._identify(authorization)
        if named or identity.act_for:
            return await self._acting(identity, named, scope)
        self._take_one(identity)
        return identity

    async def _pass_on(
        self, identity: Identity, answering: Answering, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Read the body and ask the application."""
        if scope["method"] not in _BODILESS:
            try:
                bytes_max = self._limits.body_bytes(scope["path"], identity.body_bytes_max)
                length = next((value for name, value in scope["headers"] if name == b"content-length"), None)
                check_length(length, bytes_max)
                check_encoding(value for name, value in scope["headers"] if name == b"content-encoding")
                receive = await taken(receive, bytes_max, self._limits.body_within_for, answering.hold)
            except (BodyTooLarge, RequestTimeout, TooManyRequests, UnsupportedEncoding) as error:
                await self._refuse(error, scope, send)
                return
        await self._app(scope, receive, send)

    async def _identify(self, authorization: bytes | None) -> Identity:
        if authorization is None:
            raise Unauthenticated(f"The header Authorization is missing. {SEND_KEY}")
        text = authorization.decode("latin-1")
        identity = self._authenticator.known(text)
        if identity is None:
            loop = asyncio.get_running_loop()
            identity = await loop.run_in_executor(self._threads, self._authenticator.identify, text)
        return identity

    async def _acting(self, own: Identity, named: tuple[bytes, ...], scope: Scope) -> Identity:
        """For whom the request is made. One that looks an organization up is counted as one of the key's own organization."""
        identity = acting_for(own, named, self._organizations.operator)
        organization_id = identity.organization_id
        if organization_id == own.organization_id or self._organizations.is_remembered(organization_id):
            self._take_one(identity)
            return identity
        self._take_one(own)
        creates = scope["method"] == "POST" and scope["path"] in self._creating
        if not creates and not await self._organizations.find(organization_id):
            raise UnknownOrganization
        return identity

    def _take_one(self, identity: Identity) -> None:
        """Raises RateLimited."""
        wait_for = self._rates.take(identity)
        if wait_for:
            raise RateLimited(wait_for, identity.requests_per_s)

    async def _refuse(self, error: EntitlementsError, scope: Scope, send: Send) -> None:
        status = _STATUS[type(error)]
        body = json.dumps(self._render(status, error)).encode()
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
        headers.append((b"vary", VARY.encode()))
        if isinstance(error, Unauthenticated):
            headers.append((b"www-authenticate", b"Bearer"))
        if status in _CLOSING:
            headers.append((b"connection", b"close"))
        if isinstance(error, TooManyRequests):
            headers.append((b"retry-after", b"1"))
        if isinstance(error, RateLimited):
            headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after_for))).encode()))
        if isinstance(error, ServerIsAway):
            headers.append((b"retry-after", b"1"))
        start: Message = {"type": "http.response.start", "status": status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def close(self) -> None:
        """Let go of the threads, and of what the authenticator holds."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._authenticator.close()
