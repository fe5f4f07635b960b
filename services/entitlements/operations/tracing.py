"""Traces through Kafka, by OpenTelemetry; switched on by its standard variables, and no more than a look at a variable when off.

caller   a span for each command, from sending it to its outcome; its context travels in the header traceparent (W3C) of the record
engine   a span for each command that came with a context, as its child, and one for the frame that holds what was decided:
         a frame holds many commands, so it is nobody's child and links to all of them, as they do to it
outcome  carries the frame's context back, and the caller's span links to it

Only what the caller's sampler chose is traced by the engine; a frame without any such command has no span.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanContext, Tracer

#: The header that carries a context, as W3C Trace Context writes it.
TRACEPARENT: Final = "traceparent"
#: Links of one span: what the SDK keeps by default.
LINKS_MAX: Final = 128
_WRITTEN: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_EXPORT_WITHIN_MS: Final = 5_000

_tracer: Tracer | None = None
_provider: TracerProvider | None = None

Headers = list[tuple[str, str | bytes | None]]


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether OpenTelemetry's variables ask for traces: an exporter or an endpoint is named, and nothing says none."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    if exporter:
        return exporter != "none"
    return any(environment.get(name) for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))


def set_up(process: str) -> None:
    """Trace this process if the variables ask for it: OTLP over HTTP in the background, or OTEL_TRACES_EXPORTER=console.

    The SDK reads the rest by itself: sampler, endpoint, headers, limits, and the name of the service where one is given.
    """
    if not is_wanted():
        return
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

    exporter: SpanExporter
    if os.environ.get("OTEL_TRACES_EXPORTER") == "console":
        exporter = ConsoleSpanExporter()
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter()
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: f"entitlements-{process}"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    use(provider)


def use(provider: TracerProvider | None) -> None:
    """Trace by this provider; None: not at all."""
    global _tracer, _provider
    _provider = provider
    _tracer = None if provider is None else provider.get_tracer("entitlements")


def close() -> None:
    """Export what is left, for some seconds at most."""
    provider = _provider
    use(None)
    if provider is not None:
        provider.force_flush(_EXPORT_WITHIN_MS)
        provider.shutdown()


def tracer() -> Tracer | None:
    """What makes spans; None: tracing is off."""
    return _tracer


def ids() -> dict[str, str]:
    """trace_id and span_id of what is going on, as log messages name them; empty when tracing is off or nothing is."""
    if _tracer is None:
        return {}
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"} if context.is_valid else {}


def traceparent_of(span: Span) -> bytes:
    """The context of a span, as it travels."""
    context = span.get_span_context()
    return b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)


def context_of(headers: Iterable[tuple[str, Any]] | None) -> SpanContext | None:
    """The context that came with a record, if its sender chose to trace it."""
    written = next((value for name, value in headers or () if name == TRACEPARENT), None)
    found = _WRITTEN.fullmatch(written) if isinstance(written, bytes) else None
    if found is None or not int(found[3], 16) & 1:
        return None
    from opentelemetry.trace import SpanContext, TraceFlags

    context = SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(1))
    return context if context.is_valid else None


class CallerSpans:
    """The spans of the commands of one caller, by their ids."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[str, Span] = {}

    @classmethod
    def if_wanted(cls) -> CallerSpans | None:
        """None: tracing is off."""
        return None if _tracer is None else cls(_tracer)

    def sent(self, command_id: str, name: str, topic: str, key: str) -> Headers:
        """A command is about to be sent; what its record is to carry."""
        from opentelemetry.trace import SpanKind

        span = self._tracer.start_span(
            f"send {name.rpartition('.')[2]}",
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "send",
                "messaging.destination.name": topic,
                "messaging.kafka.message.key": key,
                "entitlements.command_id": command_id,
            },
        )
        self._open[command_id] = span
        return [(TRACEPARENT, traceparent_of(span))]

    def answered(self, command_id: str, outcome: Any, headers: Iterable[tuple[str, Any]] = ()) -> None:
        """A command's outcome came (with the context of its frame), or nothing did: None, or the error."""
        span = self._open.pop(command_id, None)
        if span is None:
            return
        from opentelemetry.trace import Status, StatusCode

        frame = context_of(headers)
        if frame is not None:
            span.add_link(frame)
        status = getattr(outcome, "status", None)
        if status is None:
            span.set_status(Status(StatusCode.ERROR, "outcome_unknown"))
        else:
            # A refusal is an answer, and no error of anybody's.
            span.set_attributes(
                {
                    "entitlements.status": status,
                    "entitlements.code": outcome.code,
                    "entitlements.partition": outcome.partition,
                    "entitlements.frame_offset": outcome.frame_offset,
                }
            )
        span.end()

    def written(self, command_id: str) -> None:
        """A command for whose outcome nobody waits is in the log."""
        span = self._open.pop(command_id, None)
        if span is not None:
            span.end()


