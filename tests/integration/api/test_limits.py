"""What an API with narrow limits does with connections that are silent or slow, and with more than it takes."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from tests.integration.api.conftest import Account
from tests.serving import Service

from entitlements.local.folder import a_free_port
from entitlements.wiring import addresses, readiness
from entitlements.wiring.supervisor import Supervisor

IDLE_FOR = 0.5
STREAMS_TOTAL_MAX = 2
#: Closed in a moment, on a machine that is busy; without a limit they stay for ever.
CLOSED_WITHIN_FOR = 15.0
HEAD = "POST /v1/check HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\ncontent-length: 100\r\n\r\n"


@pytest.fixture(scope="module")
def narrow(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Another API of the same installation."""
    update = {
        "api_port": a_free_port(except_for=set()),
        "api_idle_for": IDLE_FOR,
        "api_streams_total_max": STREAMS_TOTAL_MAX,
    }
    settings = service.settings.model_copy(update=update)
    folder: Path = tmp_path_factory.mktemp("narrow")
    with Supervisor(("api",), addresses.environment_of(settings), folder) as supervisor:
        readiness.wait_until_at_work(settings, ("api",), 60.0)
        yield Service(settings, supervisor, service.caller, service._keys)


def answered_until_closed(service: Service, sent: bytes) -> bytes:
    """What comes back over a connection until the service closes it. Raises TimeoutError: it does not."""
    with socket.create_connection((service.settings.api_host, service.settings.api_port)) as connection:
        connection.settimeout(CLOSED_WITHIN_FOR)
        if sent:
            connection.sendall(sent)
        found = b""
        while part := connection.recv(65_536):
            found += part
        return found


@pytest.mark.parametrize("sent", [b"", b"P", b"GET /healthz HTTP/1.1\r\nhost: t"])
def test_a_connection_that_asks_nothing_is_closed(narrow: Service, sent: bytes) -> None:
    assert answered_until_closed(narrow, sent) == b""


