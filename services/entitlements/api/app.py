"""The application: its routes, what stands before them, and what each worker opens. `create` is what serving.py puts behind the door."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from entitlements.api import (
    access_log,
    catalogue,
    cloudevents,
    commands,
    definition_lists,
    governance,
    lists,
    metering,
    questions,
    reserving,
    streaming,
)
from entitlements.api.connections import give_up_unread
from entitlements.api.documents import ProblemDocument
from entitlements.api.openapi import page, serving
from entitlements.api.openapi.document import ABOUT, LICENSE, SERVERS, describe
from entitlements.api.problems import Problem, problem_of
from entitlements.api.services import Services
from entitlements.api.validation import explained
from entitlements.domain.errors import CommandRefused
from entitlements.errors import EntitlementsError
from entitlements_schemas import WireError

_log = logging.getLogger(__name__)

#: Open to everybody.
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", serving.PATH, *page.PATHS})
#: Opening the first pool of an organization brings it into being.
CREATING_PATHS: Final = frozenset({"/v1/commands/OpenPool"})
_PARTS: Final = (
    questions, metering, reserving, cloudevents, streaming, governance, access_log, catalogue, commands, lists, definition_lists,
)  # fmt: skip
#: Bodies that handlers decode by themselves, and problems.
_BODIES: Final = (ProblemDocument, *questions.BODIES, *cloudevents.BODIES)
#: Batches; all other bodies are small (auth/limits.py).
BATCH_PATHS: Final = frozenset({
    "/v1/access-log", "/v1/events", "/v1/events/batch", "/v1/remaining", "/v1/reservations/batch", "/v1/usage/batch",
})  # fmt: skip
STREAM_PATHS: Final = frozenset({"/v1/changes"})
_PATH_CHARACTERS_MAX: Final = 200
_CODES: Final = {401: "unauthenticated", 403: "insufficient_scope", 404: "not_found", 405: "method_not_allowed"}


def create(services: Services) -> FastAPI:
    """The application. It closes the services when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        give_up_unread(services.settings)
        try:
            yield
        finally:
            services.close()

    app = FastAPI(
        title="Entitlements",
        version=version("entitlements"),
        summary="The entitlement service that never gets it wrong.",
        description=ABOUT,
        license_info=LICENSE,
        servers=SERVERS,
        lifespan=lifespan,
        docs_url=None,
        openapi_url=None,
        # One schema for what is sent and what is answered: clients have one class for it.
        separate_input_output_schemas=False,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    app.router.routes += [*page.routes(), serving.route(app)]
    for part in _PARTS:
        app.include_router(part.router)
    for kind in (EntitlementsError, CommandRefused, WireError):
        app.add_exception_handler(kind, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    describe(app, _routes(app), _BODIES)
    return app


async def _problem(_: Request, error: Exception) -> Response:
    return problem_of(error).response()


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if [each["loc"] for each in found if each["type"] == "missing"] == [("body",)]:  # As every decoder says of nothing.
        return Problem("invalid_json", "The body is empty.").response()
    return explained(found).response()


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(_methods(request)))
        headers = {"allow": allowed}
        detail = f"{request.method} is not allowed on {_path(request)}. Allowed: {allowed}."
    elif error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"There is no path {_path(request)}. See GET {serving.PATH}."
    return Problem(_CODES.get(error.status_code, "invalid_json"), detail, headers).response()


def _path(request: Request) -> str:
    """The path of a request, as far as a sentence has room for it."""
    path = request.scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1") or request.url.path
    return path if len(path) <= _PATH_CHARACTERS_MAX else path[:_PATH_CHARACTERS_MAX] + "..."


def _routes(app: FastAPI) -> list[BaseRoute]:
    """Every route by itself."""
    return [*app.routes, *(route for part in _PARTS for route in part.router.routes)]


def _methods(request: Request) -> set[str]:
    """The methods of a path: several routes may have it, of which the framework names the first."""
    fitting = [route for route in _routes(request.app) if isinstance(route, Route)]
    return {
        method
        for route in fitting
        if route.methods and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods
    }


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_of(error).response()
