"""Log messages of a process: to standard error, one a line (operations/logs.py says how they look)."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Final

from entitlements.operations.logs import EXPORTERS, formatter_for, hush

LEVEL_VARIABLE: Final = "ENTITLEMENTS_LOG"


def set_up_logs(process: str) -> None:
    """Our messages from INFO (or ENTITLEMENTS_LOG) on, those of libraries from WARNING on, to standard error."""
    warnings.simplefilter("ignore")
    handler = logging.StreamHandler()
    handler.setFormatter(formatter_for(process))
    logging.getLogger().handlers = [handler]
    logging.getLogger().setLevel(logging.WARNING)
    level = os.environ.get(LEVEL_VARIABLE, "INFO").upper()
    logging.getLogger("entitlements").setLevel(level if level in logging.getLevelNamesMapping() else "INFO")
    # librdkafka reports every reconnect; what matters reaches us as errors of calls.
    logging.getLogger("entitlements.kafka").setLevel(logging.CRITICAL)
    hush(EXPORTERS, handler.formatter, logging.WARNING)
