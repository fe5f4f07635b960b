"""What can go wrong with local servers.

LocalServerError
├── FolderIsInUse          another process runs a server there
├── FolderIsUnusable       it cannot be made, entered or written
├── JarIsNotTheLockedOne   a download differs from kafka.lock
├── PortIsTaken            a restart must keep its port and cannot
└── ServerDidNotStart      it ended or stayed silent; the message quotes its log
"""

from pathlib import Path


class LocalServerError(RuntimeError):
    """A local server cannot do what was asked."""


class FolderIsInUse(LocalServerError):
    """Another process runs a server in this folder."""

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(f"{folder} is in use by process {owner}. Stop that one, or give another folder.")


class FolderIsUnusable(LocalServerError):
    """The folder cannot be made, entered or written."""

    def __init__(self, folder: Path, reason: object) -> None:
        super().__init__(f"{folder} cannot hold a server's data: {reason}. Give another folder.")


class JarIsNotTheLockedOne(LocalServerError):
    """A jar differs from what kafka.lock says; it was not used."""

    def __init__(self, coordinate: str, expected: str, found: str) -> None:
        super().__init__(f"{coordinate} has SHA-256 {found}, but kafka.lock says {expected}. It was not used.")


class PortIsTaken(LocalServerError):
    """Somebody else took the port while the server was away, and clients only know the old one."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(f"{name} cannot come back: port {port} was taken by another process meanwhile.")


class ServerDidNotStart(LocalServerError):
    """The server ended or stayed silent."""

    def __init__(self, name: str, what: str, log: Path, tail: str) -> None:
        quoted = "\n".join(f"  | {line}" for line in tail.splitlines()) or "  | (empty)"
        super().__init__(f"{name} {what}. The end of {log}:\n{quoted}")