class FrameSpans:
    """The spans of one frame and of the commands in it, from deciding them to reading the frame back."""

    def __init__(self, tracer: Tracer, found: Sequence[tuple[Any, SpanContext]], topic: str, began_ns: int) -> None:
        from opentelemetry.trace import Link, NonRecordingSpan, SpanKind, set_span_in_context

        about = {"messaging.system": "kafka", "messaging.destination.partition.id": str(found[0][0].partition())}
        self.frame = tracer.start_span(
            "write frame",
            kind=SpanKind.PRODUCER,
            links=[Link(context) for _, context in found[:LINKS_MAX]],
            context=set_span_in_context(NonRecordingSpan(_nothing())),
            attributes=about | {"messaging.operation.type": "send"},
            start_time=began_ns,
        )
        to_frame = [Link(self.frame.get_span_context())]
        self._commands = {
            message.offset(): tracer.start_span(
                "decide",
                context=set_span_in_context(NonRecordingSpan(context)),
                kind=SpanKind.CONSUMER,
                links=to_frame,
                attributes=about
                | {
                    "messaging.operation.type": "process",
                    "messaging.destination.name": topic,
                    "messaging.kafka.offset": message.offset(),
                },
                start_time=began_ns,
            )
            for message, context in found
        }
        self.headers: Headers = [(TRACEPARENT, traceparent_of(self.frame))]

    @classmethod
    def begin(cls, messages: Iterable[Any], topic: str, deciding_for: float) -> FrameSpans | None:
        """Begin spans, so many seconds ago, for those of the commands that are traced; None: there is none, or tracing is off."""
        if _tracer is None:
            return None
        from entitlements.ledger.clients import headers_of

        found = [(m, context) for m in messages if (context := context_of(headers_of(m))) is not None]
        return cls(_tracer, found, topic, time.time_ns() - round(deciding_for * 1e9)) if found else None

    def decided(self, first: int, last: int, refusals: Iterable[Any]) -> None:
        """What became of the commands from first to last."""
        self.frame.set_attributes({"entitlements.first_command": first, "entitlements.last_command": last})
        for refusal in refusals:
            span = self._commands.get(refusal.offset)
            if span is not None:
                span.set_attribute("entitlements.code", refusal.code)

    def read_back(self, offset: int) -> None:
        """The frame counts."""
        self.frame.set_attribute("messaging.kafka.offset", offset)
        self._end()

    def given_up(self) -> None:
        """Nobody knows what became of the frame, or a rival's counts: its commands are decided again, elsewhere or here."""
        from opentelemetry.trace import Status, StatusCode

        for span in (self.frame, *self._commands.values()):
            span.set_status(Status(StatusCode.ERROR, "given_up"))
        self._end()

    def _end(self) -> None:
        for span in self._commands.values():
            span.end()
        self.frame.end()


def _nothing() -> SpanContext:
    """No context: whoever has it begins a trace of its own, whatever else is going on."""
    from opentelemetry.trace import INVALID_SPAN_CONTEXT

    return INVALID_SPAN_CONTEXT
