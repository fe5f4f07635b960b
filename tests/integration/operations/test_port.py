"""The port for operators: on real servers, without them, and with some that hang."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from entitlements.ledger import clients
from entitlements.ledger.topics import create_topics
from entitlements.local.folder import a_free_port
from entitlements.operations.lag import ProjectionLag
from entitlements.operations.port import NoPortIsFree, operations_port
from entitlements.settings import Settings
from entitlements.wiring import addresses
from entitlements_projections.migrations import migrate


def get(port: int | None, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ready(port: int | None) -> tuple[int, dict[str, Any]]:
    status, body = get(port, "/readyz")
    return status, json.loads(body)


def eventually_ready(port: int | None, within: float = 20.0) -> dict[str, Any]:
    until = time.monotonic() + within
    while True:
        status, document = ready(port)
        if status == 200:
            return document
        assert time.monotonic() < until, document
        time.sleep(0.1)


@pytest.fixture
def settings(kafka: str, database: str, topic_prefix: str) -> Settings:
    settings = Settings(kafka=kafka, postgres=database, topic_prefix=topic_prefix, partitions=3, operations_port=0)
    create_topics(settings)
    return settings


def test_a_process_whose_servers_answer_is_ready_and_says_what_it_looked_at(settings: Settings) -> None:
    migrate(settings.postgres)
    with operations_port(settings, "projector") as port:
        document = eventually_ready(port)
        assert set(document["checks"]) == {"kafka", "postgres", "projection_lag"}
        assert set(document["checks"]["kafka"]) == {"ok", "took_seconds"}
        assert document["checks"]["projection_lag"].pop("took_seconds") < 1
        assert document["checks"]["projection_lag"] == {"ok": True, "lag_seconds": 0.0}
        assert get(port, "/healthz") == (200, '{"status": "alive", "process": "projector"}')
        status, text = get(port, "/metrics")
        assert status == 200
        assert 'entitlements_projection_lag_seconds{partition="2"} 0.0' in text
        assert "process_resident_memory_bytes" in text
        assert get(port, "/elsewhere")[0] == 404


def test_tables_that_are_missing_are_a_reason_of_their_own(settings: Settings) -> None:
    with operations_port(settings, "reconciler") as port:
        status, document = ready(port)
    assert status == 503
    assert document["checks"]["postgres"] == {"ok": False, "reason": "The tables are missing."}
    assert document["checks"]["kafka"]["ok"]


def test_read_models_that_nobody_writes_fall_behind_and_the_process_is_not_ready(settings: Settings) -> None:
    migrate(settings.postgres)
    hurried = settings.model_copy(update={"ready_lag_for_max": 1.0})
    with operations_port(hurried, "projector") as port:
        eventually_ready(port)
        producer = clients.producer(settings)
        producer.produce(settings.topic("ledger"), b"anything", partition=1)
        producer.flush(10)
        until = time.monotonic() + 15
        while ready(port)[0] == 200 and time.monotonic() < until:
            time.sleep(0.1)
        status, document = ready(port)
    assert status == 503
    assert re.fullmatch(
        r"The read models are \d+ s behind the ledger; the maximum is 1 s\.",
        document["checks"]["projection_lag"]["reason"],
    )


def test_read_models_that_nobody_has_filled_yet_are_not_ready(settings: Settings) -> None:
    migrate(settings.postgres)
    producer = clients.producer(settings)
    for _ in range(11):
        producer.produce(settings.topic("ledger"), b"anything", partition=1)
    producer.flush(10)
    with operations_port(settings, "api") as port:
        until = time.monotonic() + 15
        while "unknown" in str(ready(port)[1]) and time.monotonic() < until:
            time.sleep(0.1)
        status, document = ready(port)
    assert status == 503
    reason = document["checks"]["projection_lag"]["reason"]
    assert reason == "The read models have 0 of 11 frames of partition 1."


@pytest.fixture
def silent() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        yield server.getsockname()[1]


def test_servers_that_hang_are_told_in_bounded_time_and_tell_nobody_where_they_are(silent: int) -> None:
    hanging = Settings(
        kafka=f"127.0.0.1:{silent}", postgres=f"postgresql://alice:secret@127.0.0.1:{silent}/x", operations_port=0
    )
    with operations_port(hanging, "reconciler") as port:
        for _ in range(2):
            began = time.monotonic()
            status, document = ready(port)
            assert time.monotonic() - began < 4
            assert status == 503
            assert {check["ok"] for check in document["checks"].values()} == {False}
            time.sleep(1.1)
        assert get(port, "/healthz")[0] == 200
    assert not re.search(rf"secret|alice|{silent}|127\.0", json.dumps(document))


def test_many_who_ask_at_once_cost_one_look(settings: Settings) -> None:
    migrate(settings.postgres)
    with operations_port(settings, "reconciler") as port:
        answers: list[int] = []
        threads = [threading.Thread(target=lambda: answers.append(ready(port)[0])) for _ in range(40)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 40
        assert time.monotonic() - began < 5


def test_processes_with_the_same_setting_take_the_next_port_that_is_free(settings: Settings) -> None:
    first = a_free_port(except_for=set())
    same = settings.model_copy(update={"operations_port": first})
    with operations_port(same, "registry") as one, operations_port(same, "registry") as two:
        assert one == first
        assert two is not None
        assert one < two
        assert get(one, "/readyz")[0] == get(two, "/readyz")[0] == 200


def test_a_port_that_cannot_be_had_is_an_error_with_a_name(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"operations_port": 65_535, "operations_host": "192.0.2.1"})
    with pytest.raises(NoPortIsFree), operations_port(elsewhere, "registry"):
        pass


def test_without_the_setting_there_is_no_port(settings: Settings) -> None:
    with operations_port(settings.model_copy(update={"operations_port": None}), "engine") as port:
        assert port is None


def test_nobody_knows_a_lag_while_postgres_is_away(settings: Settings) -> None:
    with closing(ProjectionLag(settings.model_copy(update={"postgres": "postgresql://127.0.0.1:1/x"}))) as lag:
        time.sleep(0.3)
        assert lag.seconds is None


def test_a_real_process_serves_its_port_and_ends_with_it(settings: Settings) -> None:
    first = a_free_port(except_for=set())
    variables = addresses.environment_of(settings.model_copy(update={"operations_port": first}))
    process = subprocess.Popen(
        [sys.executable, "-m", "entitlements.wiring", "engine"],
        env=os.environ | variables | {"ENTITLEMENTS_LOG_FORMAT": "json"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        port = next(
            int(found[1])
            for line in process.stderr
            if (found := re.search(r"on port (\d+)", json.loads(line)["message"]))
        )
        assert eventually_ready(port)["process"] == "engine"
        until = time.monotonic() + 20
        while "entitlements_engine_partitions 3.0" not in get(port, "/metrics")[1]:
            assert time.monotonic() < until
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=20)[1]
    assert process.returncode == 0
    assert [json.loads(line)["message"] for line in said.splitlines()][-1] == "Stopped."
