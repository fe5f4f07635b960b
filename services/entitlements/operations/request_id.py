"""The id of the request that is being answered, for whoever writes a log message."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

#: Empty: none is.
REQUEST_ID: Final[ContextVar[str]] = ContextVar("entitlements_request_id", default="")
