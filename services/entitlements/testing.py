"""Servers for tests: always real ones.

Each server is looked for in this order:
1. its address in the environment: ENTITLEMENTS_KAFKA ("host:port"), ENTITLEMENTS_POSTGRES (a URL);
2. a container, by testcontainers, when a Docker engine answers;
3. the local stack (entitlements.local), in a temporary folder.

Tests share the servers of a session and keep apart by names: a topic prefix of their own (unique_prefix), a database of
their own (a_database).
"""

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from entitlements.local import LocalKafka, LocalPostgres
from entitlements.local.folder import a_free_port
from entitlements.local.jars import KAFKA_VERSION
from entitlements.local.kafka import NODE_ID, SETTINGS, knows_itself

KAFKA_VARIABLE: Final = "ENTITLEMENTS_KAFKA"
POSTGRES_VARIABLE: Final = "ENTITLEMENTS_POSTGRES"
KAFKA_IMAGE: Final = f"apache/kafka:{KAFKA_VERSION}"
POSTGRES_IMAGE: Final = "postgres:17"
DOCKER_SECONDS_MAX: Final = 3
CONTAINER_SECONDS_MAX: Final = 90.0


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Where the servers of a test session are."""

    kafka: str
    """Bootstrap address, "host:port"."""
    postgres: str
    """Connection URL."""


@contextmanager
def servers() -> Iterator[Servers]:
    """Find or start both servers, and stop what was started."""
    with ExitStack() as stack:
        yield Servers(kafka=stack.enter_context(a_kafka()), postgres=stack.enter_context(a_postgres()))


@contextmanager
def a_kafka() -> Iterator[str]:
    """Find or start a Kafka; gives its bootstrap address."""
    if address := os.environ.get(KAFKA_VARIABLE):
        yield address
    elif docker_answers():
        with _kafka_container() as address:
            yield address
    else:
        with _temporary_folder() as folder, LocalKafka(folder / "kafka", fast=True) as kafka:
            yield kafka.bootstrap


@contextmanager
def a_postgres() -> Iterator[str]:
    """Find or start a Postgres; gives its URL. The user in it may create databases."""
    if url := os.environ.get(POSTGRES_VARIABLE):
        yield url
    elif docker_answers():
        from testcontainers.community.postgres import PostgresContainer

        with PostgresContainer(POSTGRES_IMAGE, driver=None) as container:
            yield str(container.get_connection_url())
    else:
        with _temporary_folder() as folder, LocalPostgres(folder / "postgres", fast=True) as postgres:
            yield postgres.url


@contextmanager
def a_database(server_url: str) -> Iterator[str]:
    """Create an empty database on the server and drop it at the end, whoever is still connected; gives its URL."""
    import psycopg
    from psycopg import sql
    from psycopg.conninfo import conninfo_to_dict

    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            yield _with_database(server_url, str(conninfo_to_dict(server_url)["dbname"]), name)
        finally:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def unique_prefix() -> str:
    """Give a topic prefix that no other test has, such as "t3f9a1c."."""
    return f"t{secrets.token_hex(4)}."


@cache
def docker_answers() -> bool:
    """Say whether a Docker engine answers; a command named docker alone is none."""
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        return False
    try:
        client = docker.from_env(timeout=DOCKER_SECONDS_MAX)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except (DockerException, OSError):
        return False


@contextmanager
def _kafka_container() -> Iterator[str]:
    """Run the same Kafka with the same settings in a container. It advertises the port that it has outside."""
    from testcontainers.core.container import DockerContainer

    port = a_free_port(except_for=set())
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(port, port)
    address = f"{container.get_docker_client().host()}:{port}"
    settings = {
        **SETTINGS,
        "listeners": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{address}",
        "controller.quorum.voters": f"{NODE_ID}@localhost:9093",
    }
    for key, value in settings.items():
        container.with_env("KAFKA_" + key.upper().replace(".", "_"), str(value))
    with container:
        deadline = time.monotonic() + CONTAINER_SECONDS_MAX
        while not knows_itself(address):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Kafka's container did not answer at {address}: {container.get_logs()}")
        yield address


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="entitlements-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _with_database(url: str, old: str, new: str) -> str:
    """Exchange the database's name in a URL, which is its path."""
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(url)
    assert parts.path.removeprefix("/") == old, f"{POSTGRES_VARIABLE} must be a URL that names a database: {url}"
    return urlunsplit(parts._replace(path=f"/{new}"))
