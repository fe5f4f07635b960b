"""Policies on a real engine, Kafka and Postgres: what follows from sets, campaigns and units reaches the pools."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from entitlements import examples as ask
from entitlements import examples_of_governance as governs
from entitlements import testing
from entitlements.domain.commands import Command
from entitlements.ledger.caller import Caller, new_id
from entitlements.ledger.topics import create_topics
from entitlements.reconciler.running import Rounds
from entitlements.settings import Settings
from entitlements.wiring import addresses
from entitlements.wiring.supervisor import Supervisor
from entitlements_projections import reading
from entitlements_projections.database import Connection, connect
from entitlements_projections.migrations import migrate

pytestmark = pytest.mark.timeout(120)

Do = Callable[..., None]
QUOTA = ask.quota("api_calls", 100)


@pytest.fixture(scope="module")
def settings(kafka: str, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An engine and a projector at work."""
    with testing.a_database(postgres) as database:
        settings = Settings(kafka=kafka, postgres=database, topic_prefix=testing.unique_prefix(), partitions=2)
        create_topics(settings)
        migrate(database)
        logs = tmp_path_factory.mktemp("logs")
        with Supervisor(("engine", "projector"), addresses.environment_of(settings), Path(logs)):
            yield settings


@pytest.fixture(scope="module")
def caller(settings: Settings) -> Iterator[Caller]:
    with Caller(settings) as caller:
        yield caller


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    with closing(connect(settings.postgres)) as connection:
        yield connection


@pytest.fixture
def do(caller: Caller, connection: Connection) -> Do:
    """Send commands, see them accepted and shown by the read models."""

    def do(*commands: Command) -> None:
        for outcome in caller.call_all([replace(command, command_id=new_id()) for command in commands]):
            assert outcome.is_accepted, outcome
            reading.wait_for(connection, outcome.partition, outcome.frame_offset, 20)

    return do


@pytest.fixture
def rounds(caller: Caller, connection: Connection) -> Rounds:
    """Pages of three, so that there are several."""
    return Rounds(connection, caller, page=3)


def go(rounds: Rounds) -> int:
    return rounds.go(threading.Event())


def pools(name: str, count: int) -> list[str]:
    return [f"{name}-{number}" for number in range(count)]


def assignments(connection: Connection, workspace_id: str) -> list[tuple[str, str]]:
    return [
        (row["pool_id"], row["role"])
        for row in reading.pools_of_workspace(connection, governs.ORGANIZATION, workspace_id)
    ]


def limit_of(connection: Connection, pool_id: str) -> Any:
    rows = reading.entitlements_of_pools(connection, [pool_id], ask.NOON)
    return next((row["effective_limit"] for row in rows), None)


def test_those_that_follow_are_revised_once_and_those_that_pin_stay(
    do: Do, rounds: Rounds, connection: Connection
) -> None:
    names = pools("follower", 8)
    do(ask.define_entitlement_set("plan", QUOTA, ladder=None, rung=None))
    for name in names:
        do(ask.open_pool(pool_id=name), ask.provision_pool("s", QUOTA, pool_id=name, set_id="plan", follows=True))
    do(ask.open_pool(pool_id="pinned"), ask.provision_pool("s", QUOTA, pool_id="pinned", set_id="plan"))
    do(ask.define_entitlement_set("plan", replace(QUOTA, amount=250), ladder=None, rung=None))
    (before,) = reading.progress_of_revisions(connection, "plan")
    assert (before["set_version"], before["following"], before["done"], before["pinned"]) == (2, 8, 0, 1)

    assert go(rounds) == 8
    assert go(rounds) == 0, "nothing is behind any more"
    (after,) = reading.progress_of_revisions(connection, "plan")
    assert (after["following"], after["done"], after["pinned"]) == (8, 8, 1)
    assert [limit_of(connection, name) for name in names] == [250] * 8
    assert limit_of(connection, "pinned") == 100


def test_a_pool_that_refuses_is_left_alone_for_a_while_and_holds_nobody_up(
    do: Do, rounds: Rounds, connection: Connection
) -> None:
    """The new version confers seats as a quota; one pool has seats as a limit."""
    names = pools("stubborn", 4)
    do(ask.define_entitlement_set("other-plan", QUOTA, ladder=None, rung=None))
    for name in names:
        facts: dict[str, Any] = {"pool_id": name, "set_id": "other-plan", "follows": True}
        do(ask.open_pool(pool_id=name), ask.provision_pool("s", QUOTA, **facts))
    do(ask.provision_pool("seats", ask.limit("seats"), pool_id=names[1], source="purchase", set_id="seats"))
    do(ask.define_entitlement_set("other-plan", QUOTA, ask.quota("seats", 5), ladder=None, rung=None))
    assert go(rounds) == 3
    assert go(rounds) == 0
    (row,) = reading.progress_of_revisions(connection, "other-plan")
    assert (row["following"], row["done"]) == (4, 3)


