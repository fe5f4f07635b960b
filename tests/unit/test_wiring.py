"""Where addresses come from, and what a supervisor does with processes that end."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from entitlements.errors import SettingIsWrong
from entitlements.operations.logs import OneLine
from entitlements.settings import Settings
from entitlements.wiring import addresses
from entitlements.wiring.environment import settings_of_the_environment, unknown_variables
from entitlements.wiring.supervisor import Supervisor

RUNNING = Settings(kafka="k:1", postgres="postgresql://p/1", topic_prefix="mine.", partitions=3)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ENTITLEMENTS_")]:
        monkeypatch.delenv(name)


def test_a_second_terminal_finds_what_runs_in_the_folder(tmp_path: Path) -> None:
    addresses.write(tmp_path, RUNNING, processes={"engine": 17})
    found = addresses.settings_at(tmp_path)
    assert (found.kafka, found.postgres, found.topic_prefix, found.partitions) == (
        "k:1",
        "postgresql://p/1",
        "mine.",
        3,
    )
    addresses.remove(tmp_path)
    assert addresses.settings_at(tmp_path) == Settings()


def test_an_address_in_the_environment_wins_with_all_that_belongs_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses.write(tmp_path, RUNNING)
    monkeypatch.setenv("ENTITLEMENTS_KAFKA", "other:2")
    found = addresses.settings_at(tmp_path)
    assert (found.kafka, found.topic_prefix, found.partitions) == ("other:2", "", Settings().partitions)
    assert found.postgres == "postgresql://p/1"


def test_a_broken_file_of_addresses_is_named(tmp_path: Path) -> None:
    (tmp_path / "addresses.json").write_text("{")
    with pytest.raises(addresses.AddressesAreUnreadable, match=r"addresses\.json"):
        addresses.settings_at(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("api_port", "99999", "65535"),
        ("registry_port", "-1", "0"),
        ("operations_port", "65536", "65535"),
        ("kafka", "", "must be host:port, without http://"),
        ("kafka", "http://broker:9092", "must be host:port, without http://"),
        ("kafka", "a:1,b:99999", "must be host:port"),
        ("oidc_issuer", "nourl", "must be a URL such as https://"),
        ("oidc_jwks_url", "ftp://x", "must be a URL such as https://"),
        ("registry_url", "foo", "must be a URL such as https://"),
        ("api_connections_max", "20", "at least twice api_streams_total_max"),
    ],
)
def test_a_value_that_cannot_be_right_is_named_with_its_setting(
    field: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(addresses.variable(field), value)
    with pytest.raises(SettingIsWrong) as error:
        settings_of_the_environment()
    assert said in str(error.value)
    assert addresses.variable(field) in str(error.value) or field in str(error.value)


def test_addresses_as_they_are_written_are_taken() -> None:
    for kafka in ("broker", "broker-1.example:9092, 10.0.0.7:9093", "[::1]:9092"):
        assert Settings(kafka=kafka).kafka == kafka
    assert Settings(registry_url="http://user:secret@registry:8081/apis/ccompat/v7", oidc_issuer="").oidc_issuer is None


def test_variables_that_nothing_reads_are_named() -> None:
    known = addresses.environment_of(RUNNING)
    assert unknown_variables(known | {"ENTITLEMENTS_LOG": "debug", "ENTITLEMENTS_URL": "x", "PATH": ""}) == []
    assert unknown_variables({"ENTITLEMENTS_PARTITION": "6", "ENTITLEMENTS_XYZ": ""}) == [
        "Unknown setting ENTITLEMENTS_PARTITION has no effect; did you mean ENTITLEMENTS_PARTITIONS?",
        "Unknown setting ENTITLEMENTS_XYZ has no effect.",
    ]


def test_settings_survive_the_way_into_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in addresses.environment_of(RUNNING).items():
        monkeypatch.setenv(name, value)
    assert Settings() == RUNNING


def test_a_log_message_is_one_line_even_with_an_exception() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        record = logging.LogRecord("n", logging.ERROR, "", 1, 'said "so"\nand so', None, (type(error), error, None))
    line = OneLine("engine").format(record)
    assert "\n" not in line
    assert 'process=engine logger=n message="said \\"so\\"\\nand so" error="ValueError: first\\nsecond"' in line


def test_a_process_that_ends_is_started_again_and_nothing_is_left_at_the_end(tmp_path: Path) -> None:
    seen: list[tuple[str, int | None]] = []
    # No such process: it ends at once, with its usage.
    supervisor = Supervisor(["nothing"], {}, tmp_path, lambda program: seen.append((program.name, program.last_exit)))
    with supervisor:
        deadline = time.monotonic() + 20
        while supervisor.programs[0].restarts < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
    assert supervisor.programs[0].restarts >= 2
    assert ("nothing", 1) in seen
    assert "usage:" in (tmp_path / "nothing.log").read_text()
    pid = supervisor.programs[0].pid
    if pid is not None:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
