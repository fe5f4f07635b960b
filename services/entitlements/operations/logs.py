"""One line a message on standard error: `at=... level=... process=... message="..."`, or the same as JSON (ENTITLEMENTS_LOG_FORMAT=json).

| field | what |
|---|---|
| at, level, process, logger, message | when, how bad, who, where in the code, what |
| event | JSON only: the message without its particulars, so that all of a kind can be counted |
| code | the stable code of the error that is told, where there is one |
| request_id | of the request of the API that caused it |
| trace_id, span_id | of the span that was going on, where traces are on |
| error, trace | an exception, and where it came from |
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from entitlements.masking import masked
from entitlements.operations import tracing
from entitlements.operations.request_id import REQUEST_ID
from entitlements.redacting import without_secrets

FORMAT_VARIABLE: Final = "ENTITLEMENTS_LOG_FORMAT"
#: What exports traces: it retries by itself, and says so each time.
EXPORTERS: Final = ("opentelemetry",)
_ONCE_EVERY: Final = 60.0
_ONE_KIND: Final = frozenset({"aiokafka", *EXPORTERS})
#: Written without quotation marks in the text format.
_BARE: Final = frozenset({"at", "level", "process", "logger", "code", "request_id", "trace_id", "span_id"})


class OneLine(logging.Formatter):
    """Formats a record as one line of key=value pairs; an exception becomes two of them."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        pairs = self.fields(record).items()
        return masked(
            " ".join(
                f"{name}={value if name in _BARE else json.dumps(value, ensure_ascii=False)}" for name, value in pairs
            )
        )

    def fields(self, record: logging.LogRecord) -> dict[str, str]:
        """The fields of a message, those without a value left out."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        error = record.exc_info[1] if record.exc_info else None
        found = {
            "at": at,
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
            "code": _code(record, error),
            "request_id": REQUEST_ID.get(),
            **tracing.ids(),
        }
        if error is not None and record.exc_info:
            found |= {"error": f"{type(error).__name__}: {error}", "trace": self.formatException(record.exc_info)}
        # Libraries repeat the addresses that they were given.
        return {name: without_secrets(value) for name, value in found.items() if value or name == "message"}


class OneDocument(OneLine):
    """Formats a record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        document = self.fields(record) | {"event": without_secrets(str(record.msg))}
        return masked(json.dumps(document, ensure_ascii=False))


def _code(record: logging.LogRecord, error: BaseException | None) -> str:
    """What a message was given as `extra={"code": ..}`, else the code of the error that it tells."""
    arguments: Any = record.args if isinstance(record.args, tuple) else ()
    told = (getattr(each, "code", None) for each in (record, error, *arguments))
    return next((code for code in told if isinstance(code, str)), "")


def formatter_for(process: str) -> logging.Formatter:
    """The format that the environment asks for."""
    as_json = os.environ.get(FORMAT_VARIABLE, "").lower() == "json"
    return OneDocument(process) if as_json else OneLine(process)


class OnceAMinute(logging.Filter):
    """Lets each kind of message of a library pass once a minute, cut to one line.

    All messages of a library that retries by itself are one kind: a broker or a collector that is away is many messages of its parts.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the message may pass."""
        library, now = record.name.partition(".")[0], time.monotonic()
        kind = (library, "") if library in _ONE_KIND else (record.name, str(record.msg)[:80])
        if now - self._passed_at.get(kind, -_ONCE_EVERY) < _ONCE_EVERY:
            return False
        self._passed_at[kind] = now
        record.msg, record.args = record.getMessage().partition("\n")[0][:500], ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def hush(names: Iterable[str], formatter: logging.Formatter | None, level: int) -> None:
    """Write the messages of these libraries from a level on, each kind once a minute."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    handler.addFilter(OnceAMinute())
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
