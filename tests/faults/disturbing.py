"""A bad network before a server: it delays, cuts and duplicates what passes, and can be cut off as a whole."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_BYTES = 65_536


class BadNetwork:
    """A TCP proxy. Of the connections a part is cut after some traffic, and of a part every byte that is sent arrives twice, on another
    connection, so that the server sees each request again.
    """

    def __init__(
        self, port: int, seed: int = 1, *, cut: float = 0.6, duplicate: float = 0.4, delay: float = 0.03
    ) -> None:
        self._port, self._dice = port, random.Random(seed)
        self._cut, self._duplicate, self._delay = cut, duplicate, delay
        self._door = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self._is_cut_off = threading.Event()
        self._open: set[socket.socket] = set()
        #: What was done to connections.
        self.cuts = self.duplicates = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Nothing passes meanwhile, and what was under way is cut."""
        self._is_cut_off.set()
        for connection in list(self._open):
            _shut(connection)
        try:
            yield
        finally:
            self._is_cut_off.clear()

    def close(self) -> None:
        self._door.close()
        for connection in list(self._open):
            _shut(connection)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        if self._is_cut_off.is_set():
            near.close()
            return
        with contextlib.ExitStack() as stack:
            try:
                far = stack.enter_context(socket.create_connection(("127.0.0.1", self._port)))
                shadow = None
                if self._dice.random() < self._duplicate:
                    self.duplicates += 1
                    shadow = stack.enter_context(socket.create_connection(("127.0.0.1", self._port)))
                    threading.Thread(target=_drain, args=(shadow,), daemon=True).start()
            except OSError:
                near.close()
                return
            left = self._dice.randint(300, 6_000) if self._dice.random() < self._cut else None
            self._open |= {near, far}
            back = threading.Thread(target=self._pass_on, args=(far, near, None, left), daemon=True)
            back.start()
            self._pass_on(near, far, shadow, left)
            back.join()
            self._open -= {near, far}
            near.close()

    def _pass_on(
        self, source: socket.socket, target: socket.socket, shadow: socket.socket | None, left: int | None
    ) -> None:
        """Carry bytes until one side ends, or what was left of this connection's life has passed."""
        try:
            while data := source.recv(_BYTES):
                time.sleep(self._dice.random() * self._delay)
                if left is not None and (left := left - len(data)) < 0:
                    self.cuts += 1
                    break
                target.sendall(data)
                if shadow is not None:
                    shadow.sendall(data)
        except OSError:
            pass
        _shut(source)
        _shut(target)


def _drain(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(_BYTES):
            pass


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
