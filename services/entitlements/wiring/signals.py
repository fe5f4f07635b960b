"""Being told to stop: Ctrl-C, SIGTERM or a closed terminal unwind what was started, once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CHECK_EVERY_FOR: Final = 0.5


@contextmanager
def until_told_to_stop() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Run the block until it ends or we are told to stop; gives a function that waits for that.

    What the function is given it calls again and again; what that raises ends the block too.

    The first signal raises KeyboardInterrupt in the block, so that everything is stopped in order; the ones after it do nothing.
    """
    told = threading.Event()

    def stop(*_: Any) -> None:
        if not told.is_set():
            told.set()
            raise KeyboardInterrupt

    def wait(check: Callable[[], None]) -> None:
        while not told.wait(_CHECK_EVERY_FOR):
            check()

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield wait
    except KeyboardInterrupt:
        if not told.is_set():
            raise
    finally:
        for number, handler in before.items():
            # Once told, the process is about to end: a second signal shall not end it in another way.
            signal.signal(number, signal.SIG_IGN if told.is_set() else handler)
