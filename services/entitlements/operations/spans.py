"""Spans through Kafka, from the caller to the engine and back. A context travels in the header traceparent (W3C).

caller   a span for each command, from sending it to its outcome
engine   a span for each command that came with a context, as its child, and one for the frame that holds what was decided:
         a frame holds many commands, so it is nobody's child and links to all of them, as they do to it
outcome  carries the frame's context back, and the caller's span links to it

Only what the caller's sampler chose is traced; a frame without any such command has no span. onward.py has what follows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from entitlements.operations import tracing
from entitlements.operations.tracing import TRACEPARENT, Headers, context_of, traceparent_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, Tracer

#: The header of a frame that says which of its events followed from which decision: "place:traceparent", separated by commas.
EVENT_TRACEPARENTS: Final = "event_traceparents"
#: Bytes of that header: a frame has to fit into a record with it. Events after those that fit carry no trace.
EVENT_TRACEPARENTS_BYTES_MAX: Final = 32 * 1024
#: Links of one span: what the SDK keeps by default.
LINKS_MAX: Final = 128


class CallerSpans:
    """The spans of the commands of one caller, by their ids."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[str, Span] = {}

    @classmethod
    def if_wanted(cls) -> CallerSpans | None:
        """None: tracing is off."""
        tracer = tracing.tracer()
        return None if tracer is None else cls(tracer)

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


class TracedCommands(NamedTuple):
    """Those commands of a batch that came with a context, in order."""

    found: Sequence[tuple[Any, SpanContext]]

    @property
    def offsets(self) -> frozenset[int]:
        """Where they stand in the log of commands."""
        return frozenset(message.offset() for message, _ in self.found)

    @classmethod
    def among(cls, messages: Iterable[Any]) -> TracedCommands | None:
        """None: there is none, or tracing is off."""
        if tracing.tracer() is None:
            return None
        from entitlements.ledger.clients import headers_of

        found = [(m, context) for m in messages if (context := context_of(headers_of(m))) is not None]
        return cls(found) if found else None


class FrameSpans:
    """The spans of one frame and of the commands in it, from deciding them to reading the frame back."""

    def __init__(self, tracer: Tracer, traced: TracedCommands, topic: str, began_ns: int) -> None:
        from opentelemetry.trace import Link, SpanKind

        found = traced.found
        about = {"messaging.system": "kafka", "messaging.destination.partition.id": str(found[0][0].partition())}
        self.frame = tracer.start_span(
            "write frame",
            kind=SpanKind.PRODUCER,
            links=[Link(context) for _, context in found[:LINKS_MAX]],
            context=within(_nothing()),
            attributes=about | {"messaging.operation.type": "send"},
            start_time=began_ns,
        )
        to_frame = [Link(self.frame.get_span_context())]
        self._commands = {
            message.offset(): tracer.start_span(
                "decide",
                context=within(context),
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
    def begin(cls, traced: TracedCommands | None, topic: str, deciding_for: float) -> FrameSpans | None:
        """Begin spans, so many seconds ago, for the traced commands; None: there is none, or tracing is off."""
        tracer = tracing.tracer()
        if tracer is None or traced is None:
            return None
        return cls(tracer, traced, topic, time.time_ns() - round(deciding_for * 1e9))

    def decided(self, first: int, last: int, refusals: Iterable[Any]) -> None:
        """What became of the commands from first to last."""
        self.frame.set_attributes({"entitlements.first_command": first, "entitlements.last_command": last})
        for refusal in refusals:
            span = self._commands.get(refusal.offset)
            if span is not None:
                span.set_attribute("entitlements.code", refusal.code)

    def event_headers(self, caused: Iterable[tuple[int, int]]) -> Headers:
        """What the frame's record says of its events. caused: places in the frame, and offsets of the commands, in this order."""
        parts: list[bytes] = []
        room = EVENT_TRACEPARENTS_BYTES_MAX
        for place, offset in caused:
            part = b"%d:%b" % (place, traceparent_of(self._commands[offset]))
            room -= len(part) + 1
            if room < 0:
                break
            parts.append(part)
        return [(EVENT_TRACEPARENTS, b",".join(parts))] if parts else []

    def confirmed(self, offset: int) -> None:
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


def within(context: SpanContext) -> Any:
    """For spans that are to be its children."""
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    return set_span_in_context(NonRecordingSpan(context))


def _nothing() -> SpanContext:
    """No context: whoever has it begins a trace of its own, whatever else is going on."""
    from opentelemetry.trace import INVALID_SPAN_CONTEXT

    return INVALID_SPAN_CONTEXT
