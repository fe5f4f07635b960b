"""Spans of what follows from a decision, each by the context that the record before it carried.

publisher  a span for each event, as a child of the decision that it followed from
projector  a span for each decision whose events become rows, as its child
changes    a span for each event, and for each fact made of it, that something followed from
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from entitlements.operations import tracing
from entitlements.operations.spans import LINKS_MAX, within
from entitlements.operations.tracing import context_of, traceparent_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext

#: Decisions that are traced on into one transaction of the projector.
PROJECTED_MAX: Final = 128


def contexts_of_events(written: bytes | None) -> dict[int, list[SpanContext]]:
    """By its place in a frame, the decisions from which an event followed. written: the frame's header EVENT_TRACEPARENTS."""
    found: dict[int, list[SpanContext]] = {}
    for part in (written or b"").split(b","):
        place, _, traceparent = part.partition(b":")
        context = tracing.read(traceparent)
        if context is not None and place.isdigit():
            found.setdefault(int(place), []).append(context)
    return found


def publishing(name: str, topic: str, contexts: Sequence[SpanContext]) -> tuple[Span | None, bytes]:
    """An event is about to be published: its span, a child of the first decision with links to the others, and what its record carries.

    Without traces in this process there is no span, and the record carries the decision's own context.
    """
    tracer = tracing.tracer()
    if tracer is None:
        return None, tracing.written(contexts[0])
    from opentelemetry.trace import Link, SpanKind

    span = tracer.start_span(
        f"publish {name}",
        kind=SpanKind.PRODUCER,
        context=within(contexts[0]),
        links=[Link(context) for context in contexts[1 : LINKS_MAX + 1]],
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.type": "send",
            "messaging.destination.name": topic,
        },
    )
    return span, traceparent_of(span)


def derived(step: str, topic: str, offset: int, headers: Iterable[tuple[str, Any]] | None) -> tuple[Span | None, bytes]:
    """What followed from a record with these headers is about to be written: its span, and what those records carry.

    Empty: the record came without a context. Without traces in this process there is no span; the context is passed on.
    """
    context = context_of(headers)
    if context is None:
        return None, b""
    tracer = tracing.tracer()
    if tracer is None:
        return None, tracing.written(context)
    from opentelemetry.trace import SpanKind

    span = tracer.start_span(
        f"derive {step}",
        kind=SpanKind.CONSUMER,
        context=within(context),
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.destination.name": topic,
            "messaging.kafka.offset": offset,
        },
    )
    return span, traceparent_of(span)


@contextmanager
def projecting(frames: Sequence[bytes | None]) -> Iterator[None]:
    """While frames become rows, to the end of the transaction: a span for each decision in them, the first PROJECTED_MAX.

    frames: their headers EVENT_TRACEPARENTS.
    """
    tracer = tracing.tracer()
    if tracer is None:
        yield
        return
    found = (context for written in frames for each in contexts_of_events(written).values() for context in each)
    decisions = list({context.span_id: context for context in found}.values())[:PROJECTED_MAX]
    begun = [tracer.start_span("project", context=within(context), kind=_consumer()) for context in decisions]
    try:
        yield
    except BaseException:
        from opentelemetry.trace import Status, StatusCode

        for span in begun:
            span.set_status(Status(StatusCode.ERROR, "given_up"))
        raise
    finally:
        for span in begun:
            span.end()


def _consumer() -> Any:
    from opentelemetry.trace import SpanKind

    return SpanKind.CONSUMER
