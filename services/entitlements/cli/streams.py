"""Standard output and error as this program writes to them: any text can be written, and a failure is told apart from our bugs.

Libraries that write for us take an OSError of a stream for a closed terminal, and end the program with a status of their own. So what
goes wrong here is no OSError.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn, TextIO

from entitlements.cli import interrupted


class ReaderIsGone(Exception):
    """Whoever read our output has enough."""


class OutputFailed(Exception):
    """Cannot write to standard output."""


class _Guarded(io.FileIO):
    """A file descriptor that raises what is above; after that it takes everything and writes nothing."""

    def __init__(self, number: int, *, is_silent: bool) -> None:
        super().__init__(number, "w", closefd=False)
        self._is_silent = is_silent
        self._is_over = False

    def write(self, content: Any) -> int | None:  # type: ignore[override]  # Any buffer, as FileIO's.
        if self._is_over:
            return len(content)
        try:
            return super().write(content)
        except OSError as error:
            self._is_over = True
            if self._is_silent:
                return len(content)
            if error.errno == errno.EPIPE:
                raise ReaderIsGone from error
            raise OutputFailed(error.strerror or str(error)) from error


def guard() -> None:
    """Replace both streams: a character that their encoding does not have is escaped, and one that is closed takes everything."""
    sys.stdout = _guarded(sys.stdout, 1)
    sys.stderr = _guarded(sys.stderr, 2)


def _guarded(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:  # Closed by who started us.
        return Path(os.devnull).open("w", encoding="utf-8")
    raw = _Guarded(number, is_silent=number == 2)
    is_unbuffered = isinstance(getattr(stream, "buffer", None), io.RawIOBase)
    return io.TextIOWrapper(
        raw if is_unbuffered else io.BufferedWriter(raw),  # As Python itself has it with -u.
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=number == 2 or stream.isatty(),
        write_through=is_unbuffered,
    )


def stop_at_once(arguments: list[str]) -> None:
    """Until something is running that has to be stopped, `up` and `run` end at once when they are told to."""
    if arguments[:1] not in (["up"], ["run"]):
        return

    def stopped(*_: Any) -> NoReturn:
        os._exit(interrupted(arguments))

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # As nohup has it.
            signal.signal(number, stopped)
