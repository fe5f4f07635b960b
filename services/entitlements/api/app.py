"""The application: its routes, what stands before them, and what each worker opens. `create` is what serving.py puts behind the door."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api import (
    access_log,
    catalogue,
    cloudevents,
    commands,
    governance,
    metering,
    questions,
    reserving,
    streaming,
)
from entitlements.api.documents import ProblemDocument
from entitlements.api.problems import Problem, problem_of
from entitlements.api.services import Services
from entitlements.api.validation import explained
from entitlements.domain.errors import CommandRefused
from entitlements.errors import EntitlementsError
from entitlements_schemas import WireError

_log = logging.getLogger(__name__)

#: Open to everybody.
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", "/openapi.json"})
#: Opening the first pool of an organization brings it into being.
CREATING_PATHS: Final = frozenset({"/v1/commands/OpenPool"})
_ABOUT: Final = """May this customer do that, how much is left, and why?

Every answer has a stable code. A change's answer carries `Entitlements-Consistency`; a read that sends it back includes that change.
"""
#: Answered before the application is asked (operations/requests.py).
_PROBES: Final = {"/healthz": "alive", "/readyz": "ready"}
_SAID: Final = {"content": {"application/json": {"schema": {"type": "object"}}}}
_PROBE: Final[dict[str, Any]] = {
    "get": {
        "tags": ["operations"],
        "security": [],
        "responses": {"200": {"description": "Yes."} | _SAID, "503": {"description": "No, and why."} | _SAID},
    }
}
_ORGANIZATION: Final[dict[str, Any]] = {
    "name": "Entitlements-Organization",
    "in": "header",
    "required": False,
    "description": "The organization that the request is made for, percent-encoded. A key with act_for needs it in every request.",
    "schema": {"type": "string"},
}
_CODES: Final = {401: "unauthenticated", 403: "insufficient_scope", 404: "not_found", 405: "method_not_allowed"}


def create(services: Services) -> FastAPI:
    """The application. It closes the services when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            services.close()

    app = FastAPI(
        title="Entitlements",
        version=version("entitlements"),
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    for part in (questions, metering, reserving, cloudevents, streaming, governance, access_log, catalogue, commands):
        app.include_router(part.router)
    for kind in (EntitlementsError, CommandRefused, WireError):
        app.add_exception_handler(kind, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    _describe(app)
    return app


async def _problem(_: Request, error: Exception) -> Response:
    return problem_of(error).response()


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = request.headers.get("content-type", "")
    if isinstance(error.body, bytes) and "json" not in said:
        return Problem(
            "unsupported_media_type", f"Bodies are application/json here, not {said or 'of no type'}."
        ).response()
    found = error.errors()
    if [each["loc"] for each in found if each["type"] == "missing"] == [("body",)]:  # As every decoder says of nothing.
        return Problem("invalid_json", "The body is empty.").response()
    return explained(found).response()


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    found = Problem(_CODES.get(error.status_code, "invalid_json"), str(error.detail), dict(error.headers or {}))
    return found.response()


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_of(error).response()


def _describe(app: FastAPI) -> None:
    """The OpenAPI document: also what handlers decode by themselves, and how one says who asks."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        schemas = document["components"]["schemas"]
        for model in (ProblemDocument, *questions.BODIES, *cloudevents.BODIES):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {})
            schemas[model.__name__] = schema
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
        for operations in document["paths"].values():
            for operation in operations.values():
                operation.setdefault("parameters", []).append(_ORGANIZATION)
        document["paths"] |= {
            path: _PROBE | {"get": _PROBE["get"] | {"operationId": name}} for path, name in _PROBES.items()
        }
        return document

    app.openapi = openapi  # type: ignore[method-assign]
