"""How many connections and streams a worker may hold: as many as the settings say, if the system gives it so many files."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from collections import Counter
from pathlib import Path
from typing import Final

from entitlements.api.problems import Problem
from entitlements.settings import Settings

_log = logging.getLogger(__name__)

#: Files that a worker needs beside its connections: Kafka, Postgres, caches, modules.
OTHER_FILES: Final = 512
#: See give_up_unread: 30 s by default.
UNREAD_TIMES: Final = 3


def within_files(settings: Settings) -> Settings:
    """The settings as the system's limit of open files allows; the soft limit is raised as far as needed. Warns if that is not enough.

    A server without a file for the next connection would ask for it again and again, and answer nobody.
    """
    wanted = settings.api_connections_max + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (OSError, ValueError):  # Some systems have a lower bound than they say.
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return settings
    connections = max(soft - OTHER_FILES, soft // 2)
    streams = min(settings.api_streams_total_max, connections // 2)
    _log.warning(
        "The open file limit is %d: each worker accepts %d connections and %d streams instead of %d and %d. Raise it (ulimit -n, LimitNOFILE).",
        soft, connections, streams, settings.api_connections_max, settings.api_streams_total_max,
    )  # fmt: skip
    return settings.model_copy(update={"api_connections_max": connections, "api_streams_total_max": streams})


def give_up_unread(settings: Settings, tries: int = 100) -> None:
    """Have the kernel close connections whose client takes nothing of an answer for UNREAD_TIMES as long as one may be silent.

    To be called in the loop, before the server listens: the socket is its own, so it is looked for once it is there. What is set for a
    socket that listens holds for each connection of it. Only Linux can; elsewhere such a connection stays until its peer is gone.
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    is_there = False
    for one in _listening_sockets():
        with one:
            if one.getsockname()[1] == settings.api_port:
                unread_ms = round(settings.api_idle_for * UNREAD_TIMES * 1_000)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unread_ms)
                is_there = True
    if not is_there and tries:
        asyncio.get_running_loop().call_later(0.1, give_up_unread, settings, tries - 1)


def _listening_sockets() -> list[socket.socket]:
    """The TCP sockets of this process that listen, each by a descriptor of its own."""
    found = []
    for name in Path("/proc/self/fd").iterdir():
        try:
            copied = os.dup(int(name.name))
        except OSError:  # It is gone: the one by which the folder was read.
            continue
        try:
            one = socket.socket(fileno=copied)
        except OSError:  # It is no socket.
            os.close(copied)
            continue
        if one.family in {socket.AF_INET, socket.AF_INET6} and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found.append(one)
        else:
            one.close()
    return found


class Streams:
    """The streams of changes that are open in a worker. For one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._each_max, self._total_max = settings.api_streams_max, settings.api_streams_total_max
        self._open: Counter[str] = Counter()
        self.total = 0

    def begin(self, organization_id: str) -> None:
        """A stream is asked for. Raises Problem: too_many_streams; else say `end` when it is over."""
        if self._open[organization_id] >= self._each_max:
            self._refuse(f"{self._each_max} streams of the organization are open here.", "streams", self._each_max)
        if self.total >= self._total_max:
            self._refuse(f"{self._total_max} streams are open here.", "streams_of_all", self._total_max)
        self._open[organization_id] += 1
        self.total += 1

    def end(self, organization_id: str) -> None:
        """A stream is over."""
        self.total -= 1
        self._open[organization_id] -= 1
        if not self._open[organization_id]:
            del self._open[organization_id]

    @staticmethod
    def _refuse(detail: str, bound: str, maximum: int) -> None:
        raise Problem("too_many_streams", detail, {"connection": "close"}, bound=bound, maximum=maximum)
