"""Traces through a real Kafka and the real engine: caller, engine, frame, outcome."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from contextlib import closing
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanContext, StatusCode
from prometheus_client import REGISTRY
from tests.collecting import Collector
from tests.faults import driving
from tests.faults.driving import line, open_pool, pools_on, provision, quota, use

from entitlements.errors import OutcomeUnknown, SettingIsWrong
from entitlements.ledger import clients, engine
from entitlements.ledger.caller import Caller
from entitlements.ledger.records import name_of_command, shape_of
from entitlements.operations import tracing
from entitlements.operations.requests import Observed
from entitlements.settings import Settings
from entitlements.wiring.processes import END_WITHIN_FOR, operated

POOLS = [pool for pool, _ in zip(pools_on(0), range(3), strict=False)]


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)


@pytest.fixture
def settings(kafka: str, topic_prefix: str) -> Settings:
    return driving.settings_for(kafka, topic_prefix)


@pytest.fixture
def deciding(settings: Settings) -> Iterator[None]:
    """An engine in a thread of this process, so that its spans come to us."""
    stopping = threading.Event()
    thread = threading.Thread(target=engine.Engine(settings, stopping).run)
    thread.start()
    yield
    stopping.set()
    thread.join(30)


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def ids(context: SpanContext | None) -> tuple[int, int]:
    assert context is not None
    return context.trace_id, context.span_id


def links(span: ReadableSpan) -> set[tuple[int, int]]:
    return {ids(link.context) for link in span.links}


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


@pytest.mark.usefixtures("deciding")
def test_a_command_is_followed_from_its_caller_through_the_engine_into_its_frame_and_back(
    settings: Settings, spans: InMemorySpanExporter
) -> None:
    tracer = tracing.tracer()
    assert tracer is not None
    with Caller(settings) as caller, tracer.start_as_current_span("request") as request:
        outcome = caller.call(open_pool(POOLS[0]))
    (sent,), (decided,), (frame,) = (named(spans, name) for name in ("send OpenPool", "decide", "write frame"))
    assert ids(sent.parent) == ids(request.get_span_context())
    assert ids(decided.parent) == ids(sent.context)
    assert links(decided) == {ids(frame.context)}
    assert frame.parent is None
    assert links(frame) == {ids(sent.context)}
    assert links(sent) == {ids(frame.context)}
    assert attributes(sent)["entitlements.status"] == "accepted"
    assert attributes(sent)["entitlements.frame_offset"] == outcome.frame_offset
    assert attributes(frame)["messaging.kafka.offset"] == outcome.frame_offset
    assert sent.end_time is not None
    assert decided.end_time is not None
    assert frame.start_time is not None
    assert decided.start_time is not None
    assert sent.start_time is not None
    assert sent.start_time <= decided.start_time <= decided.end_time <= sent.end_time


@pytest.mark.usefixtures("deciding")
def test_a_frame_links_to_every_command_in_it_and_a_refusal_says_its_code(
    settings: Settings, spans: InMemorySpanExporter
) -> None:
    with Caller(settings) as caller:
        for pool in POOLS:
            caller.call(open_pool(pool))
            caller.call(provision(pool, quota(5)))
        spans.clear()
        commands = [use(pool, line(1)) for pool in POOLS for _ in range(20)]
        wait([caller.send(command) for command in [*commands, provision("nowhere", quota(1))]], 20)
        caller.call(provision(POOLS[0], quota(5)))
    frames = named(spans, "write frame")
    decided = named(spans, "decide")
    assert len(decided) == len(commands) + 2
    assert sum(len(frame.links) for frame in frames) == len(decided)
    assert {ids(span.parent) for span in decided} == set().union(*map(links, frames))
    refused = [span for span in decided if "entitlements.code" in attributes(span)]
    assert {attributes(span)["entitlements.code"] for span in refused} >= {"unknown_pool"}


def test_an_answer_that_never_comes_ends_the_span_as_an_error(settings: Settings, spans: InMemorySpanExporter) -> None:
    hurried = settings.model_copy(update={"answer_timeout_for": 0.3})
    with Caller(hurried) as caller:
        with pytest.raises(OutcomeUnknown):
            caller.call(open_pool(POOLS[0]))
        caller.post(open_pool(POOLS[1])).result(10)
        caller.send(open_pool(POOLS[2]), wait=False)
        caller.flush()
    unknown, *written = named(spans, "send OpenPool")
    assert (unknown.status.status_code, unknown.status.description) == (StatusCode.ERROR, "outcome_unknown")
    assert [span.status.status_code for span in written] == [StatusCode.UNSET] * 2


@pytest.mark.usefixtures("deciding")
def test_what_the_caller_did_not_choose_is_traced_by_nobody(settings: Settings) -> None:
    exporter = InMemorySpanExporter()
    chosen = TracerProvider(sampler=ALWAYS_OFF)
    chosen.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(chosen)
    try:
        with Caller(settings) as caller:
            every = TracerProvider()
            every.add_span_processor(SimpleSpanProcessor(exporter))
            tracing.use(every)  # The engine would trace everything.
            assert caller.call(open_pool(POOLS[0])).is_accepted
    finally:
        tracing.use(None)
    assert exporter.get_finished_spans() == ()


@pytest.mark.usefixtures("deciding")
def test_when_traces_are_off_no_record_carries_anything_of_them(settings: Settings) -> None:
    with Caller(settings) as caller:
        assert caller.call(open_pool(POOLS[0])).is_accepted
    for topic in ("commands", "outcomes", "ledger"):
        for messages in driving.read_all(settings, topic).values():
            assert all(name != "traceparent" for message in messages for name, _ in clients.headers_of(message))


@pytest.mark.usefixtures("deciding")
def test_a_command_with_a_header_that_is_no_context_is_decided_like_any_other(
    settings: Settings, spans: InMemorySpanExporter
) -> None:
    strange = [b"", b"garbage", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"\xff" * 55, None]
    command = open_pool(POOLS[0])
    value = driving.WIRE.encode_plain(
        name_of_command(command), shape_of(type(command)).to_record(command) | {"caller": None}
    )
    producer = clients.producer(settings)
    for header in strange:
        headers: list[tuple[str, str | bytes | None]] = [("traceparent", header)]
        producer.produce(settings.topic("commands"), value, key=POOLS[0], partition=0, headers=headers)
    producer.flush(10)
    with Caller(settings) as caller:
        assert driving.insist(caller, command).repeated
    assert len(named(spans, "decide")) == 1


@pytest.mark.usefixtures("deciding")
def test_the_engine_counts_what_it_decides(settings: Settings) -> None:
    names = ("commands", "usage_lines", "frames")

    def counted() -> list[float]:
        return [REGISTRY.get_sample_value(f"entitlements_engine_{name}_total") or 0 for name in names]

    def refusals(code: str) -> float:
        return REGISTRY.get_sample_value("entitlements_engine_refusals_total", {"code": code}) or 0

    before, before_refused = counted(), refusals("unknown_pool")
    with Caller(settings) as caller:
        caller.call(open_pool(POOLS[0]))
        caller.call(provision(POOLS[0], quota(5)))
        caller.call(use(POOLS[0], line(1), line(2)))
        caller.call(provision("nowhere", quota(1)))
    commands, lines, frames = (after - was for after, was in zip(counted(), before, strict=True))
    assert (commands, lines, frames) == (4, 2, 4)
    assert refusals("unknown_pool") == before_refused + 1


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_the_standard_variables_switch_traces_on(variables: dict[str, str], wanted: bool) -> None:  # noqa: FBT001
    assert tracing.is_wanted(variables) is wanted


OTLP = {"OTEL_TRACES_EXPORTER": "otlp"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: must be otlp, console or none, not 'zipkin'."),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf, not 'grpc'. Collectors take it on port 4318.",
        ),
        (OTLP | {"OTEL_BSP_MAX_QUEUE_SIZE": "10"}, "Check OTEL_BSP_MAX_QUEUE_SIZE, OTEL_TRACES_EXPORTER."),
        (OTLP | {"OTEL_BSP_SCHEDULE_DELAY": "-1"}, "OTEL_BSP_SCHEDULE_DELAY: must be a positive integer, not '-1'."),
        (
            OTLP | {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "abc"},
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be a non-negative integer",
        ),
        (
            OTLP | {"OTEL_EXPORTER_OTLP_HEADERS": "x=y, authorization: Bearer hunter2"},
            "OTEL_EXPORTER_OTLP_HEADERS: entry 2 must be name=value.",
        ),
    ],
)
def test_an_exporter_that_is_not_there_is_a_wrong_setting_of_every_process(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for process in ("api", "engine"):
        with pytest.raises(SettingIsWrong, match=re.escape(said)) as error, operated(Settings(), process):
            pass
        assert "hunter2" not in f"{error.value}{caplog.text}"
    tracing.check_names(variables | {"OTEL_TRACES_EXPORTER": "none"})


def test_the_protocol_of_traces_counts_and_headers_may_have_spaces_in_their_values() -> None:
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer a%20b=, x-key = two words,"}
    protocols = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
    tracing.check_names(OTLP | headers | protocols)


def test_a_process_without_traces_never_loads_what_makes_them() -> None:
    modules = (
        "entitlements.api.app, entitlements.ledger.engine, entitlements.ledger.publisher, entitlements.changes.app"
    )
    code = f"import sys, {modules}; sys.exit('opentelemetry.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_endpoint_in_the_environment_is_all_it_takes_to_export(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Collector()) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        tracing.set_up("engine")
        try:
            tracer = tracing.tracer()
            assert tracer is not None
            tracer.start_span("write frame").end()
        finally:
            tracing.close()
    ((path, kind, body),) = collector.taken
    assert (path, kind) == ("/v1/traces", "application/x-protobuf")
    assert b"write frame" in body
    assert b"entitlements-engine" in body
    assert tracing.tracer() is None


def test_a_request_is_a_child_of_its_callers_span_and_what_it_sends_is_its_own(spans: InMemorySpanExporter) -> None:
    router = APIRouter(prefix="/v1")
    inner: list[tuple[int, int]] = []

    @router.get("/customers/{customer_id}")
    async def view(customer_id: str) -> dict[str, str]:
        tracer = tracing.tracer()
        assert tracer is not None
        with tracer.start_as_current_span("send OpenPool") as sent:
            inner.append(ids(sent.parent))  # type: ignore[attr-defined]
        if customer_id == "breaks":
            raise LookupError
        return {}

    app = FastAPI()
    app.include_router(router)
    caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    async def ask() -> None:
        transport = httpx.ASGITransport(app=Observed(app), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            await client.get("/v1/customers/ws", headers={"traceparent": caller})
            await client.get("/v1/customers/breaks")
            await client.get("/elsewhere")

    asyncio.run(ask())
    served, broken, lost = (span for span in spans.get_finished_spans() if span.name.startswith("GET"))
    assert (served.name, lost.name) == ("GET /v1/customers/{customer_id}", "GET")
    assert ids(served.parent) == (0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7)
    assert inner == [ids(served.context), ids(broken.context)]
    assert attributes(served)["http.response.status_code"] == 200
    assert (broken.status.status_code, lost.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert broken.parent is None


class Hangs(SpanExporter):
    """A collector that takes a connection and never answers."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.over = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        self.over.wait(30)
        return SpanExportResult.FAILURE


def test_a_collector_that_does_not_answer_holds_up_nobodys_end() -> None:
    exporter = Hangs()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracing.use(provider)
    provider.get_tracer("test").start_span("last").end()
    began = time.monotonic()
    tracing.close()
    assert time.monotonic() - began < END_WITHIN_FOR
    assert exporter.asked.is_set()
    exporter.over.set()


def test_a_worker_of_the_api_exports_what_is_left_before_it_ends(spans: InMemorySpanExporter) -> None:
    told: list[tuple[str, bool]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        for kind in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
            await send({"type": kind})

    async def send(message: Any) -> None:
        told.append((message["type"], tracing.tracer() is None))

    async def receive() -> Any:
        return {}

    asyncio.run(Observed(application)({"type": "lifespan"}, receive, send))
    assert told == [("lifespan.startup.complete", False), ("lifespan.shutdown.complete", True)]
    assert not spans.get_finished_spans()
