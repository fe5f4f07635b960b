"""requires_entitlement inside the real frameworks, by their own test clients."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio.from_thread
import pytest
from modelled import ModelBehindHttp, ModelService
from scripted import NO_POLICIES, Asked, Reply, Script, ScriptedService, feature, quota, view

from entitlements_client import (
    AsyncEntitlements,
    Cached,
    Entitlements,
    FailClosed,
    FailOpen,
    Grace,
    LeaseTerms,
    UsageBuffer,
)
from entitlements_client.asking.failing import FailureMode, FailureModes
from entitlements_client.frameworks import requirement

Serve = Callable[[Script], ScriptedService]
REFUSED = {
    "error": "entitlement_required",
    "required_entitlement": "premium",
    "upgrade_url": "https://example.com/upgrade?key=premium",
    "reason_code": "not_entitled",
    "message": "acme has no active plan that includes premium.",
}
TERMS = LeaseTerms(quantity=3, term=5, margin=1.0, settle_every=0.05, unsettled_max=3)


class World:
    """A service with one customer: has `sso` and a quota of ten `api_calls`, no `premium`. usage: what waits to be reported."""

    def __init__(self, serve: Serve, folder: Path) -> None:
        self.quota = ModelBehindHttp(ModelService(10))
        self.buffer = UsageBuffer(folder / "usage.sqlite")
        self.service = serve(self._script).service(read_within=0.05, change_within=0.05)
        self.is_away = False
        self.opened: Any = None
        self.headers: dict[str, str] = {}
        #: Whom requests name; none: nobody.
        self.organization = ""

    def go_away(self, mode: FailureMode, *, forget: bool = True) -> None:
        """The service answers no more; forget: nothing is known of anybody either."""
        self.is_away = True
        modes = FailureModes(otherwise=mode)
        self.opened._asking._modes = self.opened._leases.modes = modes
        if forget:
            self.opened._asking.memory.views.clear()

    def _script(self, asked: Asked) -> Reply | None:
        if self.is_away:
            return None
        if asked.path == "/v1/policy-set":
            return 200, NO_POLICIES
        if asked.path.startswith("/v1/customers/acme/"):
            return 200, view(sso=feature(), api_calls=quota(10, 10))
        if asked.path == "/v1/usage/batch":
            return None  # It stays in the buffer, where the tests look.
        return self.quota(asked)

    def asked(self, entitlements: Any) -> requirement.Asked[Any]:
        return requirement.Asked(
            entitlements=entitlements,
            customer=lambda request: request.headers.get("X-Customer", "acme"),
            upgrade_url=lambda key: f"https://example.com/upgrade?key={key}",
            organization=lambda _: self.organization,
        )

    @property
    def recorded(self) -> list[int]:
        with self.buffer._transaction() as connection:
            return [
                json.loads(line)["quantity"]
                for (line,) in connection.execute("select line from waiting order by place")
            ]


@pytest.fixture
def world(serve: Serve, tmp_path: Path) -> World:
    return World(serve, tmp_path)


@pytest.fixture
def waiting(world: World) -> Iterator[Entitlements]:
    with Entitlements(world.service, Cached(), usage=world.buffer, leases=TERMS) as entitlements:
        world.opened = entitlements
        yield entitlements


@pytest.fixture
def awaited(world: World) -> Iterator[AsyncEntitlements]:
    entitlements = AsyncEntitlements(world.service, Cached(), usage=world.buffer, leases=TERMS)
    world.opened = entitlements
    yield entitlements
    entitlements._stop()


# --- Applications: the same routes in each framework. `get` gives (status, document). ---

Get = Callable[[str], tuple[int, Any]]


def fastapi_app(world: World, entitlements: AsyncEntitlements) -> Any:
    from fastapi import FastAPI, HTTPException, Response

    from entitlements_client.frameworks.starlette import EntitlementsMiddleware, requires_entitlement

    app = FastAPI()
    app.add_middleware(EntitlementsMiddleware, asked=world.asked(entitlements))

    @app.get("/sso")
    @requires_entitlement("sso")
    async def sso(name: str = "you") -> dict[str, str]:
        return {"hello": name}

    @app.get("/plain")
    @requires_entitlement("sso")
    def plain(name: str = "you") -> dict[str, str]:
        return {"hello": name}

    @app.get("/premium")
    @requires_entitlement("premium")
    async def premium() -> None:
        raise AssertionError("not reached")

    @app.get("/used")
    @requires_entitlement("api_calls", record_usage="after", quantity=lambda request: int(request.query_params["n"]))
    async def used(n: int, status: int = 200) -> Response:
        if status == 500:
            raise RuntimeError("broken")
        if status >= 400:
            raise HTTPException(status)
        return Response(status_code=status)

    @app.get("/leased")
    @requires_entitlement("api_calls", record_usage="lease")
    async def leased(status: int = 200) -> Response:
        return Response(status_code=status)

    return app


def starlette_get(world: World, app: Any) -> Iterator[Get]:
    with warnings.catch_warnings():
        # It would rather have httpx2, which nobody else needs.
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient

    with TestClient(app, raise_server_exceptions=False) as client:

        def get(path: str) -> tuple[int, Any]:
            answer = client.get(path)
            world.headers = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status_code, answer.json() if "json" in answer.headers.get("content-type", "") else None

        yield get


def starlette_app(world: World, entitlements: AsyncEntitlements) -> Any:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    from entitlements_client.frameworks.starlette import EntitlementsMiddleware, requires_entitlement

    @requires_entitlement("sso")
    async def sso(request: Request) -> Response:
        return JSONResponse({"hello": request.query_params.get("name", "you")})

    @requires_entitlement("sso")
    def plain(request: Request) -> Response:
        return JSONResponse({"hello": request.query_params.get("name", "you")})

    @requires_entitlement("premium")
    async def premium(request: Request) -> Response:
        raise AssertionError("not reached")

    @requires_entitlement("api_calls", record_usage="after", quantity=lambda request: int(request.query_params["n"]))
    async def used(request: Request) -> Response:
        status = int(request.query_params.get("status", 200))
        if status == 500:
            raise RuntimeError("broken")
        if status >= 400:
            raise HTTPException(status)
        return Response(status_code=status)

    @requires_entitlement("api_calls", record_usage="lease")
    async def leased(request: Request) -> Response:
        return Response(status_code=int(request.query_params.get("status", 200)))

    routes = [Route(f"/{view.__name__}", view) for view in (sso, plain, premium, used, leased)]
    return Starlette(routes=routes, middleware=[Middleware(EntitlementsMiddleware, asked=world.asked(entitlements))])


def flask_get(world: World, entitlements: Entitlements) -> Iterator[Get]:
    from flask import Flask, Response, abort, request

    from entitlements_client.frameworks.flask import entitle, requires_entitlement

    app = Flask(__name__)
    entitle(app, world.asked(entitlements))

    @app.get("/sso", endpoint="sso")
    @app.get("/plain", endpoint="plain")
    @requires_entitlement("sso")
    def sso() -> dict[str, str]:
        return {"hello": request.args.get("name", "you")}

    @app.get("/premium")
    @requires_entitlement("premium")
    def premium() -> None:
        raise AssertionError("not reached")

    @app.get("/used")
    @requires_entitlement("api_calls", record_usage="after", quantity=lambda request: int(request.args["n"]))
    def used() -> Response:
        status = int(request.args.get("status", 200))
        if status == 500:
            raise RuntimeError("broken")
        if status >= 400:
            abort(status)
        return Response(status=status)

    @app.get("/leased")
    @requires_entitlement("api_calls", record_usage="lease")
    def leased() -> Response:
        return Response(status=int(request.args.get("status", 200)))

    client = app.test_client()

    def get(path: str) -> tuple[int, Any]:
        answer = client.get(path)
        world.headers = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status_code, answer.get_json(silent=True)

    yield get


_django: dict[str, Any] = {}


def django_views(*, is_async: bool) -> list[Any]:
    from django.http import HttpRequest, HttpResponse, JsonResponse
    from django.urls import path

    from entitlements_client.frameworks.django import requires_entitlement

    def sso(request: HttpRequest) -> HttpResponse:
        return JsonResponse({"hello": request.GET.get("name", "you")})

    def premium(request: HttpRequest) -> HttpResponse:
        raise AssertionError("not reached")

    def used(request: HttpRequest) -> HttpResponse:
        status = int(request.GET.get("status", 200))
        if status == 500:
            raise RuntimeError("broken")
        return HttpResponse(status=status)

    def leased(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=int(request.GET.get("status", 200)))

    def colored(view: Any) -> Any:
        async def later(request: HttpRequest) -> HttpResponse:
            return view(request)  # type: ignore[no-any-return]

        return later if is_async else view

    much = {"quantity": lambda request: int(request.GET["n"])}
    return [
        path("sso", requires_entitlement("sso")(colored(sso))),
        path("plain", requires_entitlement("sso")(colored(sso))),
        path("premium", requires_entitlement("premium")(colored(premium))),
        path("used", requires_entitlement("api_calls", record_usage="after", **much)(colored(used))),
        path("leased", requires_entitlement("api_calls", record_usage="lease")(colored(leased))),
    ]


def set_django_up() -> None:
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF=type("urls", (), {"urlpatterns": []}),
            MIDDLEWARE=["entitlements_client.frameworks.django.EntitlementsMiddleware"],
            SECRET_KEY="of tests",
        )
        django.setup()


def django_get(world: World, entitlements: Any, *, is_async: bool) -> Iterator[Get]:
    set_django_up()
    from django.test import AsyncClient, Client, override_settings

    urls = type("urls", (), {"urlpatterns": django_views(is_async=is_async)})
    with override_settings(ROOT_URLCONF=urls, ENTITLEMENTS=world.asked(entitlements)):
        if is_async:
            later = AsyncClient(raise_request_exception=False)

            def answered(path: str) -> Any:
                return portal.call(later.get, path)

            with anyio.from_thread.start_blocking_portal() as portal:
                yield lambda path: said(world, answered(path))
        else:
            client = Client(raise_request_exception=False)
            yield lambda path: said(world, client.get(path))


def said(world: World, answer: Any) -> tuple[int, Any]:
    world.headers = {name.lower(): value for name, value in answer.headers.items()}
    return answer.status_code, answer.json() if "json" in answer.headers.get("content-type", "") else None


@pytest.fixture(params=["fastapi", "starlette", "flask", "django", "django async"])
def get(request: pytest.FixtureRequest, world: World) -> Iterator[Get]:
    match request.param:
        case "fastapi":
            yield from starlette_get(world, fastapi_app(world, request.getfixturevalue("awaited")))
        case "starlette":
            yield from starlette_get(world, starlette_app(world, request.getfixturevalue("awaited")))
        case "flask":
            yield from flask_get(world, request.getfixturevalue("waiting"))
        case "django":
            yield from django_get(world, request.getfixturevalue("waiting"), is_async=False)
        case "django async":
            yield from django_get(world, request.getfixturevalue("awaited"), is_async=True)


@pytest.mark.parametrize("path", ["/sso", "/plain"])
def test_who_is_entitled_reaches_the_view_with_its_arguments(get: Get, path: str) -> None:
    assert get(f"{path}?name=ann") == (200, {"hello": "ann"})


def test_who_is_not_hears_what_is_missing_and_where_to_get_it(get: Get) -> None:
    assert get("/premium") == (403, REFUSED)


def test_an_outage_is_503_with_a_time_to_try_again_and_no_word_of_an_upgrade(get: Get, world: World) -> None:
    # Otherwise the first of a lease would wait two seconds for a service of which nobody knows yet that it is away.
    world.opened.lease("acme", "api_calls")._away = "service_is_away"
    for mode, code in ((FailClosed(), "failed_closed"), (Grace(60.0), "grace_is_over")):
        world.go_away(mode)
        for path in ("/sso", "/premium", "/used?n=1", "/leased"):
            status, document = get(path)
            assert (status, document["error"], document["reason_code"]) == (503, "entitlements_unavailable", code)
            assert "upgrade_url" not in document
            assert world.headers["retry-after"] == str(document["retry_after"]) == "5"
    assert world.recorded == []


def test_in_an_outage_an_open_mode_lets_pass_and_what_is_known_is_answered(get: Get, world: World) -> None:
    assert (get("/sso")[0], get("/premium")[0]) == (200, 403)
    world.go_away(FailOpen(), forget=False)
    assert (get("/sso")[0], get("/premium")) == (200, (403, REFUSED)), "that acme has no premium is known"
    world.go_away(FailOpen())
    assert get("/sso")[0] == 200


def test_what_is_closed_is_no_reason_to_upgrade_either(get: Get, world: World) -> None:
    assert get("/leased")[0] == 200
    world.opened._leases.close()
    status, document = get("/leased")
    assert (status, document["reason_code"]) == (503, "client_is_closed")


def test_a_client_that_was_closed_is_503_for_a_named_organization_too(get: Get, world: World) -> None:
    world.organization = "org-b"
    assert get("/sso")[0] == 200
    world.opened._stop()
    status, document = get("/sso")
    assert (status, document["reason_code"], world.headers["retry-after"]) == (503, "client_is_closed", "5")


def test_usage_is_recorded_only_after_a_success(get: Get, world: World) -> None:
    assert [get(f"/used?n=2&status={status}")[0] for status in (200, 404, 500, 204)] == [200, 404, 500, 204]
    assert world.recorded == [2, 2]


def test_more_than_is_left_is_refused_and_not_recorded(get: Get, world: World) -> None:
    status, document = get("/used?n=11")
    assert (status, document["reason_code"], document["required_entitlement"]) == (403, "quota_exceeded", "api_calls")
    assert world.recorded == []


def test_with_a_lease_exactly_as_many_succeed_as_there_are_and_failures_cost_nothing(get: Get, world: World) -> None:
    assert [get("/leased?status=503")[0] for _ in range(3)] == [503] * 3
    found = [get("/leased")[0] for _ in range(13)]
    assert sorted(found) == [200] * 10 + [403] * 3
    assert world.recorded == [], "a lease counts by itself"


def test_without_the_middleware_an_endpoint_says_what_is_missing() -> None:
    from entitlements_client.frameworks.starlette import requires_entitlement

    @requires_entitlement("sso")
    async def endpoint() -> None: ...

    with pytest.raises(LookupError, match="add_middleware"):
        asyncio.run(endpoint())
