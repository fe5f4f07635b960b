"""Postgres is killed under the process that keeps the access log, and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from entitlements.access.log import keeper, tables
from entitlements.access.log.entries import ACCESS_DECIDED
from entitlements.ledger import clients
from entitlements.ledger.topics import create_topics
from entitlements.local import LocalPostgres
from entitlements.operations.health import NotReady, check_postgres
from entitlements.settings import Settings
from entitlements.wiring.processes import keep_running
from entitlements_projections.migrations import migrate
from entitlements_schemas import Wire


def eventually(holds: Callable[[], bool], within: float = 40.0) -> None:
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.05)


def decision() -> bytes:
    words = ("entitlement_type", "subject_id", "action", "request_id", "ip_address", "user_agent", "resource_type")
    record = dict.fromkeys((*words, "resource_id", "as_of"), "") | {
        "decision_id": uuid4().hex,
        "occurred_at": time.time_ns() // 1_000_000,
        "organization_id": "acme",
        "customer_id": "ws",
        "resource_key": "api_calls",
        "quantity": None,
        "result": "allowed",
        "reason": "allowed",
        "policy_version": 0,
        "lag_ms": None,
        "source": "LOCAL",
        "count": 1,
        "asked_by": "k",
        "asked_by_organization": "acme",
    }
    return Wire().encode_plain(ACCESS_DECIDED, record)


@pytest.mark.timeout(180)
def test_an_outage_of_postgres_costs_the_access_log_nothing(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    with LocalPostgres(tmp_path) as postgres:
        settings = Settings(
            kafka=kafka, postgres=postgres.url, topic_prefix=topic_prefix, partitions=1, session_timeout_for=1.0
        )
        create_topics(settings)
        migrate(settings.postgres)
        check_postgres(settings.postgres)
        producer = clients.producer(settings)

        def produce(count: int) -> None:
            for _ in range(count):
                producer.produce(settings.topic("access-log"), decision(), partition=0)
            assert producer.flush(30) == 0

        def kept() -> int:
            try:
                with closing(tables.open_tables(settings.postgres)) as connection:
                    return sum(tables.positions(connection).values())
            except psycopg.Error:
                return -1

        stopping = threading.Event()
        process = threading.Thread(target=keep_running, args=(keeper.run, settings, stopping))
        process.start()
        try:
            produce(50)
            eventually(lambda: kept() == 50)
            postgres.kill()
            with pytest.raises(NotReady):
                check_postgres(settings.postgres)
            produce(50)
            time.sleep(0.5)
            postgres.restart()
            produce(50)
            eventually(lambda: kept() == 150)
        finally:
            stopping.set()
            process.join(30)
        assert not process.is_alive()
        with closing(tables.open_tables(settings.postgres)) as connection:
            assert connection.execute("select count(*) from access_log").fetchone() == (150,)
