"""A worker believes what its views say of a customer's pools; a pool that has nothing to do with the customer says so, and is not the last word."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.serving import Service

from entitlements.domain.commands import AssignWorkspace, OpenPool, ProvisionPool, UnassignWorkspace
from entitlements.domain.values import Rule
from entitlements.ledger.caller import new_id

RULES = [Rule(resource_key="api_calls", rule_type="quota", amount=5, period="month", stacking="sum")]


def a_pool(service: Service) -> str:
    pool_id = f"pool-{new_id()}"
    service.do(
        OpenPool(command_id=new_id(), organization_id="acme", pool_id=pool_id),
        ProvisionPool(
            command_id=new_id(), pool_id=pool_id, provision_id="plan", source="subscription", set_id="pro", set_version=1, rules=RULES
        ),
    )  # fmt: skip
    return pool_id


def assigned(service: Service, pool_id: str, customer_id: str) -> None:
    service.do(AssignWorkspace(command_id=new_id(), pool_id=pool_id, workspace_id=customer_id, role="primary"))


@contextmanager
def standing_still(service: Service, process: str) -> Iterator[None]:
    pid = service.supervisor.pids()[process]
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_usage_of_a_customer_that_moved_goes_where_it_belongs_though_no_view_has_heard_of_it(service: Service) -> None:
    old, new, customer = a_pool(service), a_pool(service), f"ws-{new_id()}"
    assigned(service, old, customer)
    usage = {"customer_id": customer, "resource_key": "api_calls"}
    with service.client() as client:
        assert client.post("/v1/check", json=usage).json()["allowed"], "the worker has a view now"
        assert client.post("/v1/usage", json=usage).json()["pool_id"] == old
        with standing_still(service, "publisher"):
            service.do(UnassignWorkspace(command_id=new_id(), pool_id=old, workspace_id=customer))
            assigned(service, new, customer)
            # By the short way, by the ordinary one, and as a reservation.
            assert client.post("/v1/usage", json=usage).json()["pool_id"] == new
            named = {"idempotency-key": new_id(), "content-type": "application/json; charset=UTF-8"}
            assert client.post("/v1/usage", json=usage, headers=named).json()["pool_id"] == new
            reserved = client.post("/v1/reservations", json=usage | {"quantity": 1, "expires_in": 60})
            assert reserved.json()["pool_id"] == new, reserved.text


def test_a_refusal_by_pools_that_were_believed_is_not_the_last_word(service: Service) -> None:
    first, second, customer = a_pool(service), a_pool(service), f"ws-{new_id()}"
    assigned(service, first, customer)
    usage = {"customer_id": customer, "resource_key": "api_calls", "quantity": 5}
    with service.client() as client:
        assert client.post("/v1/check", json=usage).json()["allowed"], "the worker has a view now"
        assert client.post("/v1/usage", json=usage).is_success
        assert client.post("/v1/usage", json=usage).json()["code"] == "quota_exceeded"
        with standing_still(service, "publisher"):
            assigned(service, second, customer)
            assert client.post("/v1/usage", json=usage).json()["pool_id"] == second
            report = client.post("/v1/usage", json=usage | {"mode": "report"})
            assert report.is_success, report.text
