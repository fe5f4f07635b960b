"""What operators see of one worker of the API: everything of this package at once, for the rest of the worker's life."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp

from entitlements.operations.cache_counts import CacheCounts
from entitlements.operations.health import Readiness, readiness_of
from entitlements.operations.port import operations_port
from entitlements.operations.requests import Observed

if TYPE_CHECKING:
    from entitlements.operations.cache_counts import Counted
    from entitlements.settings import Settings

#: Ends with the process: a worker has no other end.
_OPEN: Final = ExitStack()


def operate(
    app: ASGIApp, settings: Settings, caches: Mapping[str, Counted], readiness: Readiness | None = None
) -> ASGIApp:
    """Measure, and trace if tracing is set up, the requests of an application, which the answer is to be served in place of; serve the port.

    /healthz and /readyz are answered before the application is asked, and so open to everybody. caches: the counts of each level.
    Raises NoPortIsFree.
    """
    readiness = readiness or readiness_of("api", settings)
    CacheCounts(caches).register()
    _OPEN.enter_context(operations_port(settings, "api", readiness))
    return Observed(app, readiness)