def test_a_campaign_is_conferred_changed_and_taken_back(do: Do, rounds: Rounds, connection: Connection) -> None:
    names, now = pools("fan", 5), datetime.now(UTC).replace(microsecond=0)
    do(*[ask.open_pool(pool_id=name) for name in names])
    window = {"starts_at": now - timedelta(hours=1), "ends_at": now + timedelta(days=9)}
    do(governs.define_campaign(campaign_id="spring", **window))
    do(governs.change_campaign_pools([*names, "no-such-pool"], campaign_id="spring"))
    assert go(rounds) == 0, "it is not active"
    do(governs.activate_campaign(campaign_id="spring"))
    assert go(rounds) == 5
    assert [limit_of(connection, name) for name in names] == [50] * 5

    do(governs.change_campaign_pools([], remove=[names[0]], campaign_id="spring"))
    assert go(rounds) == 1
    do(governs.deactivate_campaign(campaign_id="spring"), governs.activate_campaign(campaign_id="spring"))
    assert go(rounds) == 8, "four grants are replaced"
    (row,) = [row for row in reading.progress_of_campaigns(connection) if row["campaign_id"] == "spring"]
    assert (row["activation"], row["pools"], row["conferred"], row["left_over"]) == (2, 5, 4, 0)
    do(governs.deactivate_campaign(campaign_id="spring"))
    assert go(rounds) == 4
    assert [limit_of(connection, name) for name in names] == [None] * 5
    assert go(rounds) == 0


def test_a_pool_that_comes_back_into_a_campaign_gets_it_again(do: Do, rounds: Rounds, connection: Connection) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    do(ask.open_pool(pool_id="returning"))
    do(governs.define_campaign(campaign_id="again", starts_at=now, ends_at=now + timedelta(days=9)))
    do(
        governs.change_campaign_pools(["returning"], campaign_id="again"),
        governs.activate_campaign(campaign_id="again"),
    )
    assert go(rounds) == 1
    do(governs.change_campaign_pools([], remove=["returning"], campaign_id="again"))
    assert (go(rounds), limit_of(connection, "returning")) == (1, None)
    do(governs.change_campaign_pools(["returning"], campaign_id="again"))
    assert (go(rounds), limit_of(connection, "returning")) == (1, 50)
    # What somebody gives by hand under such a name is nobody's but theirs, and history that is brought in is left alone.
    do(ask.issue_grant("again#77", QUOTA, pool_id="returning"))
    do(ask.open_pool(pool_id="history", backfill_from=ask.NOON))
    do(governs.change_campaign_pools(["history"], campaign_id="again"))
    assert go(rounds) == 0


def test_an_organization_assigns_its_own_pools_only(do: Do, rounds: Rounds, connection: Connection) -> None:
    do(ask.open_pool(pool_id="of-others", organization_id="others"))
    do(governs.define_unit("greedy"), governs.assign_unit("greedy", "of-others"))
    do(governs.place_workspace("ws-greedy", "greedy"))
    assert go(rounds) == 0
    assert assignments(connection, "ws-greedy") == []


def test_workspaces_use_what_their_units_are_assigned(do: Do, rounds: Rounds, connection: Connection) -> None:
    theirs = {"organization_id": governs.ORGANIZATION}
    do(*[ask.open_pool(pool_id=name, **theirs) for name in ("pool-sales", "pool-labs", "pool-all")])
    do(governs.define_unit("acme"), governs.define_unit("sales", "acme"), governs.define_unit("labs", "acme"))
    do(governs.assign_unit("acme", "pool-all", role="secondary"))
    do(governs.assign_unit("sales", "pool-sales"), governs.assign_unit("labs", "pool-labs"))
    do(governs.place_workspace("ws-a", "sales"), governs.place_workspace("ws-b", "labs"))
    assert go(rounds) == 4
    assert assignments(connection, "ws-a") == [("pool-sales", "primary"), ("pool-all", "secondary")]

    do(governs.place_workspace("ws-a", "labs"))
    assert go(rounds) == 2
    assert assignments(connection, "ws-a") == [("pool-labs", "primary"), ("pool-all", "secondary")]

    do(governs.unassign_unit("labs", "pool-labs"))
    assert go(rounds) == 2
    assert assignments(connection, "ws-b") == [("pool-all", "secondary")]
    # Somebody assigns it by hand afterwards: that is nobody's but theirs.
    do(ask.assign_workspace("ws-b", pool_id="pool-labs"))
    assert go(rounds) == 0
    assert assignments(connection, "ws-b") == [("pool-labs", "primary"), ("pool-all", "secondary")]


def test_the_read_models_know_the_highest_role_of_a_member(do: Do, connection: Connection) -> None:
    do(governs.define_unit("top"), governs.define_unit("middle", "top"), governs.define_unit("bottom", "middle"))
    do(governs.place_workspace("ws-r", "bottom"))
    do(governs.set_member_role("ann", unit_id="top", role="admin"))
    do(governs.set_member_role("ann", workspace_id="ws-r", role="viewer"))
    do(governs.set_member_role("bob", workspace_id="ws-r", role="editor"))
    assert reading.role_of_member(connection, governs.ORGANIZATION, "ws-r", "ann") == "admin"
    assert reading.role_of_member(connection, governs.ORGANIZATION, "ws-r", "bob") == "editor"
    assert reading.role_of_member(connection, governs.ORGANIZATION, "ws-r", "eve") == ""
    # Another organization has a workspace of this id, and another ann and eve in it.
    others = {"organization_id": "others"}
    do(
        governs.define_unit("top", **others),
        governs.set_member_role("eve", workspace_id="ws-r", role="admin", **others),
    )
    assert reading.role_of_member(connection, governs.ORGANIZATION, "ws-r", "eve") == ""
    assert reading.role_of_member(connection, "others", "ws-r", "eve") == "admin"
    assert reading.role_of_member(connection, "others", "ws-r", "ann") == ""
    do(governs.set_member_role("ann", unit_id="top", role=""))
    assert reading.role_of_member(connection, governs.ORGANIZATION, "ws-r", "ann") == "viewer"
