"""Servers, topics, tables and processes of the demo's own, in one folder, gone at the end."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from entitlements.errors import EntitlementsError, ServerIsAway
from entitlements.settings import Settings
from entitlements.wiring import addresses
from entitlements.wiring.preparing import with_free_ports
from entitlements.wiring.servers import servers_in
from entitlements.wiring.supervisor import Supervisor

#: The registry is not among them: nobody here asks it.
PROCESSES: Final = ("engine", "publisher", "projector", "changes", "api")


class FolderIsNotEmpty(EntitlementsError):
    """The demo needs an empty folder."""

    code = "folder_is_not_empty"


@contextmanager
def own_servers(folder: Path, *, fast: bool) -> Iterator[Settings]:
    """Servers in a folder, or those of the environment under names that nobody else has. Raises FolderIsNotEmpty."""
    if any((folder / server).exists() for server in ("kafka", "postgres")):
        raise FolderIsNotEmpty(f"Delete {folder}, or choose another.")
    with ExitStack() as stack:
        settings = stack.enter_context(servers_in(folder, fast=fast))
        name = f"demo_{secrets.token_hex(4)}"
        if addresses.variable("kafka") in os.environ:
            settings = settings.model_copy(update={"topic_prefix": f"{settings.topic_prefix}{name}."})
            stack.callback(_delete_topics, settings)
        if addresses.variable("postgres") in os.environ:
            settings = settings.model_copy(
                update={"postgres": stack.enter_context(_own_database(settings.postgres, name))}
            )
        # Nobody is told the address of its API: any port will do, and the usual one is left to an installation that is used.
        yield with_free_ports(settings.model_copy(update={"api_port": 0, "installation": name}))


@contextmanager
def processes(settings: Settings, folder: Path) -> Iterator[Supervisor]:
    """Run the processes, each started again when it dies; addresses.json in the folder says their ids."""
    from entitlements.ledger.topics import create_topics
    from entitlements.operations import tracing
    from entitlements.wiring.preparing import prepare_tables

    tracing.check()
    create_topics(settings)
    supervisor = Supervisor(PROCESSES, addresses.environment_of(settings), folder / "logs", lambda _: say())

    def say() -> None:
        addresses.write(folder, settings, pid=os.getpid(), processes=supervisor.pids())

    try:
        with supervisor:
            prepare_tables(settings)
            yield supervisor
    finally:
        addresses.remove(folder)


@contextmanager
def _own_database(server_url: str, name: str) -> Iterator[str]:
    """Create a database on a server that was given, and drop it at the end; gives its connection string."""
    import psycopg
    from psycopg import sql
    from psycopg.conninfo import make_conninfo

    try:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg.OperationalError as error:
        raise ServerIsAway(f"Postgres: {error}") from error
    try:
        yield make_conninfo(server_url, dbname=name)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _delete_topics(settings: Settings) -> None:
    from entitlements.ledger import clients

    admin = clients.admin(settings)
    ours = [topic for topic in admin.list_topics(timeout=10).topics if topic.startswith(settings.topic_prefix)]
    for deleted in (admin.delete_topics(ours, operation_timeout=10) if ours else {}).values():
        deleted.exception(15)
