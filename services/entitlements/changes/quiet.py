"""What a worker says on its terminal: our own sentences, and of the libraries only errors, each at most once a minute."""

from __future__ import annotations

import logging
import os
import time
import warnings
from typing import Final

from entitlements.operations.logs import formatter_for

_ONCE_EVERY: Final = 60.0
#: The driver is a subclass of Faust's services, which log under its name.
_FOREIGN: Final = ("faust", "mode", "aiokafka", "asyncio", "entitlements.changes.driver")


class OnceAMinute(logging.Filter):
    """Lets each kind of message of a library pass once a minute, cut to one line."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the message may pass."""
        kind, now = (record.name, str(record.msg)[:80]), time.monotonic()
        if now - self._passed_at.get(kind, -_ONCE_EVERY) < _ONCE_EVERY:
            return False
        self._passed_at[kind] = now
        record.msg, record.args = record.getMessage().partition("\n")[0][:500], ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def set_up_logging() -> None:
    """Our messages from INFO (or ENTITLEMENTS_LOG), those of libraries from ERROR."""
    warnings.simplefilter("ignore")
    handler = logging.StreamHandler()
    handler.setFormatter(formatter_for("changes"))
    # librdkafka reports every reconnect; what matters reaches us as errors of calls.
    logging.getLogger("entitlements.kafka").setLevel(logging.ERROR)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    level = os.environ.get("ENTITLEMENTS_LOG", "INFO").upper()
    logging.getLogger("entitlements").setLevel(level if level in logging.getLevelNamesMapping() else "INFO")
    foreign = logging.StreamHandler()
    foreign.setFormatter(handler.formatter)
    foreign.addFilter(OnceAMinute())
    for name in _FOREIGN:
        logger = logging.getLogger(name)
        logger.handlers = [foreign]
        logger.setLevel(logging.ERROR)
        logger.propagate = False
