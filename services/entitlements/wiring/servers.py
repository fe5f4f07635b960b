"""The servers of `up` and `demo`: those the environment names, and local ones for the rest, in one folder."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from entitlements.errors import SettingIsWrong
from entitlements.kafka.properties import is_secured
from entitlements.kafka.reaching import require_kafka
from entitlements.settings import Settings
from entitlements.wiring.addresses import variable
from entitlements.wiring.environment import settings_of_the_environment

if TYPE_CHECKING:
    from entitlements.local.server import LocalServer

_LOOK_EVERY_FOR: Final = 0.5

_log = logging.getLogger(__name__)


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
        raise SettingIsWrong(
            "ENTITLEMENTS_KAFKA_... say how a Kafka is reached, and ENTITLEMENTS_KAFKA does not say where."
        )
    kafka = None if variable("kafka") in os.environ else LocalKafka(folder / "kafka", port=kafka_port)
    postgres = (
        None
        if variable("postgres") in os.environ
        else LocalPostgres(folder / "postgres", fast=fast, port=postgres_port)
    )
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
        else:
            require_kafka(settings)
        with _kept_running([server for server in (kafka, postgres, shared) if server is not None]):
            yield settings
    finally:
        with ExitStack() as stopping:  # Each of them, whatever becomes of the others.
            for server in (shared, postgres, kafka):
                if server is not None:
                    stopping.callback(server.stop)


@contextmanager
def _kept_running(servers: list[LocalServer]) -> Iterator[None]:
    """Bring a server back, on its port, when it ends by itself; whoever uses it waits or tries again meanwhile."""
    stopping = threading.Event()

    def watch() -> None:
        while not stopping.wait(_LOOK_EVERY_FOR):
            for server in servers:
                if not server.is_running:
                    _bring_back(server)

    watching = threading.Thread(target=watch, name="servers", daemon=True)
    watching.start()
    try:
        yield
    finally:
        stopping.set()
        watching.join()


def _bring_back(server: LocalServer) -> None:
    from entitlements.local import LocalServerError

    _log.warning("%s ended; starting it again, see %s", server.name, server.log)
    try:
        server.restart()
    except LocalServerError as error:
        _log.error("%s", error)
