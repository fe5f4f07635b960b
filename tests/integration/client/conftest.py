"""One installation for all tests of the client; each test has an organization, a pool and a customer of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serving import OPERATOR, Service, a_service

from entitlements import testing
from entitlements_client import Client
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


class Tenant:
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


@pytest.fixture
def tenant(installation: Service) -> Iterator[Tenant]:
    found = Tenant(installation)
    yield found
    found.client.close()
