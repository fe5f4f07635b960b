"""The small process above each local server: it outlives us just long enough to stop the server.

Run as a script with the standard library only, so that it starts in some 30 ms and cannot fail on an import of ours.

- Our end of its standard input is a pipe. The pipe closes when we die, however we die; then the server is stopped.
- Where a fork of ours still holds the pipe open, the supervisor notices that it has another parent.
- When the supervisor itself is killed, the kernel kills the server (PR_SET_PDEATHSIG, Linux only).
- What a killed server leaves, such as Postgres' sessions, becomes the supervisor's; it ends only after them.
- It inherits the lock on the server's folder, so nobody takes the folder over before the server is gone.
- It leads a session of its own: Ctrl-C in our terminal reaches us, and we decide what stops first.

It is told "stop" or "kill" by one line, and says "pid N" once and "exit CODE" at the end on standard output.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

POLL_SECONDS = 0.25
POLL_STOPPING_SECONDS = 0.02
ORPHANS_SECONDS_MAX = 3.0
PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 28, 4
PR_SET_CHILD_SUBREAPER = 36
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilityData(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def become(uid: int, gid: int, *, enter_any_folder: bool, libc: ctypes.CDLL | None) -> None:
    """Drop root for uid and gid; keep only the right to pass closed folders when that is asked for.

    Raises OSError where the system does not allow it.
    """
    if enter_any_folder:
        assert libc is not None, "only Linux knows capabilities"
        # Without this access(2) ignores capabilities, and programs that ask before they open are told "no".
        _call(libc, "prctl", PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if enter_any_folder:
        assert libc is not None
        header, data = _CapabilityHeader(CAPABILITY_VERSION_3, 0), (_CapabilityData * 2)()
        data[0].effective = data[0].permitted = data[0].inheritable = 1 << CAP_DAC_OVERRIDE
        _call(libc, "capset", ctypes.byref(header), ctypes.byref(data))
        _call(libc, "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def _call(libc: ctypes.CDLL, name: str, *arguments: object) -> None:
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def system_library() -> ctypes.CDLL | None:
    """Give the C library where it has the calls used here: on Linux."""
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def before_exec(identity: dict[str, int] | None) -> Callable[[], None]:
    """Prepare what the child does between fork and exec. A change of identity clears the death signal, so it comes first."""
    libc, supervisor = system_library(), os.getpid()

    def prepare() -> None:
        if identity is not None:
            become(identity["uid"], identity["gid"], enter_any_folder=bool(identity.get("enter_any_folder")), libc=libc)
        if libc is not None:
            _call(libc, "prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != supervisor:  # It died before the kernel was told.
                os._exit(1)

    return prepare


def supervise(spec: dict[str, object]) -> int:
    """Run spec["command"] until it ends, we are told to stop it, or our parent is gone. Gives its exit code."""
    parent = int(str(spec["parent"]))
    asked: list[str] = []
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: asked.append("stop"))
    command = [str(part) for part in spec["command"]]  # type: ignore[attr-defined]
    identity: dict[str, int] | None = spec["identity"]  # type: ignore[assignment]
    libc = system_library()
    if libc is not None:
        _call(libc, "prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with open(str(spec["log"]), "ab") as log:  # noqa: PTH123 - pathlib costs start-up time here.
        # preexec_fn is unsafe beside threads; this process has none.
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=str(spec["cwd"]),
            preexec_fn=before_exec(identity),  # noqa: PLW1509
        )  # fmt: skip
    _say(f"pid {server.pid}")
    _wait(server, parent, asked)
    if server.poll() is None and asked[-1] == "stop":
        _stop(server, int(str(spec["stop_signal"])), float(str(spec["grace_seconds"])), asked)
    if server.poll() is None:
        server.kill()
    code = server.wait()
    _outlive_orphans()
    _say(f"exit {code}")
    return code


def _wait(server: subprocess.Popen[bytes], parent: int, asked: list[str]) -> None:
    """Return when the server has ended, or with a reason to end it in asked."""
    while server.poll() is None and not asked:
        _listen(POLL_SECONDS, asked)
        if os.getppid() != parent:
            asked.append("stop")


def _stop(server: subprocess.Popen[bytes], stop_signal: int, grace_seconds: float, asked: list[str]) -> None:
    """Ask the server to end and give it grace_seconds; "kill" cuts that short."""
    server.send_signal(stop_signal)
    deadline = time.monotonic() + grace_seconds
    while server.poll() is None and time.monotonic() < deadline and asked[-1] != "kill":
        time.sleep(POLL_STOPPING_SECONDS)
        _listen(0, asked)


def _outlive_orphans() -> None:
    """Wait for the processes that the server left to us; after a while, end them."""
    deadline = time.monotonic() + ORPHANS_SECONDS_MAX
    with contextlib.suppress(ChildProcessError):  # No more children.
        while True:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                if time.monotonic() > deadline:
                    for pid in _children():
                        os.kill(pid, signal.SIGKILL)
                time.sleep(POLL_STOPPING_SECONDS)


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _listen(seconds: float, asked: list[str]) -> None:
    readable, _, _ = select.select([0], [], [], seconds)
    if readable:
        words = os.read(0, 4096).decode().split()
        if words:
            asked.append(words[-1])
        elif not asked:
            asked.append("stop")  # End of file: nobody is left to tell us anything.


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # The parent may be gone.
        os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    supervise(json.loads(sys.argv[1]))
