"""Twenty clients with leases on one quota: three are killed, their clocks go wrong, and the network cuts, delays and duplicates."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.faults.disturbing import BadNetwork
from tests.faults.drawing import draw_until_told
from tests.serving import OPERATOR, Service, a_service

from entitlements import testing
from entitlements_client import Client
from entitlements_client import Service as Address

CLIENTS = 20
KILLED = 3
LIMIT = 600
TERM = 8
#: Seconds under fire after three were killed and the network was cut off.
FIRE_FOR = 6.0

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.faults.drawing"])


@pytest.fixture(scope="module")
def installation(kafka: str, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with testing.a_database(postgres) as database, a_service(kafka, database, folder) as running:
        with Client(Address(running.url, running.key(OPERATOR))) as operator:
            operator.command(
                "DefineResourceKey", {"resource_key": "api_calls", "name": "Calls", "data_type": "integer"}
            )
            rule = {
                "resource_key": "api_calls",
                "rule_type": "quota",
                "amount": LIMIT,
                "period": "lifetime",
                "stacking": "sum",
            }
            operator.command("DefineEntitlementSet", {"set_id": "plan", "name": "Plan", "rules": [rule]})
        yield running


@dataclass
class Fire:
    handed_out: int
    handed_out_by_killed: int
    consumed: int
    reserved: int
    remaining: int
    highest: int
    cuts: int
    duplicates: int
    client: Client
    pool_id: str


def set_up(installation: Service, organization_id: str) -> Client:
    client = Client(Address(installation.url, installation.key(organization_id)))
    pool = {"pool_id": f"pool-{organization_id}"}
    client.command("OpenPool", pool)
    client.command("ProvisionPool", pool | {"provision_id": "plan", "source": "subscription", "set_id": "plan"})
    token = client.command("AssignWorkspace", pool | {"workspace_id": "ws", "role": "primary"})["consistency_token"]
    client.entitlements("ws", consistency=token)
    return client


def standing(client: Client) -> dict[str, Any]:
    return dict(client.entitlement("ws", "api_calls")["entitlement"])


def burn(installation: Service, folder: Path, terms: dict[str, Any]) -> Fire:
    organization_id = testing.unique_prefix().strip(".")
    client = set_up(installation, organization_id)
    network = BadNetwork(installation.settings.api_port)
    address = Address(network.url, installation.key(organization_id))
    outs = [folder / f"taken-{number}" for number in range(CLIENTS)]
    highest = 0
    clients = [
        _processes.Process(target=draw_until_told, args=(number, address, terms, str(outs[number])), daemon=True)
        for number in range(CLIENTS)
    ]
    for each in clients:
        each.start()
    try:
        until = time.monotonic() + 20
        while sum(out.exists() and out.stat().st_size > 0 for out in outs) < CLIENTS - 2:
            assert time.monotonic() < until, (
                f"the clients did not begin: {[o.stat().st_size if o.exists() else None for o in outs]}"
            )
            time.sleep(0.05)
        for each in clients[:KILLED]:
            each.kill()
        with network.cut_off():
            time.sleep(1.0)
        until = time.monotonic() + FIRE_FOR
        while time.monotonic() < until:
            found = standing(client)
            highest = max(highest, found["consumed"] + found["reserved"])
            time.sleep(0.1)
        for each in clients[KILLED:]:
            each.terminate()
        for each in clients:
            each.join(20)
            assert not each.is_alive(), "a client did not end"
    finally:
        for each in clients:
            each.kill()
        network.close()
    sizes = [out.stat().st_size if out.exists() else 0 for out in outs]
    until = time.monotonic() + TERM + 5
    while (found := standing(client))["reserved"] and time.monotonic() < until:
        time.sleep(0.1)
    return Fire(
        handed_out=sum(sizes),
        handed_out_by_killed=sum(sizes[:KILLED]),
        consumed=found["consumed"],
        reserved=found["reserved"],
        remaining=found["remaining"],
        highest=highest,
        cuts=network.cuts,
        duplicates=network.duplicates,
        client=client,
        pool_id=f"pool-{organization_id}",
    )


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "way", ["a journal settles what killed clients had drawn", "every unit is counted before it is handed out"]
)
def test_consumption_never_exceeds_the_limit_and_what_is_unused_is_free_again(
    installation: Service, tmp_path: Path, way: str
) -> None:
    terms: dict[str, Any] = {"quantity": 25, "term": TERM, "margin": 2.0, "settle_every": 0.3}
    terms |= {"folder": str(tmp_path / "journals")} if way.startswith("a journal") else {"unsettled_max": 0}
    fire = burn(installation, tmp_path, terms)
    assert fire.cuts > 5
    assert fire.duplicates > 5
    assert fire.handed_out > LIMIT / 2, "nearly nothing was asked for: nothing was tested"
    assert fire.handed_out_by_killed > 0
    assert fire.handed_out <= fire.consumed <= LIMIT
    assert fire.highest <= LIMIT
    # A killed client had drawn at most the unit under way, or had counted what a taker waited for.
    assert fire.consumed - fire.handed_out <= KILLED + (CLIENTS if "unsettled_max" in terms else 0)
    assert (fire.reserved, fire.remaining) == (0, LIMIT - fire.consumed)
    if fire.remaining:
        line = {"pool_id": fire.pool_id, "resource_key": "api_calls", "quantity": fire.remaining}
        fire.client.record_usage(line)  # type: ignore[arg-type]
    fire.client.close()
