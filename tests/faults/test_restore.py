"""Restoring a copy of Kafka's files (docs/backup.md): everything but the access log of more than 90 days comes from there."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from tests.faults import driving
from tests.faults.driving import eventually, line, open_pool, provision, quota, use

from entitlements.ledger.caller import Caller
from entitlements.local import LocalKafka
from entitlements.settings import Settings
from entitlements_projections.migrations import migrate

CONSUMED = "select consumed from entitlements.numeric_entitlement_usage where pool_id = 'p0'"


@pytest.fixture
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of a stopped broker, on which 85 of 100 calls were used."""
    folder = tmp_path_factory.mktemp("brokers")
    with LocalKafka(folder / "first", fast=True) as broker:
        settings = driving.settings_for(broker.bootstrap, "entitlements.")
        with driving.engine(settings), Caller(settings) as caller:
            for command in (open_pool("p0"), provision("p0", quota(100)), use("p0", line(85, usage_id="u-1"))):
                assert caller.call(command).status == "accepted"
    shutil.copytree(folder / "first/data", folder / "second/data")
    shutil.rmtree(folder / "first")
    yield folder / "second"
    shutil.rmtree(folder)


def consumed(database: str) -> int | None:
    with psycopg.connect(database) as connection:
        row = connection.execute(CONSUMED).fetchone()
    return None if row is None else row[0]


def test_a_copy_of_the_broker_is_a_whole_installation(copy: Path, database: str) -> None:
    migrate(database)  # The read models are empty: they were lost, or dropped as the page says.
    with LocalKafka(copy, fast=True) as broker:
        settings: Settings = driving.settings_for(broker.bootstrap, "entitlements.", postgres=database)
        with driving.engine(settings), driving.projector(settings), Caller(settings) as caller:
            assert eventually(partial(consumed, database)) == 85
            assert caller.call(use("p0", line(85, usage_id="u-1"))).status == "accepted"  # A repeat: it counts once.
            assert caller.call(use("p0", line(16))).status == "refused"
            assert caller.call(use("p0", line(15))).status == "accepted"
            assert eventually(lambda: consumed(database) == 100)
