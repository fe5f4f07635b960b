"""Ports: is one free, who has it, and keeping one for ourselves before a server listens there."""

import contextlib
import errno
import socket
import sys
from pathlib import Path
from typing import Final, Self

from entitlements.errors import AddressIsTaken, EntitlementsError, SettingIsWrong

_LISTENING: Final = "0A"


class Claim:
    """A port that nobody else among us takes: a name in the kernel has one owner, and ends with it however it ends.

    Two that look for a free port in the same moment would both find the same one, seconds before their servers listen.
    Only Linux has such names; elsewhere a claim is the look alone.
    """

    def __init__(self, names: list[socket.socket]) -> None:
        self._held = names

    @classmethod
    def of(cls, host: str, port: int, *, shared: bool = False) -> Self | None:
        """Claim a port, None: it is taken. shared: our server listens with SO_REUSEPORT; then strangers are kept out too."""
        with contextlib.ExitStack() as stack:
            held: list[socket.socket] = []
            if sys.platform == "linux":
                name = stack.enter_context(socket.socket(socket.AF_UNIX))
                held.append(name)
                try:
                    name.bind(f"\0entitlements keeps {port}")
                except OSError:
                    return None
            if not is_free(port, host):
                return None
            if shared and sys.platform == "linux":
                place = stack.enter_context(socket.socket(_family(host)))
                held.append(place)
                place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                try:
                    place.bind((host, port))  # Bound and not listening: no connection comes here.
                except OSError:
                    return None
            stack.pop_all()
        return cls(held)

    def give_back(self) -> None:
        """Others may have it."""
        for each in self._held:
            each.close()


def is_free(port: int, host: str) -> bool:
    """Say whether a server could listen on the port now. Connections in TIME_WAIT do not matter to servers."""
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError):
            return False
    return True


def cannot_listen(error: OSError, host: str, port: int, prefix: str) -> EntitlementsError:
    """Why a server cannot listen there, and which setting to change: of those with this prefix, such as ENTITLEMENTS_API."""
    if isinstance(error, socket.gaierror):
        return SettingIsWrong(f'{prefix}_HOST: must be an address of this machine, not "{host}" ({error.strerror}).')
    said = f"{host}:{port}: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        advice = f"Stop that process, or set another port with {prefix}_PORT."
        return AddressIsTaken(f"{said} ({owner_of(port)} listens there). {advice}")
    if error.errno == errno.EACCES:
        return AddressIsTaken(f"{said}. Set another port with {prefix}_PORT.")
    return AddressIsTaken(f"{said}. Set an address of this machine with {prefix}_HOST.")


def require_host(host: str, prefix: str) -> None:
    """Raises SettingIsWrong: the host of the setting with this prefix has no address."""
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        raise cannot_listen(error, host, 0, prefix) from error


def owner_of(port: int) -> str:
    """Who listens on a port: "python3 (process 4711)". Of others' processes, and outside of Linux, nobody is known."""
    nodes = {f"socket:[{node}]" for table in ("tcp", "tcp6") for node in _listening(table, port)}
    for link in Path("/proc").glob("[0-9]*/fd/*") if nodes else ():
        with contextlib.suppress(OSError):  # It was closed meanwhile, or is nobody's business.
            if str(link.readlink()) in nodes:
                process = link.parent.parent
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return "another process"


def _listening(table: str, port: int) -> list[str]:
    try:
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
