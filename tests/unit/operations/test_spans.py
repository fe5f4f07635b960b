"""Contexts on their way from a frame to events and changes."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from entitlements.operations import onward, spans, tracing

CALLER = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HEADERS = [("ce_id", b"1"), ("traceparent", CALLER)]


@pytest.fixture
def tracing_on() -> Iterator[None]:
    tracing.use(TracerProvider())
    yield
    tracing.use(None)


def commands(count: int) -> Any:
    """Messages with a context, as the engine reads them."""
    found: Any = [
        SimpleNamespace(offset=lambda offset=offset: offset, partition=lambda: 0, headers=lambda: HEADERS)
        for offset in range(count)
    ]
    return found


def test_a_process_that_exports_nothing_passes_on_what_came() -> None:
    caller = tracing.read(CALLER)
    assert caller is not None
    assert onward.publishing("PoolOpened", "events", [caller]) == (None, CALLER)
    assert onward.derived("facts", "events", 7, HEADERS) == (None, CALLER)
    assert onward.derived("facts", "events", 7, HEADERS[:1]) == (None, b"")
    assert onward.derived("facts", "events", 7, None) == (None, b"")


def test_without_traces_the_headers_of_commands_are_not_looked_at() -> None:
    assert spans.TracedCommands.among(object()) is None  # type: ignore[arg-type]


@pytest.mark.usefixtures("tracing_on")
def test_a_frame_says_which_decisions_an_event_followed_from() -> None:
    traced = spans.TracedCommands.among(commands(2))
    frame = spans.FrameSpans.begin(traced, "commands", 0.1)
    assert frame is not None
    [(name, written)] = frame.event_headers([(3, 0), (3, 1), (4, 1)])
    assert name == spans.EVENT_TRACEPARENTS
    found = onward.contexts_of_events(written)  # type: ignore[arg-type]
    assert {place: len(contexts) for place, contexts in found.items()} == {3: 2, 4: 1}
    assert found[3][1] == found[4][0] != found[3][0]
    assert {f"{each.trace_id:032x}" for contexts in found.values() for each in contexts} == {CALLER.decode()[3:35]}
    assert frame.event_headers([]) == []


@pytest.mark.usefixtures("tracing_on")
def test_the_header_of_a_frame_is_bounded_and_what_does_not_fit_carries_no_trace() -> None:
    traced = spans.TracedCommands.among(commands(2_000))
    frame = spans.FrameSpans.begin(traced, "commands", 0.1)
    assert frame is not None
    [(_, written)] = frame.event_headers((offset, offset) for offset in range(2_000))
    assert len(written or b"") <= spans.EVENT_TRACEPARENTS_BYTES_MAX
    assert 500 < len(onward.contexts_of_events(written)) < 2_000  # type: ignore[arg-type]


def test_what_is_no_such_header_says_nothing() -> None:
    for written in (None, b"", b"x", b"1:x", b":" + CALLER, b"-1:" + CALLER, b"\xff:" + CALLER):
        assert onward.contexts_of_events(written) == {}


def test_rows_are_written_in_a_span_of_each_decision_which_says_when_they_were_not() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    written = b"0:" + CALLER + b",1:" + CALLER
    with onward.projecting([written, None]):
        pass
    tracing.use(provider)
    try:
        with onward.projecting([written, None]):
            assert exporter.get_finished_spans() == ()
        with pytest.raises(LookupError), onward.projecting([written]):
            raise LookupError
    finally:
        tracing.use(None)
    done, failed = exporter.get_finished_spans()
    assert [span.name for span in (done, failed)] == ["project", "project"]
    assert done.parent is not None
    assert f"{done.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert (done.status.status_code, failed.status.description) == (StatusCode.UNSET, "given_up")
