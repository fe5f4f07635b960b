"""GET /openapi.json: rendered once for each worker, beside the loop that answers. It takes a second, and strangers may ask for it."""

from __future__ import annotations

import asyncio
from typing import Final

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH: Final = "/openapi.json"


def route(app: FastAPI) -> Route:
    """The route of an application's document."""
    rendering: asyncio.Future[bytes] | None = None

    async def answer(_: Request) -> Response:
        nonlocal rendering
        if rendering is None:
            rendering = asyncio.ensure_future(asyncio.to_thread(lambda: orjson.dumps(app.openapi())))
        return Response(await asyncio.shield(rendering), media_type="application/json")

    return Route(PATH, answer, methods=["GET"], include_in_schema=False)
