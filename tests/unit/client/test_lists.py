"""Lists are iterated page by page, as their rows are wanted, in both clients."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from scripted import Asked, Reply, Script, ScriptedService

from entitlements_client import AsyncClient, Client
from entitlements_client.errors import RequestError
from entitlements_client.transport import lists

Serve = Callable[[Script], ScriptedService]


def query_of(asked: Asked) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(asked.path).query))


def paged(rows: int, size: int = 2) -> Script:
    """A service with so many pools."""

    def answer(asked: Asked) -> Reply:
        start = int(query_of(asked).get("cursor", "0"))
        items = [{"pool_id": f"p{n}"} for n in range(start, min(rows, start + size))]
        return 200, {"items": items, "next": str(start + size) if start + size < rows else None, "previous": None}

    return answer


def test_rows_are_asked_for_when_they_are_wanted(serve: Serve) -> None:
    server = serve(paged(5))
    with Client(server.service()) as client:
        pools = client.pools(status="open", since=datetime(2026, 1, 1, tzinfo=UTC), page_size=2, organization="acme")
        assert server.asked == [], "nothing is asked for before somebody looks"
        rows = iter(pools)
        assert [next(rows)["pool_id"], next(rows)["pool_id"]] == ["p0", "p1"]
        assert len(server.asked) == 1
        assert [row["pool_id"] for row in rows] == ["p2", "p3", "p4"]
        assert len(server.asked) == 3
        assert [row["pool_id"] for row in pools] == ["p0", "p1", "p2", "p3", "p4"], "from the first row, each time"
    first, second = server.asked[:2]
    assert (first.method, urlsplit(first.path).path, first.headers["entitlements-organization"]) == (
        "GET",
        "/v1/pools",
        "acme",
    )
    assert query_of(first) == {"status": "open", "since": "2026-01-01T00:00:00Z", "limit": "2"}
    assert query_of(second) == query_of(first) | {"cursor": "2"}


def test_an_async_client_iterates_them_too(serve: Serve) -> None:
    server = serve(paged(5))

    async def main() -> None:
        async with AsyncClient(server.service()) as client:
            pools = client.pools()
            rows = pools.__aiter__()
            assert (await anext(rows))["pool_id"] == "p0"
            assert len(server.asked) == 1
            assert [row["pool_id"] async for row in rows] == ["p1", "p2", "p3", "p4"]
            assert (await pools.page("2"))["items"] == [{"pool_id": "p2"}, {"pool_id": "p3"}]

    asyncio.run(main())


def test_one_page_is_asked_for_by_its_cursor(serve: Serve) -> None:
    with Client(serve(paged(5)).service()) as client:
        first = client.pools().page()
        assert [row["pool_id"] for row in first["items"]] == ["p0", "p1"]
        assert client.pools().page(str(first["next"]))["items"] == [{"pool_id": "p2"}, {"pool_id": "p3"}]


def test_an_empty_list_ends_at_once_and_a_refusal_is_raised(serve: Serve) -> None:
    with Client(serve(paged(0)).service()) as client:
        assert list(client.customers()) == []
    refusing = serve(lambda _: (422, {"code": "invalid_cursor", "status": 422, "detail": "It is of another list."}))
    with Client(refusing.service()) as client, pytest.raises(RequestError, match="another list") as refused:
        client.customers().page("x")
    assert refused.value.reason_code == "invalid_cursor"


@pytest.mark.parametrize("name", [name for name in vars(lists.Lists) if not name.startswith("_")])
def test_every_filter_is_a_parameter_of_the_route(name: str) -> None:
    from entitlements.api.app import create

    describe = getattr(lists, name)
    parameters = inspect.signature(describe).parameters
    call = describe(**{each: _something(kind.default) for each, kind in parameters.items()})
    document: Any = create(None).openapi()  # type: ignore[arg-type]  # Nothing is served.
    known = {each["name"] for each in document["paths"][call.path]["get"]["parameters"] if each.get("in") == "query"}
    sent = {query for query, _ in call.query}
    assert sent | {"cursor"} == known


def _something(default: Any) -> Any:
    return {bool: True, int: 3, str: "x"}.get(type(default), "2026-01-01T00:00:00Z")
