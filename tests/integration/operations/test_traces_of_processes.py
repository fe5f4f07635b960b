"""Traces of the started processes, as a collector gets them: from a request to the event and the change that follow from it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.collecting import Collector
from tests.serving import OPERATOR, Service, a_service

from entitlements import testing
from entitlements.ledger import clients
from entitlements_schemas.cloudevents import attributes

WITHIN_FOR = 20.0
PROCESSES = {f"entitlements-{name}" for name in ("api", "engine", "publisher", "projector", "changes")}


class Spans(Collector):
    """The collector, by the spans that came."""

    def trace(self, trace_id: str, *last: str) -> dict[str, tuple[str, Span]]:
        """The spans of a trace by their names, each with its process; waits until those named are there."""
        until = time.monotonic() + WITHIN_FOR
        while True:
            found = {span.name: (of, span) for of, span in self._all() if span.trace_id.hex() == trace_id}
            if found.keys() >= set(last):
                return found
            assert time.monotonic() < until, f"{sorted(set(last) - found.keys())} never came; there is {sorted(found)}"
            time.sleep(0.05)

    def _all(self) -> Iterator[tuple[str, Span]]:
        for _, _, body in list(self.taken):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                named = {each.key: each.value.string_value for each in resource.resource.attributes}
                yield from ((named["service.name"], span) for scope in resource.scope_spans for span in scope.spans)


@pytest.fixture(scope="module")
def collector() -> Iterator[Spans]:
    found = Spans()
    yield found
    found.close()


@pytest.fixture(scope="module")
def traced(kafka: str, postgres: str, collector: Spans, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An installation that is told of the collector by OpenTelemetry's own variables, and by nothing else."""
    folder: Path = tmp_path_factory.mktemp("traced")
    with pytest.MonkeyPatch.context() as environment, testing.a_database(postgres) as database:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with a_service(kafka, database, folder) as running:
            with running.client(OPERATOR) as operator:
                key = {"resource_key": "api_calls", "name": "Calls", "data_type": "integer"}
                assert operator.post("/v1/commands/DefineResourceKey", json=key).is_success
                rule = {"resource_key": "api_calls", "rule_type": "quota", "amount": 100, "period": "lifetime"}
                plan = {"set_id": "free", "name": "Free", "rules": [rule | {"stacking": "sum"}]}
                assert operator.post("/v1/commands/DefineEntitlementSet", json=plan).is_success
            command(running, "OpenPool")
            command(running, "ProvisionPool", provision_id="plan", source="subscription", set_id="free")
            yield running


def command(service: Service, name: str, traceparent: str = "", **fields: object) -> None:
    headers = {"traceparent": traceparent} if traceparent else {}
    with service.client() as http:
        answer = http.post(f"/v1/commands/{name}", json={"pool_id": "pool"} | fields, headers=headers)
    assert answer.is_success, answer.text


def a_trace() -> tuple[str, str, str]:
    """The ids of a trace and of the span of a caller of ours, and how it says them."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return trace_id, span_id, f"00-{trace_id}-{span_id}-01"


def record_of(service: Service, topic: str, trace_id: str) -> tuple[dict[str, str], str]:
    """The CloudEvents attributes of the one record of a trace in a topic, and the id of the span that its traceparent names."""
    for headers, _ in records_of(service, topic):
        told = headers.get("traceparent", b"").decode().split("-")
        if len(told) == 4 and told[1] == trace_id:
            assert (told[0], told[3]) == ("00", "01")
            return attributes(headers.items()), told[2]
    raise AssertionError


def records_of(service: Service, topic: str) -> Iterator[tuple[dict[str, bytes], bytes]]:
    """The headers and values of a topic's records. Fails when the one that is looked for never comes."""
    consumer = clients.reader(service.settings)
    try:
        name = service.settings.topic(topic)
        consumer.assign([TopicPartition(name, number, 0) for number in range(service.settings.partitions)])
        until = time.monotonic() + WITHIN_FOR
        while time.monotonic() < until:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                headers: Any = dict(clients.headers_of(message))
                yield headers, message.value() or b""
    finally:
        consumer.close()
    pytest.fail(f"what is looked for in {topic} never came")


def chain(spans: dict[str, tuple[str, Span]], last: str) -> list[tuple[str, str]]:
    """(process, name) of a span and of its parents, the first last; what has no parent here ends it."""
    by_id = {span.span_id: (of, span) for of, span in spans.values()}
    found, at = [], spans[last][1].span_id
    while at in by_id:
        of, span = by_id[at]
        found.append((of.removeprefix("entitlements-"), span.name))
        at = span.parent_span_id
    return [*found, ("", at.hex())]


def test_a_trace_runs_from_a_request_through_the_engine_to_the_event_and_on_to_the_change(
    traced: Service, collector: Spans
) -> None:
    trace_id, caller, traceparent = a_trace()
    command(traced, "AssignWorkspace", traceparent, workspace_id="ws", role="primary")

    event, of_event = record_of(traced, "events", trace_id)
    change, of_change = record_of(traced, "changes", trace_id)
    spans = collector.trace(trace_id, "publish WorkspaceAssigned", "derive changes", "send AssignWorkspace", "project")

    assert event["type"] == "entitlements.events.WorkspaceAssigned"
    assert change["type"] == "entitlement.granted"
    assert of_event == spans["publish WorkspaceAssigned"][1].span_id.hex()
    assert of_change == spans["derive changes"][1].span_id.hex()
    assert chain(spans, "derive changes") == [
        ("changes", "derive changes"),
        ("changes", "derive facts"),
        ("publisher", "publish WorkspaceAssigned"),
        ("engine", "decide"),
        ("api", "send AssignWorkspace"),
        ("api", "POST /v1/commands/AssignWorkspace"),
        ("", caller),
    ]
    assert chain(spans, "project")[:2] == [("projector", "project"), ("engine", "decide")]
    assert {of for of, _ in spans.values()} == PROCESSES


@pytest.mark.parametrize("path", ["/v1/usage", "/v1/events"])
def test_usage_carries_its_trace_into_the_metering_topic(traced: Service, collector: Spans, path: str) -> None:
    trace_id, caller, traceparent = a_trace()
    line = {"resource_key": "api_calls", "quantity": 2, "customer_id": "ws", "pool_id": "pool"}
    event = {"specversion": "1.0", "id": trace_id, "source": "/test", "type": "test.used", "data": line}
    body, kind = (event, "application/cloudevents+json") if path == "/v1/events" else (line, "application/json")
    with traced.client() as http:
        answer = http.post(path, json=body, headers={"traceparent": traceparent, "content-type": kind})
    assert answer.is_success, answer.text

    metered, of_metered = record_of(traced, "usage", trace_id)
    spans = collector.trace(trace_id, "publish UsageRecorded", f"POST {path}")

    assert metered["type"] == "entitlements.events.UsageRecorded"
    assert of_metered == spans["publish UsageRecorded"][1].span_id.hex()
    parts = chain(spans, "publish UsageRecorded")
    assert [process for process, _ in parts] == ["publisher", "engine", "api", "api", ""]
    assert parts[-2:] == [("api", f"POST {path}"), ("", caller)]


def test_what_a_caller_does_not_trace_is_traced_by_nobody(traced: Service) -> None:
    _, _, traceparent = a_trace()
    command(traced, "AssignWorkspace", f"{traceparent[:-2]}00", workspace_id="untraced", role="primary")
    for topic in ("events", "changes"):
        headers = next(headers for headers, value in records_of(traced, topic) if b"untraced" in value)
        assert "traceparent" not in headers
