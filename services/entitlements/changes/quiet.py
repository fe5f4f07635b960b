"""What a worker says on its terminal: our own sentences, and of the libraries only errors, each at most once a minute."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Final

from entitlements.operations.logs import EXPORTERS, formatter_for, hush

#: The driver is a subclass of Faust's services, which log under its name.
_FOREIGN: Final = ("faust", "mode", "aiokafka", "asyncio", "entitlements.changes.driver")


def set_up_logging() -> None:
    """Our messages from INFO (or ENTITLEMENTS_LOG), those of libraries from ERROR."""
    warnings.simplefilter("ignore")
    handler = logging.StreamHandler()
    handler.setFormatter(formatter_for("changes"))
    # librdkafka reports every reconnect; what matters reaches us as errors of calls.
    logging.getLogger("entitlements.kafka").setLevel(logging.CRITICAL)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    level = os.environ.get("ENTITLEMENTS_LOG", "INFO").upper()
    logging.getLogger("entitlements").setLevel(level if level in logging.getLevelNamesMapping() else "INFO")
    hush(_FOREIGN, handler.formatter, logging.ERROR)
    hush(EXPORTERS, handler.formatter, logging.WARNING)
