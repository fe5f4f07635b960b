"""Our own schema registry, running for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from entitlements import registry
from entitlements.settings import Settings


@contextmanager
def a_registry(settings: Settings | None = None) -> Iterator[str]:
    """Its address. settings: else the defaults, with any free port."""
    stopping, started, said = Event(), Event(), list[str]()

    def hear(address: str) -> None:
        said.append(address)
        started.set()

    running = Thread(target=registry.run, args=(settings or Settings(registry_port=0), stopping, hear))
    running.start()
    try:
        assert started.wait(10)
        yield said[0]
    finally:
        stopping.set()
        running.join(10)
        assert not running.is_alive()
