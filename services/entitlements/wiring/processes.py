"""The processes of an installation, each by its name, and how one runs in the foreground: `python -m entitlements.wiring NAME`."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from entitlements.errors import EntitlementsError, SettingIsWrong
from entitlements.settings import Settings
from entitlements.wiring.environment import unknown_variables, why_wrong
from entitlements.wiring.logs import check_log_settings, set_up_logs
from entitlements.wiring.waiting import wait_for_what_is_needed

#: The process id of a supervisor whose end is ours too.
SUPERVISOR_VARIABLE: Final = "ENTITLEMENTS_SUPERVISOR"
#: Seconds between attempts while a server is away: doubled from the first to the last.
BACKOFF_FOR_MIN: Final = 0.25
BACKOFF_FOR_MAX: Final = 5.0
#: Seconds a process has to work for its next failure to be the first again.
WELL_FOR: Final = 10.0
#: Seconds for an orderly end. An end at any moment is safe for each of our processes: the next one repeats what was not finished.
END_WITHIN_FOR: Final = 2.0
#: Exit status of a process whose settings cannot be right.
EXIT_SETTING_IS_WRONG: Final = 2
_PR_SET_PDEATHSIG: Final = 1
_LOOK_EVERY_FOR: Final = 0.5

_log = logging.getLogger(__name__)

Run = Callable[[Settings, threading.Event], None]


def _engine(settings: Settings, stopping: threading.Event) -> None:
    from entitlements.ledger import engine

    engine.run(settings, stopping)


def _publisher(settings: Settings, stopping: threading.Event) -> None:
    from entitlements.ledger import publisher

    publisher.run(settings, stopping)


def _projector(settings: Settings, stopping: threading.Event) -> None:
    from entitlements_projections import projector

    projector.run(settings, stopping)


def _reconciler(settings: Settings, stopping: threading.Event) -> None:
    from entitlements import reconciler

    reconciler.run(settings, stopping)


def _access_log(settings: Settings, stopping: threading.Event) -> None:
    from entitlements.access.log import keeper

    keeper.run(settings, stopping)


def _registry(settings: Settings, stopping: threading.Event) -> None:
    from entitlements import registry

    registry.run(settings, stopping, lambda url: _log.info("Listening at %s", url))


def _api(settings: Settings, stopping: threading.Event) -> None:
    from entitlements.api import serving

    serving.run(settings, stopping)


#: What each process does, in one sentence; the changes worker is Faust's and runs itself.
PROCESSES: Final[dict[str, str]] = {
    "engine": "decides commands and writes the ledger",
    "publisher": "publishes the ledger to entitlements.events and entitlements.usage",
    "projector": "updates the read models in Postgres",
    "changes": "publishes the changes of each customer (Faust)",
    "reconciler": "rolls out new set versions, campaign grants and unit assignments",
    "access-log": "writes the access log to Postgres",
    "registry": "serves the Avro schemas over HTTP",
    "api": "serves the HTTP API: checks, usage and commands",
}
_RUNS: Final[dict[str, Run]] = {
    "engine": _engine,
    "publisher": _publisher,
    "projector": _projector,
    "reconciler": _reconciler,
    "access-log": _access_log,
    "registry": _registry,
    "api": _api,
}


def run_process(name: str, read_settings: Callable[[], Settings]) -> int:
    """Run one process in the foreground until SIGTERM or Ctrl-C; its exit status: 0 when it was told to stop.

    What it needs is waited for. EXIT_SETTING_IS_WRONG: a setting cannot be right, a start without another is of no use.
    """
    die_with_supervisor()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threading.Thread(target=_end_in_time, args=[stopping], name="end-in-time", daemon=True).start()
    set_up_logs(name)
    status = 0
    try:
        check_log_settings()
        settings = _settings(read_settings)
        _log.info("Starting: %s", PROCESSES[name])
        for sentence in unknown_variables():
            _log.warning(sentence)
        with operated(settings, name):
            if name != "api":  # It has its address first, and waits by itself.
                wait_for_what_is_needed(name, settings, stopping)
            if not stopping.is_set():
                status = _run(name, settings, stopping)
    except Exception as error:  # noqa: BLE001  (Whatever it is, it is said in one line.)
        expected = isinstance(error, EntitlementsError)
        code = getattr(error, "code", type(error).__name__)
        _log.critical("Exiting. %s: %s", code, error, exc_info=None if expected else error, extra={"code": code})
        return EXIT_SETTING_IS_WRONG if isinstance(error, SettingIsWrong) else 1
    if status == 0:
        _log.info("Stopped.")
    return status


def _settings(read: Callable[[], Settings]) -> Settings:
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    try:
        return read()
    except (ValidationError, SettingsError) as error:
        raise why_wrong(error) from None


def _end_in_time(stopping: threading.Event) -> None:
    """A server that is away would hold up what is written at the end."""
    stopping.wait()
    time.sleep(END_WITHIN_FOR)
    _log.warning("Stopped. Shutdown took longer than %.0f s; the next process repeats unfinished work.", END_WITHIN_FOR)
    end_with(0)


def end_with(status: int) -> NoReturn:
    """End the process now. Everything is closed; taking the interpreter apart would take another second, or threads that hang."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


