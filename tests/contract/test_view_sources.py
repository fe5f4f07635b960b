"""What every source of views keeps to: Postgres itself, replicas, Valkey, memory, and all of them one before the other."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from psycopg_pool import ConnectionPool

from entitlements.access.caching import shared
from entitlements.access.caching.documents import facts_of
from entitlements.access.caching.floors import Concerned, Floors
from entitlements.access.caching.in_process import InProcess
from entitlements.access.caching.replicated import Replicated
from entitlements.access.sources import ViewSource
from entitlements.access.views import PostgresViews
from entitlements.domain import commands as asks
from entitlements.local.postgres import LocalPostgres, LocalReplica
from entitlements.local.valkey import LocalValkey
from entitlements_projections.database import configure, connect
from entitlements_projections.errors import NotReachedYet
from entitlements_projections.migrations import migrate
from entitlements_projections.replicas import Replicas
from entitlements_projections.testing import FEATURE, SyntheticLedger, rules_of, write

KINDS = ("plain", "in process", "valkey", "replicated", "all together")
ORGANIZATIONS = ("acme", "umbrella")


@dataclass(kw_only=True)
class Servers:
    """A primary with a ledger that is projected into it, a replica and a Valkey."""

    primary: str
    replica: str
    valkey: str
    watched: Replicas
    sources: dict[str, ViewSource]
    ledger: SyntheticLedger = field(default_factory=SyntheticLedger)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def happens(self, *commands: asks.Command) -> dict[int, int]:
        """Decide commands and project what follows; the positions of their frames."""
        frames = self.ledger.ask(int(time.time() * 1000), *commands)
        with closing(connect(self.primary)) as connection:
            write(connection, frames)
        return {frame.partition: frame.offset for frame in frames}

    def has_a_pool(self, organization_id: str, customer_id: str, amount: int) -> tuple[str, dict[int, int]]:
        """A new pool with a feature and so many calls a day, used by a customer."""
        pool_id = f"pool-{next(self.numbers)}"
        reached = self.happens(
            asks.OpenPool(command_id="o", pool_id=pool_id, organization_id=organization_id, billing_account_id="b"),
            asks.ProvisionPool(
                command_id="p", pool_id=pool_id, provision_id="plan", source="subscription", set_id="pro", set_version=1,
                ladder="plans", rung=1, rules=rules_of(amount),
            ),
            asks.AssignWorkspace(command_id="a", pool_id=pool_id, workspace_id=customer_id, role="primary"),
        )  # fmt: skip
        return pool_id, reached

    def loses_its_plan(self, pool_id: str) -> dict[int, int]:
        return self.happens(asks.EndProvision(command_id="e", pool_id=pool_id, provision_id="plan", when="now"))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        primary = stack.enter_context(LocalPostgres(folder / "primary", fast=True, replicated=True))
        migrate(primary.url)
        replica = stack.enter_context(LocalReplica(folder / "replica", primary.url, fast=True))
        valkey = stack.enter_context(LocalValkey(folder / "valkey"))
        watched = stack.enter_context(Replicas(primary.url, [replica.url], lag_max_for=1.0))

        def views_at(url: str) -> ViewSource:
            pool = stack.enter_context(
                ConnectionPool(url, kwargs={"autocommit": True}, configure=configure, min_size=1)
            )
            return PostgresViews(pool.connection, wait_for=0.3)

        sources = {url: views_at(url) for url in (primary.url, replica.url)}
        yield Servers(
            primary=primary.url, replica=replica.url, valkey=valkey.url, watched=watched, sources=sources
        )  # fmt: skip


@dataclass(kw_only=True)
class Case:
    """A source under test, and what it knows of the log."""

    source: ViewSource
    floors: Floors
    servers: Servers

    def is_told(self, reached: dict[int, int], customer_id: str, organization_id: str = "acme") -> None:
        for partition, offset in reached.items():
            self.floors.rise(partition, offset, Concerned(customers=frozenset({(organization_id, customer_id)})))

    def view(self, customer_id: str, organization_id: str = "acme", at_least: Any = None) -> Any:
        return json.loads(self.source.load(organization_id, [customer_id], at_least)[customer_id])

    def has_the_feature(self, customer_id: str, organization_id: str = "acme") -> bool:
        entry = self.view(customer_id, organization_id)["entitlements"].get(FEATURE)
        return entry is not None and entry["allowed"]


def in_memory(source: ViewSource, floors: Floors) -> InProcess:
    return InProcess(source, ttl_for=60, size=1000, floors=floors)


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Case]:
    floors = Floors()
    floors.known_at(time.monotonic() + 3600)
    plain = servers.sources[servers.primary]
    replicas = {servers.replica: servers.sources[servers.replica]}
    with ExitStack() as stack:
        valkey = stack.enter_context(closing(shared.connect(servers.valkey, within_for=1)))
        # Each test finds a Valkey without anything of the others.
        prefix = f"{next(servers.numbers)}:"

        def in_valkey(source: ViewSource) -> ViewSource:
            return shared.Shared(source, valkey, ttl_for=60, floors=floors, prefix=prefix)

        def replicated() -> ViewSource:
            return Replicated(plain, replicas, servers.watched, floors=floors)

        made: dict[str, Callable[[], ViewSource]] = {
            "plain": lambda: plain,
            "in process": lambda: in_memory(plain, floors),
            "valkey": lambda: in_valkey(plain),
            "replicated": replicated,
            "all together": lambda: in_memory(in_valkey(replicated()), floors),
        }
        yield Case(source=made[request.param](), floors=floors, servers=servers)


@pytest.fixture
def customer(servers: Servers) -> str:
    return f"customer-{next(servers.numbers)}"


def test_every_customer_that_is_asked_for_is_answered_and_no_other(case: Case, customer: str) -> None:
    _, reached = case.servers.has_a_pool("acme", customer, 5)
    case.is_told(reached, customer)
    asked = [customer, "nobody", customer]
    for _ in range(2):
        found = case.source.load("acme", asked)
        assert set(found) == {customer, "nobody"}
        assert json.loads(found["nobody"])["entitlements"] == {}
        assert all(json.loads(document)["customer_id"] == name for name, document in found.items())
    assert case.source.load("acme", []) == {}


def test_customers_of_one_name_in_two_organizations_are_two(case: Case, customer: str) -> None:
    for organization, amount in zip(ORGANIZATIONS, (5, 7), strict=True):
        _, reached = case.servers.has_a_pool(organization, customer, amount)
        case.is_told(reached, customer, organization)
    for _ in range(2):
        for organization, amount in zip(ORGANIZATIONS, (5, 7), strict=True):
            view = case.view(customer, organization)
            assert view["organization_id"] == organization
            assert view["entitlements"]["api_calls"]["limit"] == amount
    assert case.view(customer, "a third")["entitlements"] == {}


def test_what_is_known_to_be_revoked_is_not_had(case: Case, customer: str) -> None:
    pool_id, reached = case.servers.has_a_pool("acme", customer, 5)
    case.is_told(reached, customer)
    assert case.has_the_feature(customer)
    case.is_told(case.servers.loses_its_plan(pool_id), customer)
    assert not case.has_the_feature(customer)
    assert not case.has_the_feature(customer)


def test_a_position_that_is_asked_for_is_included(case: Case, customer: str) -> None:
    pool_id, reached = case.servers.has_a_pool("acme", customer, 5)
    assert case.view(customer, at_least=reached)["entitlements"][FEATURE]["allowed"]
    case.view(customer)
    reached = case.servers.loses_its_plan(pool_id)
    view = case.view(customer, at_least=reached)
    assert not view["entitlements"].get(FEATURE, {"allowed": False})["allowed"]
    position = facts_of(json.dumps(view).encode()).position
    assert all(position[partition] >= offset for partition, offset in reached.items())


def test_a_position_that_is_not_reached_is_refused_and_nothing_is_kept_of_it(case: Case, customer: str) -> None:
    _, reached = case.servers.has_a_pool("acme", customer, 5)
    case.is_told(reached, customer)
    with pytest.raises(NotReachedYet):
        case.view(customer, at_least={0: 10_000_000})
    assert case.has_the_feature(customer)


def test_many_at_once_hear_the_same(case: Case, customer: str) -> None:
    _, reached = case.servers.has_a_pool("acme", customer, 5)
    case.is_told(reached, customer)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: case.view(customer)["entitlements"], range(40)))
    assert all(each == found[0] for each in found)


def test_a_thousand_customers_are_one_question(case: Case) -> None:
    names = [f"stranger-{number}" for number in range(1000)]
    began = time.monotonic()
    assert set(case.source.load("acme", names)) == set(names)
    assert time.monotonic() - began < 10


def test_the_suite_covers_what_was_started(servers: Servers) -> None:
    """The replica does answer, so that its cases were about it."""
    until = time.monotonic() + 10
    while not servers.watched.fresh():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert servers.watched.fresh() == [servers.replica]
    assert json.loads(servers.sources[servers.replica].load("acme", ["x"])["x"])["customer_id"] == "x"
