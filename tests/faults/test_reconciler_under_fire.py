"""A policy killed in the midst of its work goes on where things stand, and does nothing twice."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from entitlements import examples as ask
from entitlements.domain.commands import Command
from entitlements.ledger.caller import Caller, new_id
from entitlements.ledger.topics import create_topics
from entitlements.settings import Settings
from entitlements.wiring import addresses
from entitlements.wiring.supervisor import Supervisor
from entitlements_projections import reading
from entitlements_projections.database import Connection, connect
from entitlements_projections.migrations import migrate

pytestmark = pytest.mark.timeout(180)

POOLS = 4_000
DONE_WITHIN_FOR = 90.0
QUOTA = ask.quota("api_calls", 100)


def test_a_revision_of_thousands_of_pools_survives_kills_of_the_policy(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    settings = Settings(kafka=kafka, postgres=database, topic_prefix=topic_prefix, partitions=2)
    create_topics(settings)
    migrate(database)
    variables = addresses.environment_of(settings)
    with (
        Supervisor(("engine", "projector"), variables, tmp_path / "logs"),
        Caller(settings) as caller,
        closing(connect(database)) as connection,
    ):
        _ask(caller, connection, [ask.define_entitlement_set("plan", QUOTA)])
        names = [f"pool-{number}" for number in range(POOLS)]
        _ask(caller, connection, [ask.open_pool(pool_id=name) for name in names])
        facts = {"set_id": "plan", "follows": True}
        _ask(caller, connection, [ask.provision_pool("s", QUOTA, pool_id=name, **facts) for name in names])
        _ask(caller, connection, [ask.define_entitlement_set("plan", replace(QUOTA, amount=250))])

        kills = 0
        with Supervisor(("reconciler",), variables, tmp_path / "logs") as supervisor:
            deadline, seen = time.monotonic() + DONE_WITHIN_FOR, 0
            while (done := _done(connection)) < POOLS:
                assert time.monotonic() < deadline, f"{done} of {POOLS} after {kills} kills"
                process = supervisor.programs[0].process
                if done > seen and kills < 3 and process is not None:
                    process.kill()
                    kills, seen = kills + 1, done
                time.sleep(0.01)
        assert kills == 3, "it was killed while something was left to do"
        # Opened, scheduled, started, stacked, revised, stacked anew: one event each, whatever was sent how often.
        versions = connection.execute("select version, count(*) from resource_pools group by version").fetchall()
        assert versions == [(6, POOLS)]
        limits = connection.execute("select distinct effective_limit from numeric_entitlements").fetchall()
        assert limits == [(250,)]


def _done(connection: Connection) -> int:
    (row,) = reading.progress_of_revisions(connection, "plan")
    return int(row["done"])


def _ask(caller: Caller, connection: Connection, commands: list[Command]) -> None:
    for outcome in caller.call_all([replace(command, command_id=new_id()) for command in commands]):
        assert outcome.is_accepted, outcome
        last = outcome
    reading.wait_for(connection, last.partition, last.frame_offset, 60)
