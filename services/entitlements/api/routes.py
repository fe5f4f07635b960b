"""Routes whose bodies are strict JSON.

Python reads more than that: NaN, halves of characters, integers of any length. Nothing behind a route could write those down again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class Route(APIRoute):
    """A route whose body is read by orjson; what is no JSON for it is `invalid_request`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_Strict(request.scope, request.receive))

        return handle_strictly


class _Strict(Request):
    async def json(self) -> Any:
        return orjson.loads(await self.body())
