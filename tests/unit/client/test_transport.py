"""Both clients against a real HTTP server: what arrives there, and that none of them knows a rule that the other does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from scripted import Asked, Reply, Script, ScriptedService, decision, view

from entitlements_client import AsyncClient, Client, Service
from entitlements_client.errors import (
    ClientIsClosed,
    NotFound,
    OutcomeUnknown,
    RequestError,
    ServiceIsAway,
    Unauthenticated,
)

Serve = Callable[[Script], ScriptedService]
Ask = Callable[[Service, str, tuple[Any, ...], dict[str, Any]], Any]


def waiting(service: Service, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with Client(service) as client:
        return getattr(client, method)(*args, **kwargs)


def awaiting(service: Service, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    async def main() -> Any:
        async with AsyncClient(service) as client:
            return await getattr(client, method)(*args, **kwargs)

    return asyncio.run(main())


@pytest.fixture(params=[waiting, awaiting], ids=["Client", "AsyncClient"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return lambda service, method, *args, **kwargs: request.param(service, method, args, kwargs)


def test_a_question_arrives_whole_and_says_who_asks(serve: Serve, ask: Callable[..., Any]) -> None:
    server = serve(lambda asked: (200, decision(resource_key="api_calls", quantity=3)))
    found = ask(server.service(), "check", "acme", "api_calls", 3, subject_id="ann", consistency="0:4")
    assert (found.allowed, found.source, found.decision_id) == (True, "SERVICE", "d-1")
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/check")
    assert asked.body == {"customer_id": "acme", "resource_key": "api_calls", "quantity": 3, "subject_id": "ann"}
    assert asked.headers["authorization"] == "Bearer ent_testing_secret"
    assert asked.headers["entitlements-consistency"] == "0:4"


def test_a_cut_connection_is_tried_again_with_the_same_key_and_body(serve: Serve, ask: Callable[..., Any]) -> None:
    def script(asked: Asked) -> Reply | None:
        return (
            None
            if len(server.asked) < 3
            else (200, {"usage_id": "u-1", "pool_id": "p"}, {"entitlements-consistency": "2:5"})
        )

    server = serve(script)
    recorded = ask(server.service(), "record_usage", {"customer_id": "a", "resource_key": "k", "quantity": 2})
    assert (recorded.usage_id, recorded.pool_id, recorded.consistency_token) == ("u-1", "p", "2:5")
    assert len(server.asked) == 3
    assert len({asked.headers["idempotency-key"] for asked in server.asked}) == 1
    assert len({str(asked.body) for asked in server.asked}) == 1


def test_nobody_home_is_told_apart_from_an_unknown_outcome(serve: Serve, ask: Callable[..., Any]) -> None:
    line = {"customer_id": "a", "resource_key": "k", "quantity": 2}
    with pytest.raises(ServiceIsAway):
        ask(Service("http://127.0.0.1:9", "ent_x_y", serve(lambda _: None).service().retries), "record_usage", line)
    server = serve(lambda _: None)
    with pytest.raises(OutcomeUnknown) as caught:
        ask(server.service(change_within=0.3), "record_usage", line, idempotency_key="mine")
    assert caught.value.idempotency_key == "mine"


def test_one_client_serves_one_loop_after_another_and_many_at_once(serve: Serve) -> None:
    client = AsyncClient(serve(lambda asked: (200, decision())).service())

    async def ask_often() -> bool:
        return all([(await client.check("acme", "sso")).allowed for _ in range(20)])

    for _ in range(3):
        assert asyncio.run(ask_often())
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda _: asyncio.run(ask_often()), range(16)))

    async def close_and_ask() -> None:
        await client.aclose()
        with pytest.raises(ClientIsClosed):
            await client.check("acme", "sso")

    asyncio.run(close_and_ask())


@pytest.mark.parametrize(
    ("url", "api_key"),
    [
        ("127.0.0.1:8080", "ent_x_y"),
        ("", "ent_x_y"),
        ("http://127.0.0.1:9", ""),
        ("http://127.0.0.1:9", "ent_x_y\n"),
        ("http://127.0.0.1:9", "Bearer ent_x_y"),
        ("http://127.0.0.1:9", "ent_ü_y"),
    ],
)
def test_what_could_never_be_sent_is_no_service_that_is_away(url: str, api_key: str) -> None:
    with pytest.raises(ValueError, match=r"url must be an address|api_key must be"):
        Service(url, api_key)


def test_what_no_json_says_is_a_request_that_is_wrong(serve: Serve, ask: Callable[..., Any]) -> None:
    server = serve(lambda _: None)
    with pytest.raises(RequestError):
        ask(server.service(), "check", "half a pair: \ud800", "sso")
    with pytest.raises(RequestError):
        ask(server.service(), "entitlements", "half a pair: \ud800")
    assert not server.asked


@pytest.mark.parametrize("key", ["kä", " k", "k\n", "x" * 129])
def test_a_key_that_no_header_carries_as_it_is_is_a_request_that_is_wrong(
    serve: Serve, ask: Callable[..., Any], key: str
) -> None:
    server = serve(lambda _: None)
    line = {"customer_id": "a", "resource_key": "k", "quantity": 2}
    with pytest.raises(RequestError, match="ASCII") as caught:
        ask(server.service(), "record_usage", line, idempotency_key=key)
    assert (caught.value.reason_code, caught.value.status) == ("invalid_id", 422)
    assert not server.asked


@pytest.mark.parametrize(
    ("status", "code", "error"), [(401, "unauthenticated", Unauthenticated), (404, "not_found", NotFound)]
)
def test_a_problem_is_an_error_of_its_code(
    serve: Serve, ask: Callable[..., Any], status: int, code: str, error: type[Exception]
) -> None:
    server = serve(lambda asked: (status, {"code": code, "status": status, "detail": "Told."}))
    with pytest.raises(error) as caught:
        ask(server.service(), "entitlements", "acme")
    assert str(caught.value) == "Told.", "said once: by the service, not by the class as well"


def test_without_a_detail_the_error_says_what_its_class_does(serve: Serve, ask: Callable[..., Any]) -> None:
    server = serve(lambda asked: (401, None))
    with pytest.raises(Unauthenticated) as caught:
        ask(server.service(), "entitlements", "acme")
    assert str(caught.value) == "Missing or invalid API key. (HTTP 401)"


def test_views_come_with_their_etag(serve: Serve, ask: Callable[..., Any]) -> None:
    def script(asked: Asked) -> Reply:
        if asked.headers.get("if-none-match") == '"1"':
            return (304, None, {"etag": '"1"'})
        return (200, view(), {"etag": '"1"'})

    server = serve(script)
    assert ask(server.service(), "entitlements", "acme").value.customer_id == "acme"
    assert ask(server.service(), "entitlements", "acme", etag='"1"').value is None


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_route_is_a_method_of_both(client: type) -> None:
    routes = {"check", "check_all", "check_each", "entitlements", "entitlement", "remaining", "policy_set", "dry_run", "record_usage",
              "record_usage_batch", "send_events", "reserve", "extend", "commit", "release", "reservations", "report_access",
              "access_log", "command", "create_key", "revoke_key", "pools", "customers", "provisions", "grants", "usage",
              "units", "members", "sets", "resource_keys", "policies", "campaigns", "api_keys"}  # fmt: skip
    assert all(getattr(client, route).__doc__ for route in routes)