def _run(name: str, settings: Settings, stopping: threading.Event) -> int:
    if name == "changes":
        from entitlements.changes.app import run

        return run(settings, stopping)
    keep_running(_RUNS[name], settings, stopping)
    return 0


@contextmanager
def operated(settings: Settings, name: str) -> Iterator[None]:
    """What operators see of a process while the block lasts. Raises NoPortIsFree, SettingIsWrong.

    The workers of the API do this by themselves (operations/worker.py): the process that starts them answers nobody.
    """
    from entitlements.operations import tracing

    if name == "api":
        tracing.check()  # Said here once: workers would end by it again and again.
        yield
        return
    tracing.set_up(name)
    try:
        if settings.operations_port is None:
            yield
        else:
            from entitlements.operations.port import operations_port

            with operations_port(settings, name):
                yield
    finally:
        tracing.close()


def keep_running(run: Run, settings: Settings, stopping: threading.Event) -> None:
    """Run until stopping is set; while a server is away, try again. Whatever else goes wrong is raised."""
    passing = _what_passes()
    backoff_for = BACKOFF_FOR_MIN
    while not stopping.is_set():
        started = time.monotonic()
        try:
            run(settings, stopping)
        except passing as error:
            if time.monotonic() - started > WELL_FOR:
                backoff_for = BACKOFF_FOR_MIN
            _log.warning("Retrying in %.2f s: %s: %s", backoff_for, type(error).__name__, error)
            stopping.wait(backoff_for)
            backoff_for = min(2 * backoff_for, BACKOFF_FOR_MAX)


def _what_passes() -> tuple[type[Exception], ...]:
    """A server is away, or does not take what we write: the next attempt begins at the log again."""
    from confluent_kafka import KafkaException

    from entitlements.errors import ServerIsAway
    from entitlements.ledger.publisher import OutputFailed

    return (KafkaException, ServerIsAway, OutputFailed)


def die_with_supervisor() -> None:
    """End at once when the supervisor that started us is gone, in whatever way: nothing may be left running.

    An end at any moment is safe for each of our processes, so it need not be an orderly one.
    """
    supervisor = os.environ.pop(SUPERVISOR_VARIABLE, "")
    if not supervisor.isdigit():
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    else:
        threading.Thread(target=_look_for, args=(int(supervisor),), name="supervisor-is-there", daemon=True).start()
    if os.getppid() != int(supervisor):
        os._exit(1)


def _look_for(supervisor: int) -> None:
    while os.getppid() == supervisor:
        time.sleep(_LOOK_EVERY_FOR)
    os._exit(1)
