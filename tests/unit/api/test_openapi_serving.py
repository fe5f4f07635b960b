"""The OpenAPI document is rendered once, however many ask for it, and not in the loop that answers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
from fastapi import FastAPI

from entitlements.api.openapi import serving


def test_the_document_is_rendered_once_and_beside_the_loop() -> None:
    app = FastAPI(openapi_url=None)
    app.router.routes.append(serving.route(app))
    rendered: list[str] = []

    def openapi() -> dict[str, Any]:
        rendered.append(threading.current_thread().name)
        return {"openapi": "3.1.0"}

    app.openapi = openapi  # type: ignore[method-assign]

    async def several() -> list[dict[str, Any]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return [each.json() for each in await asyncio.gather(*(client.get(serving.PATH) for _ in range(5)))]

    assert asyncio.run(several()) == [{"openapi": "3.1.0"}] * 5
    assert len(rendered) == 1
    assert rendered != [threading.current_thread().name]
