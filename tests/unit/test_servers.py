"""What is said, and tried, when a local server ends by itself: above all when the disk is full."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from entitlements.errors import ServerIsAway
from entitlements.kafka.reaching import Broker, require_kafka
from entitlements.local import LocalKafka, LocalPostgres, LocalServerError
from entitlements.settings import Settings
from entitlements.wiring import servers
from entitlements.wiring.servers import FREE_BYTES_MIN, _Nurse


class Disk(NamedTuple):
    free: int


class Server:
    """One that ended. It starts again unless told not to."""

    name, log = "Kafka", Path("server.log")

    def __init__(self, folder: Path) -> None:
        self.folder, self.is_running, self.attempts, self.comes_back = folder, False, 0, True

    def restart(self) -> None:
        self.attempts += 1
        if not self.comes_back:
            raise LocalServerError("first line\nsecond line")
        self.is_running = True


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


@pytest.fixture
def nurse(server: Any) -> _Nurse:
    return _Nurse([server])


def test_a_full_disk_says_itself_once_and_nothing_is_started_until_there_is_room(
    server: Server, nurse: _Nurse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(servers.shutil, "disk_usage", lambda _: Disk(1024))
    for _ in range(5):
        nurse.look()
    assert (server.attempts, len(caplog.records)) == (0, 1)
    assert (
        caplog.records[0].getMessage().startswith(f"disk_is_full: {server.folder} has 0 MiB free, Kafka has stopped.")
    )
    monkeypatch.setattr(servers.shutil, "disk_usage", lambda _: Disk(FREE_BYTES_MIN))
    nurse.look()
    assert server.is_running
    assert [record.getMessage() for record in caplog.records[1:]] == ["Kafka is running again."]


def test_one_that_does_not_come_back_is_told_of_once_in_one_line(
    server: Server, nurse: _Nurse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    server.comes_back, now = False, 0.0
    monkeypatch.setattr(servers.time, "monotonic", lambda: now)
    for _ in range(60):
        now += 0.5
        nurse.look()
    assert 4 <= server.attempts <= 10, "it is tried less and less often"
    assert len(caplog.records) == 2
    assert "first line" in caplog.records[1].getMessage()
    assert "second line" not in caplog.text


@pytest.mark.parametrize(
    ("name", "address"), [("KAFKA", "127.0.0.1:1"), ("POSTGRES", "postgresql://u:hunter2@127.0.0.1:1/x")]
)
def test_a_named_server_that_is_away_is_told_before_a_local_one_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    for other in ("KAFKA", "POSTGRES"):
        monkeypatch.delenv(f"ENTITLEMENTS_{other}", raising=False)
    monkeypatch.setenv(f"ENTITLEMENTS_{name}", address)
    for server in (LocalKafka, LocalPostgres):
        monkeypatch.setattr(server, "launch", lambda _: pytest.fail("started"))
    with pytest.raises(ServerIsAway, match="Connection refused") as error, servers.servers_in(tmp_path):
        pass
    assert "hunter2" not in str(error.value)


def test_no_error_about_kafka_repeats_a_password() -> None:
    away = Settings().model_copy(update={"kafka": "user:hunter2@127.0.0.1:1,b:hun,ter2@[::1]:2"})
    with pytest.raises(ServerIsAway, match="Connection refused") as error:
        require_kafka(away)
    assert "ter2" not in str(error.value)
    broker, said = Broker(away), list[str]()
    for _ in range(8):  # Of several errors the last that was heard is told: each of them in turn.
        with pytest.raises(ServerIsAway) as heard:
            broker.topics(0.1)
        said.append(str(heard.value))
    assert not [text for text in said if "hun" in text or "ter2" in text]
