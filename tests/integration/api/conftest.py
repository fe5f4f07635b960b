"""One installation for all tests of the API; each test has its own organizations, pools and customers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving import OPERATOR, Service, a_service

from entitlements import testing

QUOTA = {"resource_key": "api_calls", "rule_type": "quota", "amount": 100, "period": "lifetime", "stacking": "sum"}
STREAMS_MAX = 20
FEATURE = {"resource_key": "sso", "rule_type": "boolean", "stacking": "any"}


@pytest.fixture(scope="session")
def service(kafka: str, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("service")
    with (
        testing.a_database(postgres) as database,
        a_service(kafka, database, folder, api_streams_max=STREAMS_MAX) as running,
    ):
        with running.client(OPERATOR) as operator:
            for key, data_type in (("api_calls", "integer"), ("sso", "boolean"), ("seats", "integer")):
                body = {"resource_key": key, "name": key, "data_type": data_type}
                assert operator.post("/v1/commands/DefineResourceKey", json=body).is_success
            body = {"set_id": "free", "name": "Free", "ladder": "plans", "rung": 1, "rules": [QUOTA, FEATURE]}
            assert operator.post("/v1/commands/DefineEntitlementSet", json=body).is_success
        yield running


class Account:
    """An organization with one pool on the free plan, which one customer uses."""

    def __init__(self, service: Service, key: str = "") -> None:
        """key: with act_for for all, by which it is set up and asked about; none: one of its own."""
        name = secrets.token_hex(4)
        self.service = service
        self.organization_id, self.pool_id, self.customer_id = f"org-{name}", f"pool-{name}", f"ws-{name}"
        self.http = service.client_with(key, self.organization_id) if key else service.client(self.organization_id)
        self.command("OpenPool")
        self.command("ProvisionPool", provision_id="plan", source="subscription", set_id="free")
        token = self.command("AssignWorkspace", workspace_id=self.customer_id, role="primary")
        #: A position with all of it.
        self.token = token

    def command(self, name: str, **fields: object) -> str:
        """Send a command about the pool; its consistency token."""
        answer = self.http.post(f"/v1/commands/{name}", json={"pool_id": self.pool_id} | fields)
        assert answer.status_code == 200, answer.text
        return str(answer.headers["entitlements-consistency"])

    def key(self, *scopes: str, **more: object) -> str:
        """Have an API key made over HTTP; it counts at once."""
        made = self.http.post("/v1/keys", json={"scopes": scopes} | more)
        assert made.is_success, made.text
        headers = {"entitlements-consistency": made.headers["entitlements-consistency"]}
        assert self.http.get("/v1/keys", headers=headers).is_success
        return str(made.json()["key"])

    def check(self, key: str, token: str | None = None, **more: object) -> dict[str, object]:
        """Ask, with at least what a token stands for."""
        asked = {"customer_id": self.customer_id, "resource_key": key} | more
        headers = {"entitlements-consistency": token or self.token}
        answer = self.http.post("/v1/check", json=asked, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture
def account(service: Service) -> Iterator[Account]:
    found = Account(service)
    yield found
    found.http.close()


@pytest.fixture
def rival(service: Service) -> Iterator[Account]:
    found = Account(service)
    yield found
    found.http.close()
