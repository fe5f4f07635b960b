"""The ports an installation keeps: in its folder, for itself alone."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from entitlements.local.errors import FolderIsInUse, PortIsTaken
from entitlements.local.folder import HOST, a_free_port
from entitlements.local.ports import Claim
from entitlements.settings import Settings
from entitlements.wiring.installation import installation_in

ANY = Settings(api_port=0, registry_port=0)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ENTITLEMENTS_")]:
        monkeypatch.delenv(name)


def test_it_keeps_its_ports_and_its_id(tmp_path: Path) -> None:
    with installation_in(tmp_path, ANY) as first:
        pass
    with installation_in(tmp_path, Settings()) as second:
        assert (second.api_port, second.registry_port) == (first.api_port, first.registry_port)
        assert second.installation == first.installation != ""


def test_two_at_once_never_have_the_same(tmp_path: Path) -> None:
    with ExitStack() as stack:
        found = [stack.enter_context(installation_in(tmp_path / str(n), Settings())) for n in range(3)]
    assert len({port for each in found for port in (each.api_port, each.registry_port)}) == 6
    assert len({each.installation for each in found}) == 3


def test_the_port_it_began_with_is_not_left_for_another_one(tmp_path: Path) -> None:
    with installation_in(tmp_path, ANY) as first:
        pass
    with (
        socket.create_server((HOST, first.api_port)),
        pytest.raises(
            PortIsTaken, match=rf"port {first.api_port}, which \S+ \(process {os.getpid()}\) uses.*--api-port"
        ),
        installation_in(tmp_path, Settings()),
    ):
        pass
    with installation_in(tmp_path, Settings()) as again:
        assert again.api_port == first.api_port


def test_a_chosen_port_that_is_taken_is_an_error_and_one_that_is_free_is_kept_from_then_on(tmp_path: Path) -> None:
    chosen = a_free_port(except_for=set())
    wanted = Settings(api_port=chosen, registry_port=0)
    with (
        socket.create_server((HOST, chosen)),
        pytest.raises(PortIsTaken, match=str(chosen)),
        installation_in(tmp_path, wanted),
    ):
        pass
    with installation_in(tmp_path, wanted):
        pass
    with installation_in(tmp_path, Settings()) as again:
        assert again.api_port == chosen


def test_a_folder_has_one_installation_at_a_time(tmp_path: Path) -> None:
    with installation_in(tmp_path, ANY), pytest.raises(FolderIsInUse), installation_in(tmp_path, ANY):
        pass


def test_a_shared_claim_keeps_strangers_out_and_lets_our_workers_in() -> None:
    port = a_free_port(except_for=set())
    claim = Claim.of(HOST, port, shared=True)
    assert claim is not None
    assert Claim.of(HOST, port) is None
    with pytest.raises(OSError, match="in use"):
        socket.create_server((HOST, port))
    with socket.socket() as one, socket.socket() as another:
        for worker in (one, another):
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind((HOST, port))
            worker.listen()
        socket.create_connection((HOST, port)).close()  # Nothing goes to the claim, which does not listen.
    claim.give_back()
    socket.create_server((HOST, port)).close()
