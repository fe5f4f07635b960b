"""What a process says when it cannot begin: at once, one line, what to do. It goes on when that is done, and ends when told to."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from entitlements.local import LocalKafka
from entitlements.local.folder import a_free_port
from entitlements.settings import Settings
from entitlements.wiring import addresses, preparing, readiness
from entitlements.wiring.processes import PROCESSES
from entitlements.wiring.waiting import NEEDS

#: Seconds.
SAID_WITHIN_FOR = 2.0
STOPPED_WITHIN_FOR = 3.0
STARTED_WITHIN_FOR = 30.0


class Running:
    """A process, and what it has said."""

    def __init__(self, name: str, settings: Settings, folder: Path) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        variables = addresses.environment_of(settings)
        command = [sys.executable, "-m", "entitlements.wiring", name]
        self.started_at = time.time()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env={"PATH": "", **variables}, stderr=log, stdout=log)

    @property
    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def line(self, words: str) -> str:
        """The first line with these words."""
        deadline = time.monotonic() + STARTED_WITHIN_FOR
        while time.monotonic() < deadline:
            if found := [line for line in self.lines if re.search(words, line)]:
                return found[0]
            time.sleep(0.05)
        raise AssertionError((self.name, words, self.lines))

    def begins(self) -> None:
        """Wait for a second line, or three seconds: eight interpreters that start at once wait for processors, not for servers."""
        deadline = time.monotonic() + 3.0
        while len(self.lines) < 2 and time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.05)

    def says_at_once(self, words: str) -> None:
        """Within two seconds of its first line; on a machine that has much else to do, in twice what it took to get that far."""
        began, said = instant(self.line("Starting: ")), instant(self.line(words))
        assert said - began < max(SAID_WITHIN_FOR, 2 * (began - self.started_at)), self.lines


def instant(line: str) -> float:
    """The seconds of the field `at`."""
    return datetime.fromisoformat(line.split(maxsplit=1)[0].removeprefix("at=")).timestamp()


@contextmanager
def running(settings: Settings, folder: Path, *names: str) -> Iterator[dict[str, Running]]:
    started: dict[str, Running] = {}
    try:
        for name in names:
            started[name] = Running(name, settings, folder)
            started[name].begins()
        yield started
    finally:
        for each in started.values():
            each.process.kill()
            each.process.wait()


def interrupt(started: dict[str, Running]) -> None:
    """Ctrl-C: each says that it stopped, in time, and that it did is its status."""
    for each in started.values():
        each.process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + STOPPED_WITHIN_FOR
    for each in started.values():
        status = each.process.wait(max(0.1, deadline - time.monotonic()))
        assert (status, 'message="Stopped.' in each.lines[-1]) == (0, True), (each.name, status, each.lines)


def test_without_servers_every_process_says_so_and_stops_when_told(tmp_path: Path) -> None:
    port = a_free_port(except_for=set())
    settings = Settings(kafka="127.0.0.1:9", postgres="postgresql://u:secret@127.0.0.1:9/x", api_port=port)
    with running(settings, tmp_path, *[name for name in PROCESSES if NEEDS[name]]) as started:
        for name, each in started.items():
            each.says_at_once(
                "Waiting for Kafka at 127.0.0.1:9: Connection refused. .*ENTITLEMENTS_KAFKA.*server_is_away"
            )
            if "Postgres" in NEEDS[name]:
                each.says_at_once("Waiting for Postgres at 127.0.0.1:9/x: Connection refused. .*ENTITLEMENTS_POSTGRES")
            assert "secret" not in each.log.read_text()
        interrupt(started)


def test_what_is_missing_is_waited_for_and_work_begins_when_it_is_there(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    port, registry_port = a_free_port(except_for=set()), a_free_port(except_for=set())
    settings = Settings(
        kafka=kafka, postgres=database, topic_prefix=topic_prefix, partitions=2, api_port=port, registry_port=registry_port
    )  # fmt: skip
    with running(settings, tmp_path, *PROCESSES) as started:
        for name, each in started.items():
            if NEEDS[name]:
                each.says_at_once("Waiting for topics: .*Run `entitlements topics`.*topics_are_missing")
            if NEEDS[name].get("Postgres"):
                each.says_at_once("Waiting for tables: .*Run `entitlements migrate`.*tables_are_missing")
        preparing.prepare(settings)
        readiness.wait_until_at_work(settings, PROCESSES, 60.0)
        interrupt(started)


def test_with_a_broker_that_does_not_answer_any_more_they_stop_in_time_too(
    database: str, topic_prefix: str, tmp_path: Path
) -> None:
    with LocalKafka(tmp_path / "kafka") as broker:
        settings = Settings(
            kafka=broker.bootstrap, postgres=database, topic_prefix=topic_prefix, partitions=1, api_port=a_free_port(except_for=set())
        )  # fmt: skip
        preparing.prepare(settings)
        names = [name for name in PROCESSES if NEEDS[name]]
        with running(settings, tmp_path, *names) as started:
            readiness.wait_until_at_work(settings, names, 60.0)
            broker.kill()
            interrupt(started)


def test_tables_of_an_older_version_are_named(kafka: str, database: str, topic_prefix: str, tmp_path: Path) -> None:
    settings = Settings(kafka=kafka, postgres=database, topic_prefix=topic_prefix, partitions=1)
    preparing.prepare(settings)
    with psycopg.connect(database) as connection:
        connection.execute(
            "delete from entitlements.schema_migrations where name = (select max(name) from entitlements.schema_migrations)"
        )
    with running(settings, tmp_path, "projector") as started:
        started["projector"].says_at_once(
            r"Waiting for tables: read models in .+ need the migrations \w+\. Run `entitlements migrate`"
        )


def test_what_will_never_fit_ends_the_process(kafka: str, database: str, topic_prefix: str, tmp_path: Path) -> None:
    settings = Settings(kafka=kafka, postgres=database, topic_prefix=topic_prefix, partitions=1)
    preparing.prepare_topics(settings)
    with running(settings.model_copy(update={"partitions": 2}), tmp_path, "engine") as started:
        assert started["engine"].process.wait(STARTED_WITHIN_FOR) == 1
        assert re.search(
            "topic_differs.*has 1 partitions, but ENTITLEMENTS_PARTITIONS is 2", started["engine"].lines[-1]
        )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("partitions", "many"),
        ("kafka_properties", "no json"),
        ("kafka_properties", '{"no.such.property": "1"}'),
        ("kafka_sasl_mechanism", "PLAIN"),
        ("log", "loud"),
        ("log_format", "xml"),
    ],
)
def test_a_setting_that_cannot_be_right_is_one_line_and_status_2(variable: str, value: str) -> None:
    done = ended("engine", {addresses.variable(variable): value})
    assert done.returncode == 2, done.stderr
    assert "setting_is_wrong" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def ended(name: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A process that cannot begin, when it has ended."""
    command = [sys.executable, "-m", "entitlements.wiring", name]
    return subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=STARTED_WITHIN_FOR, check=False
    )


