"""Log messages of a process: to standard error, one a line (operations/logs.py says how they look)."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Final

from entitlements.errors import SettingIsWrong
from entitlements.operations.logs import EXPORTERS, FORMAT_VARIABLE, formatter_for, hush

LEVEL_VARIABLE: Final = "ENTITLEMENTS_LOG"
_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_FORMATS: Final = ("text", "json")


def set_up_logs(process: str) -> None:
    """Our messages from INFO (or ENTITLEMENTS_LOG) on, those of libraries from WARNING on, to standard error."""
    warnings.simplefilter("ignore")
    handler = logging.StreamHandler()
    handler.setFormatter(formatter_for(process))
    logging.getLogger().handlers = [handler]
    logging.getLogger().setLevel(logging.WARNING)
    level = os.environ.get(LEVEL_VARIABLE, "INFO").upper()
    logging.getLogger("entitlements").setLevel(level if level.lower() in _LEVELS else "INFO")
    # librdkafka reports every reconnect; what matters reaches us as errors of calls.
    logging.getLogger("entitlements.kafka").setLevel(logging.CRITICAL)
    hush(EXPORTERS, handler.formatter, logging.WARNING)


def check_log_settings() -> None:
    """Raises SettingIsWrong: there is no such level or format. Until then messages are written from INFO on, as text."""
    for name, known in ((LEVEL_VARIABLE, _LEVELS), (FORMAT_VARIABLE, _FORMATS)):
        given = os.environ.get(name, "")
        if given and given.lower() not in known:
            raise SettingIsWrong(f'{name}: must be {", ".join(known[:-1])} or {known[-1]}, not "{given}".')
