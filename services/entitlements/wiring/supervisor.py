"""Starts processes, starts those again that end, and stops all of them.

A process that ends is started again after a pause that doubles while it keeps ending. When we die, in whatever way, the
kernel ends the processes (processes.die_with_supervisor). Each writes its log to a file of its own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from entitlements.wiring.processes import END_WITHIN_FOR, SUPERVISOR_VARIABLE

#: Seconds before a process that ended is started again: doubled from the first to the last.
PAUSE_FOR_MIN: Final = 0.1
PAUSE_FOR_MAX: Final = 5.0
#: Seconds a process has to live for its next end to be the first again.
WELL_FOR: Final = 2.0
#: Seconds for an orderly end, before it is killed: a little more than each process gives itself.
STOP_FOR_MAX: Final = END_WITHIN_FOR + 0.5
LOG_BYTES_MAX: Final = 16 * 1024 * 1024
_LOOK_EVERY_FOR: Final = 0.05
#: How much of the end of a log holds its last line.
_TAIL_BYTES: Final = 16 * 1024


@dataclass
class Program:
    """One supervised process."""

    name: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    last_exit: int | None = None
    #: When it was started, and when to start it again; seconds of the monotonic clock.
    started: float = 0.0
    start_at: float = 0.0
    pause_for: float = field(default=PAUSE_FOR_MIN)

    @property
    def pid(self) -> int | None:
        """Its process id; None while it waits to be started again."""
        return None if self.process is None else self.process.pid


def reason_in(log: Path) -> str:
    """The message of the last line of a log, without its instant: why a process ended, as far as it could say. Empty: it said nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    if not lines:
        return ""
    written = re.search(r'(?: message=|"message": )("(?:[^"\\]|\\.)*")', lines[-1])
    message = json.loads(written[1]) if written else lines[-1].strip()
    return str(message).removeprefix("Exiting. ")


class Supervisor:
    """Keeps processes running from start() to stop(). on_change hears of every start and end, in the watching thread."""

    def __init__(
        self,
        names: Iterable[str],
        variables: Mapping[str, str],
        logs: Path,
        on_change: Callable[[Program], None] = lambda program: None,  # noqa: ARG005 - the name is the contract.
    ) -> None:
        self.programs = [Program(name, logs / f"{name}.log") for name in names]
        self._variables = dict(variables)
        self._on_change = on_change
        self._stopping = threading.Event()
        # The kernel counts the thread that starts a process as its parent: it must live as long as they do.
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> Self:
        """Start all of them; returns at once."""
        for program in self.programs:
            program.log.parent.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop all of them, at most STOP_FOR_MAX seconds in good order. Nothing is left running."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def pids(self) -> dict[str, int | None]:
        """The process ids by name."""
        return {program.name: program.pid for program in self.programs}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _watch(self) -> None:
        try:
            while not self._stopping.is_set():
                for program in self.programs:
                    self._look_after(program)
                self._stopping.wait(_LOOK_EVERY_FOR)
        finally:
            self._end_all()

    def _look_after(self, program: Program) -> None:
        now = time.monotonic()
        if program.process is None:
            if now >= program.start_at:
                try:
                    self._run(program)
                except OSError:  # No space for its log, no memory: so it is as if it had ended at once.
                    program.start_at = now + PAUSE_FOR_MAX
            return
        status = program.process.poll()
        if status is None:
            return
        if now - program.started > WELL_FOR:
            program.pause_for = PAUSE_FOR_MIN
        program.process, program.last_exit = None, status
        program.start_at = now + program.pause_for
        program.pause_for = min(2 * program.pause_for, PAUSE_FOR_MAX)
        program.restarts += 1
        self._on_change(program)

    def _run(self, program: Program) -> None:
        if program.log.exists() and program.log.stat().st_size > LOG_BYTES_MAX:
            program.log.replace(program.log.with_suffix(".log.1"))
        with program.log.open("ab") as log:
            program.process = subprocess.Popen(
                [sys.executable, "-m", "entitlements.wiring", program.name],
                env=os.environ | self._variables | {SUPERVISOR_VARIABLE: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in our terminal reaches us, and we decide who stops first.
            )
        program.started = time.monotonic()
        self._on_change(program)

    def _end_all(self) -> None:
        running = [program.process for program in self.programs if program.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_FOR_MAX
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
