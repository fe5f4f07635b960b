"""Processes that stand still (SIGSTOP) while a test goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Seconds within which a process stops; with all processors taken by others it takes a hundred milliseconds.
_STOPS_WITHIN_FOR = 20.0


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """Stop a process, and let it go on afterwards."""
    stop(pid)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def stop(pid: int) -> None:
    """Stop a process and wait until it has: until the kernel gives one of its threads a processor, the others go on as before."""
    os.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + _STOPS_WITHIN_FOR
    while not is_stopped(pid):
        assert time.monotonic() < until, f"{pid} does not stop"
        time.sleep(0.001)


def is_stopped(pid: int) -> bool:
    """Whether all threads of a process have been stopped, or have ended."""
    return all(_is_stopped(thread) for thread in Path(f"/proc/{pid}/task").iterdir())


def _is_stopped(thread: Path) -> bool:
    try:
        state = thread.joinpath("stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # It has ended meanwhile.
        return True
    return state in "TZX"