def test_a_connection_that_asks_nothing_more_is_closed(narrow: Service) -> None:
    assert answered_until_closed(narrow, b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_body_that_does_not_come_is_not_waited_for(narrow: Service, account: Account) -> None:
    key = narrow.key(account.organization_id)
    answer = answered_until_closed(narrow, HEAD.format(key=key).encode() + b"{")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"request_timeout"' in answer.replace(b": ", b":")


def test_a_stranger_keeps_no_connection(narrow: Service) -> None:
    began = time.monotonic()
    assert answered_until_closed(narrow, HEAD.format(key="none").encode()).startswith(b"HTTP/1.1 401")
    assert time.monotonic() - began < CLOSED_WITHIN_FOR


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux can")
def test_answers_that_nobody_reads_are_given_up(narrow: Service) -> None:
    """So many of them that the kernel keeps the rest from being sent."""
    asked = b"GET /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n" * 200
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect((narrow.settings.api_host, narrow.settings.api_port))
        connection.sendall(asked)
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
            poke(connection)


def poke(connection: socket.socket) -> None:
    """Say something now and then: whoever is silent is not told that it is over."""
    until = time.monotonic() + CLOSED_WITHIN_FOR
    while time.monotonic() < until:
        connection.send(b"x")
        time.sleep(0.1)


def test_a_stream_lives_on_where_silence_ends(narrow: Service, account: Account) -> None:
    """It is silent for longer than a connection may be; what happens then still arrives."""
    with (
        narrow.client(account.organization_id) as client,
        client.stream("GET", "/v1/changes") as stream,
    ):
        lines = stream.iter_lines()
        assert "event: hello" in (next(lines), next(lines))
        time.sleep(3 * IDLE_FOR)  # Silence is what is tried here.
        account.command("SetOverride", override_id="o", resource_key="sso", allowed=False, reason="r", actor="a")
        assert next(line for line in lines if line == "event: change")


def test_streams_are_bounded_in_all_and_refused_ones_closed(narrow: Service, account: Account, rival: Account) -> None:
    with ExitStack() as stack:
        clients = [narrow.client(each.organization_id) for each in (account, rival)]
        for client in clients:
            stream = stack.enter_context(stack.enter_context(client).stream("GET", "/v1/changes"))
            assert stream.status_code == 200
        refused = clients[0].get("/v1/changes")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        assert refused.headers["connection"] == "close"
        assert clients[0].post("/v1/check", json={"customer_id": "c", "resource_key": "sso"}).status_code == 200
    until = time.monotonic() + CLOSED_WITHIN_FOR
    with narrow.client(account.organization_id) as client:
        while time.monotonic() < until:  # Those that are over count no more.
            with client.stream("GET", "/v1/changes") as again:
                if again.status_code == 200:
                    return
            time.sleep(0.05)
    raise AssertionError("a stream that is over still counts")


def test_bodies_that_are_no_batch_are_small(narrow: Service, account: Account) -> None:
    with narrow.client(account.organization_id) as client:
        for path, size in (("/v1/check", 257 * 1024), ("/v1/keys", 2 * 1024 * 1024 + 1)):
            answer = client.post(path, content=b" " * size, headers={"content-type": "application/json"})
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        events = client.post(
            "/v1/events",
            content=b" " * (3 * 1024 * 1024),
            headers={"content-type": "application/cloudevents-batch+json"},
        )
        assert events.json()["code"] == "invalid_json"


def test_a_context_that_is_too_large_decides_nothing(account: Account) -> None:
    for context in ({"metadata": {"l": ["x"] * 1_001}}, {"customer": {"t": "x" * 2_049}}):
        decided = account.check("sso", context=context)
        assert (decided["allowed"], decided["reason_code"]) == (False, "context_too_large")
    assert account.check("sso")["allowed"] is True


def test_a_key_makes_none_that_lives_longer_or_asks_faster(service: Service, account: Account) -> None:
    own = account.key("administer", "read", expires_at="2100-01-01T00:00:00Z", requests_per_s=10)
    within = {"expires_at": "2099-12-31T00:00:00Z", "requests_per_s": 10}
    greater = (
        {"requests_per_s": 10},
        {"expires_at": "2100-01-01T00:00:01Z", "requests_per_s": 10},
        {"expires_at": "2099-12-31T00:00:00Z"},
        within | {"requests_per_s": 11},
    )
    digest = "0" * 64
    with service.client_with(own) as client:
        for more in greater:
            for answer in (
                client.post("/v1/keys", json={"scopes": ["read"]} | more),
                client.post(
                    "/v1/commands/CreateApiKey",
                    json={"key_id": "k1234567", "secret_sha256": digest, "scopes": ["read"]} | more,
                ),
            ):
                assert (answer.status_code, answer.json()["code"]) == (403, "exceeds_own_key"), answer.text
        assert client.post("/v1/keys", json={"scopes": ["use"]} | within).json()["code"] == "insufficient_scope"
        assert client.post("/v1/keys", json={"scopes": ["read"]} | within).is_success


def test_a_key_without_bounds_makes_keys_without_bounds_up_to_the_default_rate(account: Account) -> None:
    assert account.key("read")
    refused = account.http.post("/v1/keys", json={"scopes": ["read"], "requests_per_s": 1_000_000})
    assert refused.json()["code"] == "exceeds_own_key"


def test_the_narrow_api_answers_as_the_other_does(narrow: Service, account: Account) -> None:
    with httpx.Client(base_url=narrow.url) as client:
        assert client.get("/healthz").status_code == 200
    with narrow.client(account.organization_id) as client:
        asked = {"customer_id": account.customer_id, "resource_key": "sso"}
        headers = {"entitlements-consistency": account.token}
        assert client.post("/v1/check", json=asked, headers=headers).json()["allowed"] is True
