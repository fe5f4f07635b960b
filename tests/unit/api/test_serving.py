"""Two installations never answer at one address: workers share their port with whoever shares it too."""

from __future__ import annotations

import logging
import socket

import pytest

from entitlements.api.serving import _in_our_words, claimed
from entitlements.errors import AddressIsTaken
from entitlements.local.folder import a_free_port

HOST = "127.0.0.1"


@pytest.fixture
def port() -> int:
    return a_free_port(except_for=set())


def test_an_address_has_one_owner_until_he_ends(port: int) -> None:
    with claimed(HOST, port):
        with pytest.raises(AddressIsTaken, match=f"{HOST}:{port}.*ENTITLEMENTS_API_PORT"), claimed(HOST, port):
            pass
        with claimed(HOST, a_free_port(except_for={port})):
            pass
    with claimed(HOST, port):
        pass


def test_who_owns_it_can_listen_there_with_many_workers(port: int) -> None:
    with claimed(HOST, port), socket.socket() as one, socket.socket() as another:
        for listener in (one, another):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((HOST, port))
            listener.listen()


def test_a_stranger_who_listens_there_is_told(port: int) -> None:
    with (
        socket.create_server((HOST, port)),
        pytest.raises(AddressIsTaken, match="Address already in use"),
        claimed(HOST, port),
    ):
        pass


def test_a_host_that_is_not_ours_is_no_address_to_listen_on() -> None:
    with pytest.raises(AddressIsTaken, match=r"192\.0\.2\.1"), claimed("192.0.2.1", 0):
        pass


def test_a_worker_that_ends_with_open_streams_is_no_warning() -> None:
    text = "Killing worker-2 after it refused to gracefully stop"
    record = logging.LogRecord("_granian", logging.WARNING, "", 0, text, None, None)
    assert _in_our_words(record)
    assert record.levelname == "INFO"
    assert record.getMessage() == (
        "Worker 2 closed the change streams and requests that were still open after 2 s; clients reconnect."
    )
