"""Kafka and Postgres together, in one folder."""

from pathlib import Path
from types import TracebackType
from typing import Final, Self

from entitlements.local.kafka import LocalKafka
from entitlements.local.postgres import LocalPostgres

DEFAULT_FOLDER: Final = ".entitlements"


class LocalStack:
    """Both servers in one folder, each also to be had alone.

    Example:
        with LocalStack(".entitlements") as stack:
            Settings(kafka=stack.kafka, postgres=stack.postgres)
    """

    def __init__(self, folder: Path | str = DEFAULT_FOLDER, *, fast: bool = False) -> None:
        """Describe a stack; nothing runs yet. fast: for tests, not safe against a crash of the whole machine."""
        self.folder = Path(folder).absolute()
        self.kafka_server = LocalKafka(self.folder / "kafka", fast=fast)
        self.postgres_server = LocalPostgres(self.folder / "postgres", fast=fast)

    @property
    def kafka(self) -> str:
        """The bootstrap address, "127.0.0.1:port"."""
        return self.kafka_server.bootstrap

    @property
    def postgres(self) -> str:
        """The database, "postgresql://user@127.0.0.1:port/database"."""
        return self.postgres_server.url

    def start(self) -> Self:
        """Start both, side by side, and wait until both answer. Raises LocalServerError and leaves nothing running."""
        servers = (self.kafka_server, self.postgres_server)
        try:
            for server in servers:
                server.launch()
            for server in servers:
                server.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop both in good order. Does nothing to one that is not running."""
        try:
            self.kafka_server.stop()
        finally:
            self.postgres_server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
