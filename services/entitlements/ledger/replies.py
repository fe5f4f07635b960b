"""Outcomes on the short way: from the engine to a caller of the same machine, through a socket. Kafka is the long way, open to all.

A caller listens at an address of Linux' abstract namespace that is made of its name, which nobody can guess; the engine finds it there, or
does not: then, and whenever the socket does not take an outcome at once, that goes through `entitlements.outcomes`. Messages keep their
bounds (SOCK_SEQPACKET). Whoever hears nothing, for whatever reason, hears `outcome_unknown` as ever: an outcome repeats what the ledger says.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections import OrderedDict
from typing import Final

#: Bytes of a message; a socket takes some 200 KB.
BYTES_MAX: Final = 64 * 1024
#: Callers that the engine remembers, those that listen elsewhere too.
CALLERS_MAX: Final = 1_000
#: Connections that wait: engines are few.
_BACKLOG: Final = 64
_CREDENTIALS: Final = struct.Struct("3i")


class Replies:
    """The engine's side. For one thread."""

    def __init__(self) -> None:
        #: By caller its socket; None: it is not to be reached this way.
        self._callers: OrderedDict[str, socket.socket | None] = OrderedDict()

    def send(self, caller: str, value: bytes) -> bool:
        """Give an outcome to a caller; whether it was taken. Never waits."""
        if len(value) > BYTES_MAX:
            return False
        connection = self._callers[caller] if caller in self._callers else self._connect(caller)
        if connection is None:
            return False
        try:
            connection.send(value, socket.MSG_DONTWAIT)
        except BlockingIOError:  # It is slow; what it has not read yet is not lost.
            return False
        except OSError:  # It is gone: nobody else has its name.
            connection.close()
            self._callers[caller] = None
            return False
        return True

    def _connect(self, caller: str) -> socket.socket | None:
        connection = _connected(caller)
        self._callers[caller] = connection
        if len(self._callers) > CALLERS_MAX:
            _, oldest = self._callers.popitem(last=False)
            if oldest is not None:
                oldest.close()
        return connection

    def close(self) -> None:
        """Close all sockets."""
        for connection in self._callers.values():
            if connection is not None:
                connection.close()
        self._callers.clear()


def listening(caller: str) -> socket.socket | None:
    """Where a caller hears, not blocking; None: the system has no such sockets."""
    if sys.platform != "linux":
        return None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.setblocking(False)
    listener.bind(_address_of(caller))
    listener.listen(_BACKLOG)
    return listener


def accepted(listener: socket.socket) -> socket.socket | None:
    """The next engine's connection, not blocking; None: there is none now."""
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return None
        connection.setblocking(False)
        if _is_ours(connection):
            return connection
        connection.close()


def _connected(caller: str) -> socket.socket | None:
    if sys.platform != "linux":
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.setblocking(False)
    try:
        connection.connect(_address_of(caller))
    except OSError:
        connection.close()
        return None
    if not _is_ours(connection):
        connection.close()
        return None
    return connection


def _is_ours(connection: socket.socket) -> bool:
    """Whether it is the same user on the other side."""
    _, user, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return bool(user == os.geteuid())


def _address_of(caller: str) -> bytes:
    return b"\0entitlements/" + caller.encode()
