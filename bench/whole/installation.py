"""Every process of `entitlements up` with 10,000 customers, and beside it, idle until asked, what a team would build instead."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psycopg

from bench.installations import an_installation
from bench.place import FOLDER, Place
from bench.whole import cpu, rivals
from entitlements.local import LocalValkey
from entitlements.local.folder import a_free_port
from entitlements.settings import Settings
from entitlements.wiring.processes import PROCESSES
from entitlements.wiring.supervisor import Supervisor

CUSTOMERS: Final = 10_000
_ANSWERS_WITHIN_FOR: Final = 20.0


@dataclass(frozen=True)
class Whole:
    """What is there to be measured."""

    place: Place
    settings: Settings
    key: str
    supervisor: Supervisor
    #: Where the rivals listen, and their process.
    rivals_port: int
    rivals_pid: int
    valkey_pid: int
    files: Path

    def pids(self) -> dict[str, int]:
        """The processes whose time is counted, by name."""
        stack = self.place.stack
        ours = {name: pid for name, pid in self.supervisor.pids().items() if pid is not None}
        kafka, postgres = stack.kafka_server.pid, stack.postgres_server.pid
        assert kafka is not None and postgres is not None  # noqa: PT018
        return ours | {"kafka": kafka, "postgres": postgres, "rivals": self.rivals_pid, "valkey": self.valkey_pid}

    def settle(self) -> None:
        """Wait until nothing is left to do: read models, publisher and changes have all that was decided."""
        cpu.settle(self.pids)

    def recorded(self) -> int:
        """Lines of usage that the read models hold."""
        with psycopg.connect(self.settings.postgres) as connection:
            row = connection.execute("select count(*) from entitlements.usage_events").fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def everything(place: Place) -> Iterator[Whole]:
    """All of it, at work."""
    with ExitStack() as stack:
        place.say("starts every process")
        settings, key, supervisor = stack.enter_context(
            an_installation(place, "whole", tuple(PROCESSES), place.sized(CUSTOMERS))
        )
        valkey = stack.enter_context(LocalValkey(FOLDER / "whole-valkey", durable=True))
        place.say("starts what would be built instead")
        rivals.prepare(settings.postgres, place.sized(CUSTOMERS))
        port = a_free_port(except_for={settings.api_port})
        process = stack.enter_context(_rivals(settings, valkey.url, port))
        assert valkey.pid is not None
        files = FOLDER / "whole-requests"
        files.mkdir(parents=True, exist_ok=True)
        whole = Whole(place, settings, key, supervisor, port, process.pid, valkey.pid, files)
        whole.settle()
        yield whole


@contextmanager
def _rivals(settings: Settings, valkey: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    variables = {rivals.POSTGRES: settings.postgres, rivals.VALKEY: valkey}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.whole.rivals", str(port)],
        env=os.environ | variables,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=(FOLDER / "rivals.log").open("wb"),
    )
    try:
        _wait_for(port)
        yield process
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    until = time.monotonic() + _ANSWERS_WITHIN_FOR
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/docs")
        except httpx.TransportError:
            assert time.monotonic() < until, f"what would be built instead does not start: see {FOLDER}/rivals.log"
            time.sleep(0.1)
        else:
            return
