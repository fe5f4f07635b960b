"""A server's folder: locked by one process at a time, remembering what must stay the same, such as ports."""

import fcntl
import json
import os
import random
import socket
import time
from pathlib import Path
from typing import Any, Final

from entitlements.local.errors import FolderIsInUse, FolderIsUnusable
from entitlements.local.ports import is_free

HOST: Final = "127.0.0.1"
# Below the range from which Linux takes ports for outgoing connections, so that one cannot sit on ours during a restart.
PORTS: Final = range(20_000, 32_000)
# Longer than a dead owner's supervisor takes to stop its server.
LOCK_SECONDS_MAX: Final = 25.0
POLL_SECONDS: Final = 0.02


class ServerFolder:
    """One server's folder. take() before anything is changed in it, give_back() at the end."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self._lock: int | None = None

    @property
    def lock(self) -> int:
        """The locked file, to be inherited by whoever must end before the folder is free again."""
        assert self._lock is not None, "the folder is locked before anything runs in it"
        return self._lock

    def take(self) -> None:
        """Lock the folder, making it where needed. Does nothing when it is ours already.

        A dead owner's supervisor holds the lock while it stops the server; that is waited for.
        Raises FolderIsInUse, FolderIsUnusable.
        """
        if self._lock is not None:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise FolderIsUnusable(self.path, error) from error
        deadline = time.monotonic() + LOCK_SECONDS_MAX
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                owner = os.pread(lock, 32, 0).decode().strip()
                if _is_alive(owner) or time.monotonic() > deadline:
                    os.close(lock)
                    raise FolderIsInUse(self.path, owner or "unknown") from None
                time.sleep(POLL_SECONDS)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock

    def give_back(self) -> None:
        """Unlock the folder, once nothing runs in it any more."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def state(self) -> dict[str, Any]:
        """Read what was remembered."""
        try:
            state: dict[str, Any] = json.loads((self.path / "state.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return state

    def remember(self, **facts: object) -> None:
        """Add facts to what is remembered; whole or not at all."""
        path = self.path / "state.json"
        path.with_suffix(".new").write_text(json.dumps(self.state() | facts, indent=2))
        path.with_suffix(".new").replace(path)


def a_free_port(*, except_for: set[int]) -> int:
    """Choose a port at random, so that stacks starting at the same time rarely meet."""
    for port in random.sample(PORTS, len(PORTS)):
        if port not in except_for and is_free(port, HOST):
            return port
    raise OSError(f"no port between {PORTS.start} and {PORTS.stop} is free")


def accepts_connections(port: int) -> bool:
    """Say whether something listens on the port."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _is_alive(pid: str) -> bool:
    if not pid.isdigit():
        return False  # Locked a moment ago and not yet signed; the next look will tell.
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
