"""Large bodies are made models of beside the loop: what is wrong with one is told as of a small one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

from entitlements.api import routes
from entitlements.api.app import _invalid, _problem
from entitlements.api.asking import PARSED_AT_ONCE_BYTES
from entitlements.api.auth.door import IDENTITY
from entitlements.api.metering import UsageBatch
from entitlements.errors import EntitlementsError

SPACES = b" " * PARSED_AT_ONCE_BYTES
LINE = {"customer_id": "c", "resource_key": "k"}


async def count(_: Request, body: Any) -> int:
    return len(body.usage)


count.__annotations__["body"] = UsageBatch


def post(body: bytes) -> tuple[httpx.Response, list[str]]:
    """What an application with one route answers, and for whom something was computed beside the loop."""
    computed: list[str] = []

    async def compute(organization_id: str, function: Any, *arguments: Any) -> Any:
        computed.append(organization_id)
        return await asyncio.to_thread(function, *arguments)

    app = FastAPI()
    app.state.services = SimpleNamespace(compute=compute)
    app.router.route_class = routes.Route
    app.router.add_api_route("/usage", count, methods=["POST"], response_model=None)
    app.add_exception_handler(EntitlementsError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        scope[IDENTITY] = SimpleNamespace(organization_id="acme")
        await app(scope, receive, send)

    async def posting() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(behind), base_url="http://api") as client:
            return await client.post("/usage", content=body, headers={"content-type": "application/json"})

    return asyncio.run(posting()), computed


@pytest.mark.parametrize(
    "wrong",
    [
        LINE,
        LINE | {"quantity": 0},
        LINE | {"quantity": 1.5},
        LINE | {"quantty": 1},
        {"resource_key": "k"},
        LINE | {"customer_id": "c" * 129},
        LINE | {"occurred_at": "yesterday"},
        7,
        None,
    ],
)
def test_what_is_wrong_is_told_alike(wrong: Any) -> None:
    body = orjson.dumps({"usage": [LINE, wrong]})
    (small, none), (large, computed) = post(body), post(body + SPACES)
    assert (none, computed) == ([], ["acme"])
    assert (large.status_code, large.json()) == (small.status_code, small.json())


@pytest.mark.parametrize("body", [b"[1]", b"7", b'{"usage":[}', b'{"usage":[],"usage":[]}', b'{"usage":1e999}'])
def test_what_is_no_model_at_all_is_told_alike(body: bytes) -> None:
    (small, _), (large, _) = post(body), post(body + SPACES)
    assert small.status_code == large.status_code == 422
    assert small.json() == large.json()
