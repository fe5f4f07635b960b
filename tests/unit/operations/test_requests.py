"""What is seen of requests: seconds, ids and routes that callers cannot make up."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from entitlements.operations import metrics
from entitlements.operations.cache_counts import CacheCounts
from entitlements.operations.health import Readiness
from entitlements.operations.request_id import REQUEST_ID
from entitlements.operations.requests import Observed

SEEN: list[str] = []


class Route:
    path = "/v1/customers/{customer_id}"


async def application(scope: Any, receive: Any, send: Any) -> None:
    SEEN.append(REQUEST_ID.get())
    if scope["path"] != "/nowhere":
        scope["route"] = Route()
    if scope["path"] == "/breaks":
        raise LookupError
    await send({"type": "http.response.start", "status": 404 if scope["path"] == "/nowhere" else 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def ask(path: str = "/v1/customers/x", method: str = "GET", **headers: str) -> dict[str, str]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "method": method, "headers": listed}
    asyncio.run(Observed(application)(scope, None, send))  # type: ignore[arg-type]
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def observed(method: str, route: str, status: str) -> float:
    labels = {"method": method, "route": route, "status": status}
    return REGISTRY.get_sample_value("entitlements_http_request_seconds_count", labels) or 0.0


def test_a_request_is_measured_under_the_template_of_its_route() -> None:
    before = observed("GET", Route.path, "2xx")
    ask("/v1/customers/one")
    ask("/v1/customers/two")
    assert observed("GET", Route.path, "2xx") == before + 2


def test_what_callers_make_up_makes_no_new_series() -> None:
    before = observed("GET", "none", "4xx"), observed("other", Route.path, "2xx")
    ask("/nowhere")
    for number in range(3):
        ask(method=f"MADE-UP-{number}")
    assert (observed("GET", "none", "4xx"), observed("other", Route.path, "2xx")) == (before[0] + 1, before[1] + 3)


def test_the_callers_id_is_kept_and_told_again_and_a_bad_one_is_replaced() -> None:
    assert ask(x_request_id="r-17")["x-request-id"] == "r-17"
    assert SEEN[-1] == "r-17"
    for bad in ("", "a b", "a" * 65, "a\nb", '"'):
        told = ask(x_request_id=bad)["x-request-id"]
        assert told not in {bad, ""}
        assert SEEN[-1] == told
    assert REQUEST_ID.get() == ""


def test_a_request_that_breaks_is_not_under_way_any_more() -> None:
    with pytest.raises(LookupError):
        ask("/breaks")
    assert REGISTRY.get_sample_value("entitlements_http_requests_under_way") == 0


METRICS = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]


def test_a_metric_says_its_unit_and_what_it_means() -> None:
    assert len(METRICS) > 15
    for metric in METRICS:
        (described,) = metric.describe()
        assert described.name.startswith("entitlements_")
        assert len(described.documentation) > 10
        assert not isinstance(metric, Histogram) or described.name.endswith("_seconds"), described.name


def test_every_metric_is_explained_to_operators() -> None:
    page = (Path(__file__).parents[3] / "docs/operations.md").read_text()
    names = {each.describe()[0].name + ("_total" if isinstance(each, Counter) else "") for each in METRICS}
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_probes_are_answered_before_the_application_and_are_not_counted_as_requests() -> None:
    readiness = Readiness("api", {"kafka": dict})
    asked = len(SEEN)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    for path, method in (("/healthz", "GET"), ("/readyz", "GET"), ("/readyz", "HEAD"), ("/readyz", "POST")):
        scope = {"type": "http", "path": path, "method": method, "headers": []}
        asyncio.run(Observed(application, readiness)(scope, None, send))  # type: ignore[arg-type]
    readiness.close()
    assert [message["status"] for message in sent if "status" in message] == [200, 200, 200, 405]
    assert (b"allow", b"GET, HEAD") in sent[-2]["headers"]
    assert len(SEEN) == asked
    assert [bool(message["body"]) for message in sent if "body" in message] == [True, True, False, True]


@dataclass
class Counts:
    hits: int = 0
    misses: int = 0


def test_what_a_cache_counts_is_read_when_somebody_asks() -> None:
    registry, counts = CollectorRegistry(), Counts()
    CacheCounts({"in_process": counts}).register(registry)
    counts.hits += 3
    labels = {"level": "in_process", "result": "hits"}
    assert registry.get_sample_value("entitlements_cache_lookups_total", labels) == 3
    counts.hits += 1
    assert registry.get_sample_value("entitlements_cache_lookups_total", labels) == 4


def test_a_request_costs_microseconds() -> None:
    async def quick(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def nobody(message: Any) -> None:
        pass

    async def many() -> float:
        app = Observed(quick)
        began = time.thread_time()
        for _ in range(5_000):
            await app({"type": "http", "path": "/v1/check", "method": "POST", "headers": []}, None, nobody)  # type: ignore[arg-type]
        return time.thread_time() - began

    assert asyncio.run(many()) < 0.5  # 100 us each; it takes a tenth.
