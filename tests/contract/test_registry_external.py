"""Ids from a registry at an address: ours (look-up only) and one that takes new schemas."""

from __future__ import annotations

import json
import socket
import ssl
from base64 import b64encode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from tests.registries import a_registry
from tests.secure_kafka import write_certificates

from entitlements import registry
from entitlements.errors import ServerIsAway
from entitlements.registry.external import RegistryRefuses, ids_at
from entitlements.settings import Settings
from entitlements_schemas import Wire, catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "entitlements.commands.ClosePool"
CLOSED = {"command_id": "c-1", "pool_id": "p-1"}
EVERY_VERSION = {(entry.name, entry.version) for entry in catalogue.entries()}


class SmallRegistry:
    """Look-up, registration and configuration as in Confluent's registry, over HTTP, in memory."""

    def __init__(self) -> None:
        self.ids: dict[tuple[str, str], int] = {}
        self.levels: dict[str, str] = {}
        self.registered: list[str] = []
        self.shown: list[str | None] = []
        self.refuse: Callable[[str, str], tuple[int, dict[str, Any]] | None] = lambda *_: None

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        refused = self.refuse(method, path)
        if refused is not None:
            return refused
        _, kind, subject, *rest = [unquote(part) for part in path.split("/")]
        if kind == "config":
            self.levels[subject] = body["compatibility"]
            return 200, body
        schema = body["schema"]
        if rest == ["versions"]:
            self.registered.append(subject)
            return 200, {"id": self.ids.setdefault((subject, schema), 100_001 + len(self.ids))}
        if (subject, schema) in self.ids:
            return 200, {"subject": subject, "version": 1, "id": self.ids[subject, schema], "schema": schema}
        known = any(subject == other for other, _ in self.ids)
        return 404, {"error_code": 40403 if known else 40401, "message": "not found"}


@contextmanager
def served(registry_: SmallRegistry, keystore: Path | None = None) -> Iterator[str]:
    """Its address: over TLS where there is a keystore."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            registry_.shown.append(self.headers.get("Authorization"))
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = registry_.answer(self.command, urlsplit(self.path).path, body)
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_PUT = do_POST  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if keystore is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(keystore)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        yield f"http{'' if keystore is None else 's'}://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join()


@pytest.fixture
def small() -> Iterator[tuple[SmallRegistry, str]]:
    registry_ = SmallRegistry()
    with served(registry_) as url:
        yield registry_, url


def test_a_registry_over_https_is_shown_the_password_and_must_be_trusted(tmp_path: Path) -> None:
    ca_file, keystore = tmp_path / "ca.pem", tmp_path / "registry.pem"
    write_certificates(ca_file, keystore)
    (tmp_path / "password").write_text("hush\n")
    with served(SmallRegistry(), keystore) as url, pytest.raises(ServerIsAway, match="CERTIFICATE_VERIFY_FAILED"):
        ids_at(url, try_for=0)
    registry_ = SmallRegistry()
    with served(registry_, keystore) as url:
        settings = {"registry_ca_file": ca_file, "registry_username": "app"}
        registry.wire_for(Settings(registry_url=url, registry_password_file=tmp_path / "password", **settings))
    assert set(registry_.shown) == {f"Basic {b64encode(b'app:hush').decode()}"}


@pytest.fixture
def ours() -> Iterator[str]:
    with a_registry(Settings(registry_port=0, topic_prefix="eu.")) as address:
        yield address


def test_our_own_registry_gives_the_bundled_ids(ours: str) -> None:
    assert ids_at(ours, "eu.") == {(entry.name, entry.version): entry.id for entry in catalogue.entries()}


def test_a_read_only_registry_that_lacks_a_schema_refuses(ours: str) -> None:
    with pytest.raises(RegistryRefuses, match="READONLY"):
        ids_at(ours, "us.")


def test_an_empty_registry_gets_every_version_once_and_its_ids_are_used(small: tuple[SmallRegistry, str]) -> None:
    registry_, url = small
    ids = ids_at(url)
    assert set(ids) == EVERY_VERSION
    assert len(set(ids.values())) == len(ids)
    assert set(registry_.levels.values()) == {"BACKWARD_TRANSITIVE"}
    assert len(registry_.registered) == len(ids)
    wire = Wire(ids)
    assert wire.encode(NAME, CLOSED)[:5] == b"\x00" + ids[NAME, catalogue.newest(NAME).version].to_bytes(4, "big")


def test_a_second_start_registers_nothing_and_finds_the_same_ids(small: tuple[SmallRegistry, str]) -> None:
    registry_, url = small
    first = ids_at(url)
    before = list(registry_.registered)
    assert ids_at(url) == first
    assert registry_.registered == before


def test_settings_decide_where_the_ids_come_from(small: tuple[SmallRegistry, str]) -> None:
    registry_, url = small
    wire = registry.wire_for(Settings(registry_url=url, topic_prefix="eu."))
    assert wire.id_of(NAME) == 100_001 + [*dict.fromkeys(registry_.registered)].index(
        f"eu.entitlements.commands-{NAME}"
    )
    assert registry.wire_for(Settings()).id_of(NAME) == catalogue.newest(NAME).id


def test_what_was_written_before_the_registry_came_is_still_read(small: tuple[SmallRegistry, str]) -> None:
    before = Wire().encode(NAME, CLOSED)
    assert Wire(ids_at(small[1])).decode(before).name == NAME


def test_a_registry_that_keeps_its_own_compatibility_level_is_used_all_the_same(
    small: tuple[SmallRegistry, str],
) -> None:
    registry_, url = small
    registry_.refuse = lambda method, path: (403, {"error_code": 40301}) if path.startswith("/config") else None
    assert set(ids_at(url)) == EVERY_VERSION
    assert registry_.levels == {}


@pytest.mark.parametrize(("status", "code"), [(409, 409), (401, 40101), (422, 42205)])
def test_a_refused_registration_stops_the_start_and_says_why(
    small: tuple[SmallRegistry, str], status: int, code: int
) -> None:
    registry_, url = small
    registry_.refuse = lambda _, path: (
        (status, {"error_code": code, "message": "because"}) if path.endswith("/versions") else None
    )
    with pytest.raises(RegistryRefuses, match="because"):
        ids_at(url)


def test_a_registry_that_comes_back_is_waited_for(small: tuple[SmallRegistry, str]) -> None:
    registry_, url = small
    troubles = iter([503, 500, 429])
    registry_.refuse = lambda *_: (status, {}) if (status := next(troubles, None)) else None
    assert set(ids_at(url)) == EVERY_VERSION


def test_a_registry_that_is_away_is_named_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServerIsAway, match=f"127.0.0.1:{port}") as caught:
        ids_at(f"http://someone:secret@127.0.0.1:{port}", try_for=0.3)
    assert "secret" not in str(caught.value)


def test_confluents_own_client_takes_our_schemas_as_they_are() -> None:
    client = SchemaRegistryClient.new_client({"url": "mock://"})
    for entry in catalogue.entries():
        schema = Schema(catalogue.frozen_text(entry), "AVRO")
        subject = catalogue.subject_of(entry.name)
        schema_id = client.register_schema(subject, schema)
        assert client.lookup_schema(subject, schema).schema_id == schema_id
