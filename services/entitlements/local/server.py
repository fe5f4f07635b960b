"""What every local server has: a folder that is locked while it runs, a remembered port, a log, a supervisor.

Lifecycle: start() returns when the server answers; stop() when it is gone; kill() is a SIGKILL, for tests of crashes;
restart() keeps the port. All may block: start up to START_SECONDS_MAX, stop up to STOP_SECONDS_MAX.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from entitlements.local import supervisor
from entitlements.local.errors import FolderIsUnusable, PortIsTaken, ServerDidNotStart
from entitlements.local.folder import HOST, POLL_SECONDS, ServerFolder, a_free_port
from entitlements.local.ports import Claim, is_free, owner_of

START_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 20.0
LOG_BYTES_MAX: Final = 16 * 1024 * 1024
TAIL_LINES: Final = 25


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whom a server runs as when root starts it."""

    uid: int
    gid: int
    # Its folder or its binaries lie behind a folder that only root may enter.
    enter_any_folder: bool = False


class LocalServer(ABC):
    """One server process of this machine, in one folder, listening on 127.0.0.1 only."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    #: The option of `entitlements up` that chooses the port.
    port_option: ClassVar[str] = ""
    log_words_of_a_taken_port: ClassVar[tuple[str, ...]] = ("Address already in use",)

    def __init__(self, folder: Path | str, *, port: int | None = None) -> None:
        """Describe a server; nothing runs yet. port: the one for clients; none: the one it had, or any free one."""
        self._wanted_port = port
        self._claims: dict[int, Claim] = {}
        #: Nobody has been told of its port yet, so it may be another one.
        self._is_new = False
        self._folder = ServerFolder(folder)
        self.folder = self._folder.path
        self.log = self.folder / "server.log"
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None

    # What each server says about itself.

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data folder where there is none, and write the configuration. The ports are known."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Give the command line of the server."""

    @abstractmethod
    def _answers(self) -> bool:
        """Say whether the server serves its clients. May block for a second."""

    def _identity(self) -> Identity | None:
        """Say whom the server runs as, None for ourselves."""
        return None

    @property
    def port(self) -> int:
        """The port clients connect to. Known once the server was started in this folder."""
        return int(self._folder.state()["port"])

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs, for tests that stop or kill it."""
        return self._pid if self.is_running else None

    @property
    def is_running(self) -> bool:
        """Say whether the process is there. It may not answer yet."""
        return self._supervisor is not None and self._supervisor.poll() is None

    # Lifecycle.

    def start(self) -> Self:
        """Start the server and wait until it answers.

        Raises FolderIsInUse, FolderIsUnusable, PortIsTaken, ServerDidNotStart.
        """
        self.launch()
        self.wait_until_ready()
        return self

    def launch(self) -> None:
        """Start the server and do not wait, so that two can start side by side. A running one is left alone."""
        if self.is_running:
            return
        self._end("stop")  # Of one that ended by itself, pipes are left.
        self._folder.take()
        try:
            self._choose_ports()
            self._prepare()
            self._run()
        except OSError as error:
            self._give_back()
            raise FolderIsUnusable(self.folder, error) from error
        except BaseException:
            self._give_back()
            raise

    def wait_until_ready(self) -> None:
        """Return when the server answers. Raises ServerDidNotStart, quoting its log, and leaves nothing running."""
        deadline = time.monotonic() + START_SECONDS_MAX
        retried = False
        try:
            while not (self.is_running and self._answers()):
                if not self.is_running and not retried and self._port_was_taken():
                    retried = True  # Another process was faster by a moment; with other ports once more.
                    self.launch()
                elif not self.is_running:
                    raise ServerDidNotStart(self.name, "exited during startup", self.log, self.log_tail())
                elif time.monotonic() > deadline:
                    raise ServerDidNotStart(
                        self.name, f"did not answer within {START_SECONDS_MAX:.0f} s", self.log, self.log_tail()
                    )
                time.sleep(POLL_SECONDS)
        except BaseException:
            self.kill()
            self._give_back()
            raise
        self._is_new = False

    def stop(self) -> None:
        """Stop the server in good order and give its folder back. Does nothing when it is not running."""
        self._end("stop")
        self._give_back()

    def kill(self) -> None:
        """Kill the server like a crash does (SIGKILL). Its folder stays ours; start() or restart() brings it back."""
        self._end("kill")

    def restart(self) -> None:
        """Stop the server if it runs, and start it on the same port. Raises PortIsTaken."""
        self._end("stop")
        self.launch()
        self.wait_until_ready()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def log_tail(self) -> str:
        """Give the last lines of the log."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 16_384))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-TAIL_LINES:])

    # Below: how.

    def _choose_ports(self) -> None:
        """Take the port that is wanted or remembered, else a free one. Raises PortIsTaken: clients know that one only."""
        state = self._folder.state()
        self._is_new = self._is_new or "port" not in state
        chosen: dict[str, int] = {}
        for key in self._ports():
            wanted = (self._wanted_port if key == "port" else None) or state.get(key)
            must = key == "port" and (self._wanted_port is not None or not self._is_new)
            while wanted is None or not self._claim(wanted):
                if must and wanted is not None:
                    raise PortIsTaken(self.name, wanted, owner_of(wanted), self.port_option)
                wanted = a_free_port(except_for=set(chosen.values()))
            chosen[key] = wanted
        self._folder.remember(**chosen)

    def _claim(self, port: int) -> bool:
        if port in self._claims:
            return is_free(port, HOST)
        claim = Claim.of(HOST, port)
        if claim is not None:
            self._claims[port] = claim
        return claim is not None

    def _give_back(self) -> None:
        while self._claims:
            self._claims.popitem()[1].give_back()
        self._folder.give_back()

    def _ports(self) -> tuple[str, ...]:
        """Name the ports the server needs; "port" is the one for clients."""
        return ("port",)

    def _port_was_taken(self) -> bool:
        return any(words in self.log_tail() for words in self.log_words_of_a_taken_port)

    def _run(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        identity = self._identity()
        spec = {
            "parent": os.getpid(),
            "command": self._command(),
            "cwd": str(self.folder),
            "log": str(self.log),
            "identity": None if identity is None else asdict(identity),
            "stop_signal": int(self.stop_signal),
            "grace_seconds": STOP_SECONDS_MAX - 5.0,
        }
        with self.log.open("ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", supervisor.__file__, json.dumps(spec)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                pass_fds=(self._folder.lock,),
            )
        assert self._supervisor.stdout is not None
        words = self._supervisor.stdout.readline().split()
        if len(words) != 2:  # It could not even start the program, and says why in the log.
            self._end("kill")
            raise ServerDidNotStart(self.name, "could not be started", self.log, self.log_tail())
        self._pid = int(words[1])

    def _end(self, how: str) -> None:
        if self._supervisor is None:
            return
        process, self._supervisor = self._supervisor, None
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{how}\n".encode())
            process.stdin.flush()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()  # With it the kernel kills the server.
            process.wait()
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            if process.stdout is not None:
                process.stdout.close()
