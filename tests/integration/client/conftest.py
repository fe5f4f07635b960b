"""One installation for all tests of the client; each test has an organization, a pool and a customer of its own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.transaction_context import ContextVarsTransactionContextPropagator
from pytest_bdd.exceptions import StepDefinitionNotFoundError
from tests.openfeature_scenarios import suite
from tests.openfeature_scenarios.world import World
from tests.serving import OPERATOR, Service, a_service

from entitlements import testing
from entitlements_client import Client, Entitlements
from entitlements_client import Service as Address

QUOTA = {"resource_key": "api_calls", "rule_type": "quota", "amount": 100, "period": "lifetime", "stacking": "sum"}
FEATURE = {"resource_key": "sso", "rule_type": "boolean", "stacking": "any"}


@pytest.fixture(scope="session")
def installation(kafka: str, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("service")
    with testing.a_database(postgres) as database, a_service(kafka, database, folder) as running:
        with Client(Address(running.url, running.key(OPERATOR))) as operator:
            for key, data_type in (("api_calls", "integer"), ("sso", "boolean"), ("export", "boolean")):
                operator.command("DefineResourceKey", {"resource_key": key, "name": key, "data_type": data_type})
            operator.command(
                "DefineEntitlementSet",
                {"set_id": "free", "name": "Free", "ladder": "plans", "rung": 1, "rules": [QUOTA, FEATURE]},
            )
            operator.command(
                "DefineEntitlementSet",
                {"set_id": "extra", "name": "Extra", "rules": [FEATURE | {"resource_key": "export"}]},
            )
        yield running


class Account:
    """An organization with one pool on the free plan, which one customer uses."""

    def __init__(self, installation: Service) -> None:
        name = secrets.token_hex(4)
        self.organization_id, self.pool_id, self.customer_id = f"org-{name}", f"pool-{name}", f"ws-{name}"
        self.address = Address(installation.url, installation.key(self.organization_id))
        self.client = Client(self.address)
        self.command("OpenPool")
        self.command("ProvisionPool", provision_id="plan", source="subscription", set_id="free")
        #: A position with all of it.
        self.token = self.command("AssignWorkspace", workspace_id=self.customer_id, role="primary")
        self.client.entitlements(self.customer_id, consistency=self.token)

    def command(self, name: str, **fields: Any) -> str:
        """Send a command about the pool; its consistency token."""
        return str(self.client.command(name, {"pool_id": self.pool_id} | fields)["consistency_token"])

    def left(self, token: str = "") -> dict[str, Any]:
        """The quota as the service knows it."""
        found = self.client.entitlement(self.customer_id, "api_calls", consistency=token)
        return dict(found["entitlement"])


@pytest.fixture(scope="session")
def flags(installation: Service) -> Iterator[Account]:
    """The customer of OpenFeature's scenarios, with the flags that they name."""
    with Client(Address(installation.url, installation.key(OPERATOR))) as operator:
        for keys, data_type in ((suite.FEATURE_KEYS, "boolean"), (suite.NUMBERS + suite.ZEROS, "integer")):
            for key in keys:
                operator.command("DefineResourceKey", {"resource_key": key, "name": key, "data_type": data_type})
        operator.command("DefineEntitlementSet", {"set_id": "openfeature", "name": "Flags", "rules": suite.RULES})
    found = Account(installation)
    policy = {name: suite.TARGETING[name] for name in ("policy_id", "name", "effect")}
    document = json.dumps(suite.TARGETING, sort_keys=True, separators=(",", ":"))
    found.client.command(
        "DefineAccessPolicy", {"organization_id": found.organization_id, "document": document, **policy}
    )
    found.token = found.command("ProvisionPool", provision_id="flags", source="subscription", set_id="openfeature")
    found.client.entitlements(found.customer_id, consistency=found.token)
    yield found
    found.client.close()


# --- OpenFeature's scenarios ---


@pytest.fixture(params=suite.WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def entitlements(flags: Any) -> Iterator[dict[str, Entitlements]]:
    made = {name: Entitlements(flags.address, way) for name, way in suite.WAYS.items()}
    try:
        local, cached = made["Local"], made["Cached"]
        assert local.wait_until_connected()
        suite.eventually(lambda: local.check(flags.customer_id, "boolean-flag").source == "LOCAL")
        suite.eventually(lambda: cached.check(flags.customer_id, "boolean-flag").source == "CACHED")
        yield made
    finally:
        for each in made.values():
            each.close()


@pytest.fixture
def world(way: str, flags: Any) -> Iterator[World]:
    api.set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
    api.set_evaluation_context(EvaluationContext(flags.customer_id, {}))
    yield World(suite.WORDS[way])
    api.set_transaction_context(EvaluationContext())
    api.shutdown()


_SCENARIO = pytest.StashKey[tuple[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    for tag in ("booleans", "strings", "numbers", "objects", "hooks", "transaction"):
        config.addinivalue_line("markers", f"{tag}: of OpenFeature's examples")


def pytest_bdd_apply_tag() -> bool:
    """Tags of the files are no markers of ours."""
    return True


def pytest_bdd_before_scenario(request: pytest.FixtureRequest, feature: Any, scenario: Any) -> None:
    request.node.stash[_SCENARIO] = (Path(feature.filename).stem, scenario.name)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """A scenario that tests/openfeature_scenarios/README.md lists as not applicable has to fail; the others have to pass."""
    try:
        result = yield
    except (AssertionError, StepDefinitionNotFoundError):
        if _listed(pyfuncitem):
            return True
        raise
    if found := _listed(pyfuncitem):
        pytest.fail(f"It applies: strike it off tests/openfeature_scenarios/README.md. {found}")
    return result


def _listed(item: pytest.Function) -> list[suite.NotApplicable]:
    if _SCENARIO not in item.stash:
        return []
    given = item.callspec.params
    case = (*item.stash[_SCENARIO], given.get("_pytest_bdd_example", {}), given["way"])
    return [each for each in suite.NOT_APPLICABLE if each.covers(*case)]


@pytest.fixture
def account(installation: Service) -> Iterator[Account]:
    found = Account(installation)
    yield found
    found.client.close()
