"""The servers of `up` and `demo`: those the environment names, and local ones for the rest, in one folder."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from entitlements.errors import SettingIsWrong
from entitlements.kafka.properties import is_secured
from entitlements.kafka.reaching import require_kafka
from entitlements.settings import Settings
from entitlements.wiring.addresses import variable
from entitlements.wiring.environment import settings_of_the_environment
from entitlements.wiring.waiting import require_postgres

if TYPE_CHECKING:
    from entitlements.local.server import LocalServer

_LOOK_EVERY_FOR: Final = 0.5
_MIB: Final = 1024 * 1024
#: With less room on its disk a server that ended is not started again: it would only end again, and fill its log.
FREE_BYTES_MIN: Final = 64 * _MIB
#: Seconds between attempts to start a server again: doubled from the first to the last.
RESTART_PAUSE_FOR_MIN: Final = 0.5
RESTART_PAUSE_FOR_MAX: Final = 10.0

_log = logging.getLogger(__name__)


def require_packages(*, valkey: bool = False) -> None:
    """Look for the packages of the servers that the environment does not name. Raises ExtraIsMissing."""
    from entitlements.local.extra import require_extra

    for setting, server in (("kafka", "Kafka"), ("postgres", "Postgres"), *((("valkey", "Valkey"),) if valkey else ())):
        if variable(setting) not in os.environ:
            require_extra(server)


@contextmanager
def servers_in(
    folder: Path,
    *,
    fast: bool = False,
    valkey: bool = False,
    kafka_port: int | None = None,
    postgres_port: int | None = None,
) -> Iterator[Settings]:
    """Run what the environment does not name in a folder, and stop it at the end. A server that ends meanwhile is started again.

    fast: the data need not survive a crash of the machine. valkey: the shared cache too. ports: None: the one it began with. Raises LocalServerError, ServerIsAway,
    KafkaRefuses, SettingIsWrong.
    """
    from entitlements.local import LocalKafka, LocalPostgres, LocalValkey

    settings = settings_of_the_environment()
    if variable("kafka") not in os.environ and is_secured(settings):
        raise SettingIsWrong("ENTITLEMENTS_KAFKA_... settings need ENTITLEMENTS_KAFKA, the bootstrap servers.")
    for server, port in (("kafka", kafka_port), ("postgres", postgres_port)):
        if port is not None and variable(server) in os.environ:
            raise SettingIsWrong(f"--{server}-port is for a local server, but {variable(server)} is set.")
    require_packages(valkey=valkey)
    kafka = None if variable("kafka") in os.environ else LocalKafka(folder / "kafka", port=kafka_port)
    postgres = (
        None
        if variable("postgres") in os.environ
        else LocalPostgres(folder / "postgres", fast=fast, port=postgres_port)
    )
    _require_named(settings)
    shared = LocalValkey(folder / "valkey") if valkey and variable("valkey") not in os.environ else None
    try:
        # Side by side: Kafka takes its seconds while Postgres makes its folder.
        if kafka is not None:
            kafka.launch()
        if postgres is not None:
            postgres.start()
            settings = settings.model_copy(update={"postgres": postgres.url})
        if shared is not None:
            shared.start()
            settings = settings.model_copy(update={"valkey": shared.url})
        if kafka is not None:
            kafka.wait_until_ready()
            settings = settings.model_copy(update={"kafka": kafka.bootstrap})
        with _kept_running([server for server in (kafka, postgres, shared) if server is not None]):
            yield settings
    finally:
        with ThreadPoolExecutor(3) as stopping:  # Side by side, and each whatever becomes of the others.
            ended = [stopping.submit(server.stop) for server in (shared, postgres, kafka) if server is not None]
        for each in ended:
            each.result()


def _require_named(settings: Settings) -> None:
    """Look for the servers that the environment names, side by side, before any is started. Raises ServerIsAway, KafkaRefuses."""
    named = [
        each
        for name, each in (("kafka", require_kafka), ("postgres", require_postgres))
        if variable(name) in os.environ
    ]
    if named:
        with ThreadPoolExecutor(len(named)) as looking:
            for look in [looking.submit(each, settings) for each in named]:
                look.result()


@contextmanager
def _kept_running(servers: list[LocalServer]) -> Iterator[None]:
    """Bring a server back, on its port, when it ends by itself; whoever uses it waits or tries again meanwhile."""
    stopping = threading.Event()
    nurse = _Nurse(servers)

    def watch() -> None:
        while not stopping.wait(_LOOK_EVERY_FOR):
            nurse.look()

    watching = threading.Thread(target=watch, name="servers", daemon=True)
    watching.start()
    try:
        yield
    finally:
        stopping.set()
        watching.join()


class _Nurse:
    """Brings servers back, and says what happened once: a full disk ends all of them, again and again."""

    def __init__(self, servers: list[LocalServer]) -> None:
        self._servers = servers
        self._disk_is_full = False
        #: By server that ended: when to try again (seconds of the monotonic clock), and the pause after that.
        self._down: dict[LocalServer, tuple[float, float]] = {}

    def look(self) -> None:
        """Start what ended, unless it would end at once for want of space."""
        for server in self._servers:
            if server.is_running:
                continue
            if self._has_no_space(server):
                continue
            if server not in self._down:
                _log.warning("%s exited and is restarted; see %s", server.name, server.log)
            again_at, pause_for = self._down.get(server, (0.0, RESTART_PAUSE_FOR_MIN))
            if time.monotonic() >= again_at:
                self._bring_back(server, pause_for)

    def _has_no_space(self, server: LocalServer) -> bool:
        free = shutil.disk_usage(server.folder).free
        if free >= FREE_BYTES_MIN:
            self._disk_is_full = False
        elif not self._disk_is_full:
            self._disk_is_full = True
            _log.error(
                "disk_is_full: %s has %d MiB free, %s has stopped. Free at least %d MiB; it restarts by itself.",
                *(server.folder, free // _MIB, server.name, FREE_BYTES_MIN // _MIB),
            )
        if self._disk_is_full:
            self._down.setdefault(server, (0.0, RESTART_PAUSE_FOR_MIN))
        return self._disk_is_full

    def _bring_back(self, server: LocalServer, pause_for: float) -> None:
        from entitlements.local import LocalServerError

        is_first = pause_for == RESTART_PAUSE_FOR_MIN
        try:
            server.restart()
        except LocalServerError as error:
            if is_first and not self._has_no_space(server):
                _log.error("%s Retrying.", str(error).partition("\n")[0])
            self._down[server] = (time.monotonic() + pause_for, min(2 * pause_for, RESTART_PAUSE_FOR_MAX))
        else:
            self._down.pop(server, None)
            _log.warning("%s is running again.", server.name)
