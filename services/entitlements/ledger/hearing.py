"""The caller's side of replies.py: hears outcomes from the engines of its machine, in a thread of its own or in an event loop."""

from __future__ import annotations

import asyncio
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Final

from entitlements.ledger import replies

#: Seconds between looks whether it is to end.
_LOOK_EVERY_FOR: Final = 0.2
#: Messages of one engine that are taken before others have their turn.
_AT_ONCE: Final = 64


class Hearing:
    """Listens from the beginning, and hears when it is told in what way."""

    def __init__(self, caller: str, take: Callable[[bytes], None]) -> None:
        """take: is given each outcome, encoded; it must not block."""
        self._take = take
        self._listener = replies.listening(caller)
        self._buffer = memoryview(bytearray(replies.BYTES_MAX))
        self._engines: set[socket.socket] = set()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def hear_in_thread(self) -> None:
        """Hear in a thread."""
        if self._listener is not None:
            self._thread = threading.Thread(target=self._run, name="replies", daemon=True)
            self._thread.start()

    def hear_in_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear in a loop; called in it. Said again, it changes nothing."""
        if self._listener is None or self._loop is not None:
            return
        self._loop = loop
        loop.add_reader(self._listener, self._accept_in, loop, self._listener)

    def close(self) -> None:
        """Hear no more; whoever hears lets go of the sockets a moment later."""
        self._closing.set()
        if self._loop is not None:
            if self._loop.is_running():
                self._loop.call_soon_threadsafe(self._leave, self._loop)
        elif self._listener is not None and self._thread is None:
            self._listener.close()

    def _accept_in(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        while (engine := replies.accepted(listener)) is not None:
            self._engines.add(engine)
            loop.add_reader(engine, self._hear_in, loop, engine)

    def _hear_in(self, loop: asyncio.AbstractEventLoop, engine: socket.socket) -> None:
        if not self._hear(engine):
            loop.remove_reader(engine)
            self._let_go(engine)

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._listener is not None
        for each in (self._listener, *self._engines):
            loop.remove_reader(each)
            each.close()
        self._engines.clear()

    def _run(self) -> None:
        listener = self._listener
        assert listener is not None
        try:
            with selectors.DefaultSelector() as selector, listener:
                selector.register(listener, selectors.EVENT_READ)
                while not self._closing.is_set():
                    for key, _ in selector.select(_LOOK_EVERY_FOR):
                        if key.fileobj is listener:
                            while (engine := replies.accepted(listener)) is not None:
                                self._engines.add(engine)
                                selector.register(engine, selectors.EVENT_READ)
                        elif isinstance(key.fileobj, socket.socket) and not self._hear(key.fileobj):
                            selector.unregister(key.fileobj)
                            self._let_go(key.fileobj)
        finally:  # Whatever ended it: engines notice, and answer through Kafka.
            for engine in self._engines:
                engine.close()

    def _hear(self, engine: socket.socket) -> bool:
        """Take what an engine has sent; False: it is gone."""
        for _ in range(_AT_ONCE):
            try:
                size = engine.recv_into(self._buffer)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not size:
                return False
            self._take(bytes(self._buffer[:size]))
        return True

    def _let_go(self, engine: socket.socket) -> None:
        self._engines.discard(engine)
        engine.close()
