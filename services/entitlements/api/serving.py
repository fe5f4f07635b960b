"""The process `api`: granian serves the application, in as many workers as the settings say."""

from __future__ import annotations

import gc
import logging
import os
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from starlette.types import ASGIApp

from entitlements.api.auth import Door, Limits, Rates
from entitlements.api.auth.limits import QUESTION_BYTES_MAX, QUESTIONS_BYTES_MAX
from entitlements.api.auth.shared_rates import VARIABLE, SharedBuckets, shared_memory
from entitlements.api.connections import within_files
from entitlements.local.ports import cannot_listen
from entitlements.settings import Settings
from entitlements.wiring.addresses import environment_of

_log = logging.getLogger(__name__)

#: Seconds for which a thread that loads views may hold up the loop that answers: Python's own 5 ms would be seen in the p99.
SWITCH_EVERY_FOR: Final = 0.0005
#: Seconds for requests under way when a worker ends; streams are cut then.
END_WITHIN_FOR: Final = 2
#: Connections that wait in the kernel until a worker takes them; the kernel may have a lower bound (net.core.somaxconn).
BACKLOG: Final = 4_096
_KILLED: Final = re.compile(r"Killing (?:old )?worker-(\d+)")


def application() -> ASGIApp:
    """What a worker serves: the door, and the application behind it. Ends with the process that started it."""
    from entitlements.api.app import BATCH_PATHS, CREATING_PATHS, OPEN_PATHS, STREAM_PATHS, create
    from entitlements.api.opening import open_services
    from entitlements.api.problems import problem_of
    from entitlements.api.short_check import PATH
    from entitlements.api.short_way import ShortWay
    from entitlements.operations import tracing
    from entitlements.operations.health import readiness_of
    from entitlements.operations.worker import operate
    from entitlements.wiring.logs import set_up_logs
    from entitlements.wiring.processes import die_with_supervisor

    die_with_supervisor()
    set_up_logs("api")
    tracing.set_up("api")  # Before anything is opened that sends commands.
    sys.setswitchinterval(SWITCH_EVERY_FOR)
    services = open_services(Settings())
    way = ShortWay(create(services))
    behind = Door(
        way,
        services.authenticator,
        services.organizations,
        OPEN_PATHS,
        CREATING_PATHS,
        lambda _, error: problem_of(error).document(),
        Limits(
            requests_max=services.settings.api_requests_max,
            bodies_bytes_max=services.settings.api_bodies_bytes_max,
            body_within_for=services.settings.api_idle_for,
            body_bytes_max={PATH: QUESTION_BYTES_MAX, "/v1/checks": QUESTIONS_BYTES_MAX},
            batch_paths=BATCH_PATHS,
            stream_paths=STREAM_PATHS,
            rates=_rates(services.settings),
        ),
    )
    readiness = readiness_of("api", services.settings, services.lag)
    # What was made until now lives as long as the worker: half a million objects in which nobody need look for garbage again and
    # again. A call of 10,000 events makes 40,000 objects, all gone when it is answered.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    return operate(behind, services.settings, services.cache_counts, readiness)


def _rates(settings: Settings) -> Rates:
    """The rates of this worker: counted together with the other workers of its process, else by its share."""
    path = os.environ.pop(VARIABLE, "")
    if settings.api_workers == 1 or path:
        try:
            buckets = SharedBuckets(path) if path else None
            return Rates(buckets=buckets, shares=settings.api_processes)
        except OSError as error:
            _log.warning("Each worker allows its share of each rate: the workers share no memory: %s", error)
    return Rates(shares=settings.api_processes * settings.api_workers)


def run(settings: Settings, stopping: threading.Event) -> None:
    """Serve until stopping is set, once everything is there that is needed. Must be called in the main thread.

    What cannot be right is said before anything is waited for. Raises AddressIsTaken: another server listens there,
    AccessLogRulesAreWrong, SettingIsWrong, TopicDiffers, MigrationError.
    """
    from entitlements.access.log.rules import LogRules
    from entitlements.wiring.preparing import with_free_ports
    from entitlements.wiring.waiting import wait_for_what_is_needed

    LogRules.parse(settings.access_log)  # Said here once: workers would end by it again and again.
    if not settings.api_port:
        settings = with_free_ports(settings)  # Chosen here: each worker would choose one of its own.
    with claimed(settings.api_host, settings.api_port):
        wait_for_what_is_needed("api", settings, stopping)
        if not stopping.is_set():
            _serve(within_files(settings), stopping)


@contextmanager
def claimed(host: str, port: int) -> Iterator[None]:
    """Keep an address for this process. Raises AddressIsTaken, SettingIsWrong.

    Workers share their port (SO_REUSEPORT), and the kernel would let those of another installation share it too: every other
    request would be answered by the wrong one. A name in the kernel has one owner and ends with it, however it ends.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(socket.AF_UNIX) as claim, socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            if sys.platform == "linux":  # Such names are there alone.
                claim.bind(f"\0entitlements {host}:{port}")
            probe.bind((host, port))
        except OSError as error:
            raise cannot_listen(error, host, port, "ENTITLEMENTS_API") from error
        probe.close()
        yield


def _in_our_words(record: logging.LogRecord) -> bool:
    """A change stream ends with its client or with its worker: that the server has to end the worker is the rule, and no fault."""
    if killed := _KILLED.match(record.getMessage()):
        record.msg = (
            "Worker %s closed the change streams and requests that were still open after %d s; clients reconnect."
        )
        record.args = (killed[1], END_WITHIN_FOR)
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def _serve(settings: Settings, stopping: threading.Event) -> None:
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import Server

    from entitlements.wiring.processes import SUPERVISOR_VARIABLE

    # Workers are processes of their own; they read their settings there, and end with this one in whatever way it ends.
    os.environ.update(environment_of(settings) | {SUPERVISOR_VARIABLE: str(os.getpid())})
    if settings.api_workers > 1:
        with suppress(OSError, AttributeError):  # The system has no such memory.
            os.environ[VARIABLE] = shared_memory(settings.api_workers)
    logging.getLogger("_granian").addFilter(_in_our_words)
    server: Any = Server(
        "entitlements.api.serving:application",
        factory=True,
        address=settings.api_host,
        port=settings.api_port,
        interface=Interfaces.ASGI,
        workers=settings.api_workers,
        loop=Loops.uvloop,
        websockets=False,
        # With HTTP/2 beside it the server would wait without end for the first bytes of a connection, to tell which one it is.
        http=HTTPModes.http1,
        # Also the time between two requests: hyper begins to wait for the next head when it has answered.
        http1_settings=HTTP1Settings(header_read_timeout=round(settings.api_idle_for * 1000)),
        backlog=BACKLOG,
        backpressure=settings.api_connections_max,
        log_access=False,
        # Its messages are written as ours are; that workers come and go as they should is nobody's news.
        log_dictconfig={"handlers": {}, "formatters": {}, "loggers": {"_granian": {}}},
        log_level=LogLevels.warning,
        workers_kill_timeout=END_WITHIN_FOR,
        respawn_failed_workers=True,
    )
    host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
    url = f"http://{host}:{settings.api_port}"
    server.on_startup(lambda: _log.info("serving at %s, workers: %d", url, settings.api_workers))
    threading.Thread(target=lambda: (stopping.wait(), server.signal_handler_interrupt()), daemon=True).start()
    server.serve()
    stopping.set()  # The server takes the signals to itself: that it ended means that it was told to.
