"""Is a process there, and can it do its work? Each reason by itself, in bounded time.

/healthz says that the process answers; it asks nobody else, so a restart of it cures what makes it fail. /readyz says whether requests should
come here. Both are open to everybody: they tell which part does not answer, and neither where that is nor what it said.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import Any, Final

import psycopg
from confluent_kafka import KafkaException

from entitlements.ledger import clients
from entitlements.operations.lag import ProjectionLag
from entitlements.settings import Settings

#: Seconds for all checks together, and for which an answer is given again.
ANSWER_WITHIN_FOR: Final = 2.0
REMEMBERED_FOR: Final = 1.0

_log = logging.getLogger(__name__)


class NotReady(Exception):
    """Why a check fails, in a sentence that everybody may read, and what was measured."""

    def __init__(self, reason: str, **measured: float) -> None:
        super().__init__(reason)
        self.measured = measured


#: Gives what it measured, for the document. Raises NotReady.
Check = Callable[[], Mapping[str, float]]


class Readiness:
    """Runs checks side by side, each in a thread of its own: one that hangs holds up nobody. Close it."""

    def __init__(self, process: str, checks: Mapping[str, Check], closes: Callable[[], None] = lambda: None) -> None:
        self._process = process
        #: Which installation it belongs to; none: it was not told.
        self.installation = ""
        self._checks = dict(checks)
        self._closes = closes
        self._threads = ThreadPoolExecutor(max(1, len(checks)), "ready")
        self._running: dict[str, Future[Mapping[str, float]]] = {}
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._said: tuple[int, dict[str, Any]] = (503, {})

    def alive(self) -> tuple[int, dict[str, Any]]:
        """Status and document of /healthz."""
        return 200, {"status": "alive", "process": self._process}

    def ready(self) -> tuple[int, dict[str, Any]]:
        """Status and document of /readyz; blocks ANSWER_WITHIN_FOR seconds at most."""
        with self._lock:
            if time.monotonic() - self._looked_at >= REMEMBERED_FOR:
                self._said = self._look()
                self._looked_at = time.monotonic()
            return self._said

    def _look(self) -> tuple[int, dict[str, Any]]:
        for name, check in self._checks.items():
            before = self._running.get(name)
            if before is None or before.done():
                self._running[name] = self._threads.submit(_timed, check)
        wait_for(self._running.values(), ANSWER_WITHIN_FOR)
        checks = {name: _result(name, future) for name, future in self._running.items()}
        ready = all(result["ok"] for result in checks.values())
        document = {"status": "ready" if ready else "not_ready", "process": self._process, "checks": checks}
        return (200 if ready else 503), document

    def close(self) -> None:
        """Check no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._closes()


def readiness_of(process: str, settings: Settings, lag: ProjectionLag | None = None) -> Readiness:
    """The checks of a process, by what it needs. lag: one that is watched already; whoever watches it closes it."""
    checks: dict[str, Check] = {}
    closes: Callable[[], None] = lambda: None  # noqa: E731
    if process != "registry":
        checks["kafka"] = kafka_check(settings)
    if process in {"api", "projector", "reconciler", "access-log"}:
        checks["postgres"] = lambda: check_postgres(settings.postgres)
    if process in {"api", "projector"}:
        watched = lag or ProjectionLag(settings)
        closes = closes if lag else watched.close
        checks["projection_lag"] = lambda: check_lag(watched.seconds, watched.catching_up, settings.ready_lag_for_max)
    readiness = Readiness(process, checks, closes)
    readiness.installation = settings.installation
    return readiness


def kafka_check(settings: Settings) -> Check:
    """Says whether the broker answers and every partition of the commands has a leader."""
    admin = clients.admin(settings)
    topic = settings.topic("commands")

    def check() -> Mapping[str, float]:
        try:
            known = admin.list_topics(topic, timeout=ANSWER_WITHIN_FOR).topics[topic]
        except KafkaException as error:
            _log.debug("Kafka: %s", error)
            raise NotReady("Kafka is unreachable.") from error
        without = sorted(number for number, partition in known.partitions.items() if partition.leader < 0)
        if known.error is not None or len(known.partitions) != settings.partitions or without:
            raise NotReady(
                f"Partitions {without} of the commands topic have no leader." if without else "Topics are missing."
            )
        return {}

    return check


def check_postgres(conninfo: str) -> Mapping[str, float]:
    """Raises NotReady when Postgres does not answer or has no tables of ours."""
    try:
        with psycopg.connect(conninfo, connect_timeout=2, options="-c statement_timeout=2000") as connection:
            row = connection.execute("select to_regclass('entitlements.projection_positions') is not null").fetchone()
    except psycopg.Error as error:
        _log.debug("Postgres: %s", error)
        raise NotReady("Postgres is unreachable.") from error
    if row != (True,):
        raise NotReady("The tables are missing.")
    return {}


def check_lag(
    seconds: float | None, catching_up: Mapping[int, tuple[int, int]], seconds_max: float
) -> Mapping[str, float]:
    """Raises NotReady when the read models have not caught up yet, are too far behind the ledger, or nobody knows.

    catching_up: by partition the frames they have, of how many.
    """
    if seconds is None:
        raise NotReady("The lag of the read models is unknown.")
    measured = {"lag_seconds": round(seconds, 1)}
    if catching_up:
        partition, (known, goal) = min(catching_up.items())
        more = len(catching_up) - 1
        others = f", and {more} more {'partition is' if more == 1 else 'partitions are'} incomplete" if more else ""
        raise NotReady(f"The read models have {known} of {goal} frames of partition {partition}{others}.", **measured)
    if seconds > seconds_max:
        raise NotReady(
            f"The read models are {seconds:.0f} s behind the ledger; the maximum is {seconds_max:.0f} s.", **measured
        )
    return measured


def _timed(check: Check) -> Mapping[str, float]:
    began = time.monotonic()
    measured = check()
    return {"took_seconds": round(time.monotonic() - began, 4), **measured}


def _result(name: str, future: Future[Mapping[str, float]]) -> dict[str, Any]:
    if not future.done():
        return {"ok": False, "reason": f"No answer within {ANSWER_WITHIN_FOR:.0f} s."}
    error = future.exception()
    if error is None:
        return {"ok": True, **future.result()}
    if not isinstance(error, NotReady):
        _log.error("The check of %s failed", name, exc_info=error)
        return {"ok": False, "reason": "The check failed; see the log."}
    return {"ok": False, "reason": str(error), **error.measured}
