"""What a log message says, as text and as JSON."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from entitlements.errors import ServerIsAway
from entitlements.operations import tracing
from entitlements.operations.logs import FORMAT_VARIABLE, OnceAMinute, OneDocument, OneLine, formatter_for
from entitlements.operations.request_id import REQUEST_ID


def record(message: str, *arguments: Any, **more: Any) -> logging.LogRecord:
    return logging.getLogger("entitlements.x").makeRecord(
        "entitlements.x", logging.WARNING, "", 1, message, arguments, None, extra=more
    )


def told(message: str, *arguments: Any, **more: Any) -> dict[str, Any]:
    line = OneDocument("engine").format(record(message, *arguments, **more))
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line)
    return found


def test_json_has_the_message_and_the_event_that_all_of_its_kind_share() -> None:
    first, second = told("%s lines of\n%s", 3, "p1"), told("%s lines of\n%s", 4, "p2")
    assert first["event"] == second["event"] == "%s lines of\n%s"
    assert first["message"] == "3 lines of\np1"
    assert (first["level"], first["process"], first["logger"]) == ("warning", "engine", "entitlements.x")
    assert first["at"].endswith("Z")


def test_the_code_is_that_of_the_error_that_is_told_or_the_one_given() -> None:
    assert told("trying again: %s", ServerIsAway("x"))["code"] == "server_is_away"
    assert told("dropped", code="queue_full")["code"] == "queue_full"
    assert "code" not in told("nothing wrong")
    assert "code=server_is_away" in OneLine("engine").format(record("again: %s", ServerIsAway("x")))


def test_a_message_names_the_request_and_the_span_that_it_belongs_to() -> None:
    tracing.use(TracerProvider())
    token = REQUEST_ID.set("r-17")
    try:
        tracer = tracing.tracer()
        assert tracer is not None
        with tracer.start_as_current_span("x") as span:
            found = told("inside")
        context = span.get_span_context()
        assert found["request_id"] == "r-17"
        assert (found["trace_id"], found["span_id"]) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
        assert "trace_id" not in told("outside")
    finally:
        REQUEST_ID.reset(token)
        tracing.use(None)
    assert "request_id" not in told("outside")


def test_no_message_has_the_secret_of_a_key() -> None:
    key = "ent_3kTfq09sXa2B_" + "s" * 43
    for formatter in (OneLine("api"), OneDocument("api")):
        line = formatter.format(record("DELETE /v1/keys/%s failed", key))
        assert "s" * 43 not in line
        assert "ent_3kTfq09sXa2B_***" in line


def test_text_is_what_one_gets_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FORMAT_VARIABLE, raising=False)
    assert type(formatter_for("engine")) is OneLine
    monkeypatch.setenv(FORMAT_VARIABLE, "json")
    assert type(formatter_for("engine")) is OneDocument


def test_a_flood_of_a_librarys_messages_is_one_line_a_minute() -> None:
    once = OnceAMinute()

    def passes(logger: str, message: str, *arguments: object) -> str | None:
        record = logging.LogRecord(logger, logging.ERROR, "f", 1, message, arguments, None)
        return record.getMessage() if once.filter(record) else None

    assert [passes("aiokafka", "node %s\nis away", number) for number in range(3)] == ["node 0", None, None]
    assert passes("aiokafka.consumer.fetcher", "something else") is None, "one broker is many messages of one client"
    assert passes("opentelemetry.exporter", "retrying in %s", 1)
    assert passes("opentelemetry.sdk", "given up") is None
    assert [passes("faust.app", message) for message in ("one", "two", "one")] == ["one", "two", None]
