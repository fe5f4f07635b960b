"""One line a message on standard error: `at=... level=... process=... logger=... message="..."`, for people and for machines."""

from __future__ import annotations

import json
import logging
import os
import warnings
from datetime import UTC, datetime
from typing import Final

LEVEL_VARIABLE: Final = "ENTITLEMENTS_LOG"


class OneLine(logging.Formatter):
    """Formats a record as one line of key=value pairs; an exception becomes two of them."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        pairs = [
            f"at={at}",
            f"level={record.levelname.lower()}",
            f"process={self._process}",
            f"logger={record.name}",
            f"message={json.dumps(record.getMessage(), ensure_ascii=False)}",
        ]
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            pairs += [
                f"error={json.dumps(f'{type(error).__name__}: {error}', ensure_ascii=False)}",
                f"trace={json.dumps(self.formatException(record.exc_info), ensure_ascii=False)}",
            ]
        return " ".join(pairs)


def set_up_logs(process: str) -> None:
    """Our messages from INFO (or ENTITLEMENTS_LOG) on, those of libraries from WARNING on, to standard error."""
    warnings.simplefilter("ignore")
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(process))
    logging.getLogger().handlers = [handler]
    logging.getLogger().setLevel(logging.WARNING)
    level = os.environ.get(LEVEL_VARIABLE, "INFO").upper()
    logging.getLogger("entitlements").setLevel(level if level in logging.getLevelNamesMapping() else "INFO")
    # librdkafka reports every reconnect; what matters reaches us as errors of calls.
    logging.getLogger("entitlements.kafka").setLevel(logging.CRITICAL)
