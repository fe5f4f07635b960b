"""Traces by OpenTelemetry: set up by its standard variables, and contexts as they travel. Off: no more than a look at a variable."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from entitlements.errors import SettingIsWrong

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanContext, Tracer

#: The header that carries a context, as W3C Trace Context writes it.
TRACEPARENT: Final = "traceparent"
_WRITTEN: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
#: Seconds for the last export: less than a process has for its end.
_EXPORT_WITHIN_FOR: Final = 1.0
#: What the SDK would pass over with a traceback, or name without its variable.
_POSITIVE: Final = tuple(
    f"OTEL_BSP_{name}" for name in ("SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE")
)
#: One of OTEL_EXPORTER_OTLP_HEADERS, as the SDK takes it.
_HEADER: Final = re.compile(r"[\w!#$%&'*+.^`|~-]+[ \t]*=[ \x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*", re.ASCII)
_EXPORTERS: Final = ("otlp", "console")
#: gRPC would bring a large package, and every collector takes this one.
_PROTOCOL: Final = "http/protobuf"

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

    Raises SettingIsWrong, as check does.

    The SDK reads the rest by itself: sampler, endpoint, headers, limits, and the name of the service where one is given.
    """
    if is_wanted():
        use(_provider_for(process))


def check() -> None:
    """Raises SettingIsWrong: tracing cannot be set up as the variables say."""
    if is_wanted():
        _provider_for("up").shutdown()


def _provider_for(process: str) -> TracerProvider:
    check_names()
    # It repeats headers, which are secrets.
    logging.getLogger("opentelemetry.util.re").disabled = True
    try:
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        variables = os.environ
        is_named = variables.get("OTEL_SERVICE_NAME") or "service.name=" in variables.get(
            "OTEL_RESOURCE_ATTRIBUTES", ""
        )
        resource = Resource.create({} if is_named else {SERVICE_NAME: f"entitlements-{process}"})
        # At its exit it would wait for the collector; close does not.
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(_exporter()))
    except Exception as error:  # The SDK has no errors of its own.
        given = ", ".join(sorted(name for name in os.environ if name.startswith("OTEL_")))
        raise SettingIsWrong(f"OpenTelemetry: {str(error).rstrip('.')}. Check {given}.") from error
    return provider


def check_names(environment: Mapping[str, str] = os.environ) -> None:
    """Raises SettingIsWrong: the variables ask for an exporter or a protocol that is not there, or name no headers."""
    if not is_wanted(environment):
        return
    _check_numbers_and_headers(environment)
    exporter = environment.get("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter not in _EXPORTERS:
        raise SettingIsWrong(f"OTEL_TRACES_EXPORTER: must be otlp, console or none, not {exporter!r}.")
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if exporter == "otlp" and (protocol := environment.get(name)):
            if protocol != _PROTOCOL:
                raise SettingIsWrong(f"{name}: must be {_PROTOCOL}, not {protocol!r}. Collectors take it on port 4318.")
            return  # The one for traces counts.


def _check_numbers_and_headers(environment: Mapping[str, str]) -> None:
    for name in _POSITIVE:
        if (given := environment.get(name)) and not (given.isdecimal() and int(given)):
            raise SettingIsWrong(f"{name}: must be a positive integer, not {given!r}.")
    for name in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"):
        for number, header in enumerate(environment.get(name, "").split(","), 1):
            if header.strip() and not _HEADER.fullmatch(header.strip()):  # Which may be a secret, and is not repeated.
                raise SettingIsWrong(f"{name}: entry {number} must be name=value. Entries are comma separated.")


def _exporter() -> SpanExporter:
    if os.environ.get("OTEL_TRACES_EXPORTER") == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def use(provider: TracerProvider | None) -> None:
    """Trace by this provider; None: not at all."""
    global _tracer, _provider
    _provider = provider
    _tracer = None if provider is None else provider.get_tracer("entitlements")


def close() -> None:
    """Export what is left, for a second at most: a collector that is away must not hold up the end of a process."""
    provider = _provider
    use(None)
    if provider is not None:
        closing = threading.Thread(target=provider.shutdown, name="last-traces", daemon=True)
        closing.start()
        closing.join(_EXPORT_WITHIN_FOR)


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
    return written(span.get_span_context())


def written(context: SpanContext) -> bytes:
    """A context as it travels."""
    return b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)


def context_of(headers: Iterable[tuple[str, Any]] | None) -> SpanContext | None:
    """The context that came with a record, if its sender chose to trace it."""
    value = next((value for name, value in headers or () if name == TRACEPARENT), None)
    context = read(value)
    return context if context is not None and context.trace_flags & 1 else None


def read(value: object) -> SpanContext | None:
    """A context as it travels, whether or not its sender chose to trace; None: it is none."""
    found = _WRITTEN.fullmatch(value) if isinstance(value, bytes) else None
    if found is None:
        return None
    from opentelemetry.trace import SpanContext, TraceFlags

    context = SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16) & 1)
    )
    return context if context.is_valid else None