@pytest.mark.parametrize("name", ["api", "registry"])
def test_a_host_that_is_none_is_a_wrong_setting_that_is_named(name: str) -> None:
    done = ended(name, {f"ENTITLEMENTS_{name.upper()}_HOST": "nohost.invalid"})
    assert done.returncode == 2, done.stderr
    assert re.search(
        rf'setting_is_wrong: .*ENTITLEMENTS_{name.upper()}_HOST: must be an address of this machine, not \\"nohost.invalid',
        done.stderr.splitlines()[-1],
    )


def test_errors_of_a_start_and_what_nothing_reads_are_json_lines_too() -> None:
    done = ended("engine", {"ENTITLEMENTS_LOG_FORMAT": "json", "ENTITLEMENTS_API_PORT": "99999"})
    last = json.loads(done.stderr.splitlines()[-1])
    assert (last["code"], done.returncode) == ("setting_is_wrong", 2)
    assert "ENTITLEMENTS_API_PORT" in last["message"]

    variables = {
        "ENTITLEMENTS_LOG_FORMAT": "json",
        "ENTITLEMENTS_PARTITION": "6",
        "ENTITLEMENTS_KAFKA_PROPERTIES": "{}",
    }
    done = ended("access-log", variables | {"OTEL_TRACES_EXPORTER": "none-such"})
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    warned = [line["message"] for line in lines if line["level"] == "warning"]
    assert warned == ["Unknown setting ENTITLEMENTS_PARTITION has no effect; did you mean ENTITLEMENTS_PARTITIONS?"]


def test_tls_to_a_broker_without_it_is_named_while_it_is_waited_for(kafka: str, tmp_path: Path) -> None:
    with running(Settings(kafka=kafka, kafka_security_protocol="SSL"), tmp_path, "engine") as started:
        started["engine"].line("Waiting for Kafka at .*does it speak TLS\\? See ENTITLEMENTS_KAFKA_SECURITY_PROTOCOL")
