"""A worker believes what its views say of a customer's pools; a pool that has nothing to do with the customer says so, and is not the last word."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from tests.serving import Service
from tests.standing_still import standing_still

from entitlements.access.caching.floors import Floors
from entitlements.access.caching.invalidations import Invalidations
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


def pid_of(service: Service, process: str) -> int:
    pid = service.supervisor.pids()[process]
    assert pid is not None
    return pid


@pytest.mark.parametrize("is_checked", [False, True])
def test_usage_of_a_customer_that_moved_goes_where_it_belongs_though_no_view_has_heard_of_it(
    service: Service, *, is_checked: bool
) -> None:
    old, new, customer = a_pool(service), a_pool(service), f"ws-{new_id()}"
    assigned(service, old, customer)
    usage = {"customer_id": customer, "resource_key": "api_calls"}
    with service.client() as client:
        if is_checked:
            assert client.post("/v1/check", json=usage).json()["allowed"], "the worker has a view now"
        assert client.post("/v1/usage", json=usage).json()["pool_id"] == old
        with standing_still(pid_of(service, "publisher")):
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
        with standing_still(pid_of(service, "publisher")):
            assigned(service, second, customer)
            assert client.post("/v1/usage", json=usage).json()["pool_id"] == second
            report = client.post("/v1/usage", json=usage | {"mode": "report"})
            assert report.is_success, report.text


@pytest.mark.parametrize("path", ["/v1/usage", "/v1/reservations"])
def test_what_nobody_waits_for_goes_where_it_belongs_for_nobody_would_hear_of_a_refusal(
    service: Service, path: str
) -> None:
    old, new, customer = a_pool(service), a_pool(service), f"ws-{new_id()}"
    assigned(service, old, customer)
    usage = {"customer_id": customer, "resource_key": "api_calls", "quantity": 2}
    usage |= {"expires_in": 600} if path == "/v1/reservations" else {}
    with service.client() as client:
        assert client.post(path, json=usage).json()["pool_id"] == old
        with standing_still(pid_of(service, "publisher")):
            service.do(UnassignWorkspace(command_id=new_id(), pool_id=old, workspace_id=customer))
            assigned(service, new, customer)
            assert client.post(path, json=usage, headers={"prefer": "respond-async"}).status_code == 202
            too_much = {"pool_id": new, "resource_key": "api_calls", "quantity": 6}
            _until(lambda: client.post("/v1/usage", json=too_much).json()["remaining"] == 3)


def test_a_named_usage_is_counted_once_though_only_a_view_knows_the_pool_that_had_the_customer(
    service: Service,
) -> None:
    """Both pools would take it: the second one by a name that only the first one remembers."""
    first, second, customer = a_pool(service), a_pool(service), f"ws-{new_id()}"
    assigned(service, first, customer)
    usage = {"customer_id": customer, "resource_key": "api_calls"}
    with service.client() as client:
        answer = client.post("/v1/usage", json=usage)
        assert answer.json()["pool_id"] == first
        token = {"entitlements-consistency": answer.headers["entitlements-consistency"]}
        with standing_still(pid_of(service, "publisher")):
            assigned(service, second, customer)
            named = {"idempotency-key": new_id()}
            pools = [
                client.post("/v1/usage", json=usage, headers=named | more).json()["pool_id"] for more in (token, {})
            ]
            assert pools[0] == pools[1], "the repeat was counted where it was counted before"


def test_the_pools_that_usage_knows_a_customer_by_are_read_again_when_they_have_changed(service: Service) -> None:
    old, new, customer = a_pool(service), a_pool(service), f"ws-{new_id()}"
    assigned(service, old, customer)
    usage = {"customer_id": customer, "resource_key": "api_calls"}
    with service.client() as client:
        for _ in range(2):
            assert client.post("/v1/usage", json=usage).json()["pool_id"] == old
        assigned(service, new, customer)
        _until(lambda: client.post("/v1/usage", json=usage).json().get("pool_id") == new)


def test_nobody_vouches_for_what_was_decided_and_not_published(service: Service) -> None:
    floors = Floors()
    with Invalidations(service.settings, floors):
        began = time.monotonic()
        _until(lambda: floors.vouched_at > began)
        with standing_still(pid_of(service, "publisher")):
            a_pool(service)
            decided = time.monotonic()
            time.sleep(3.0)
            assert floors.is_current, "it has read all there is to be read"
            assert floors.vouched_at < decided
        _until(lambda: floors.vouched_at > decided)


def _until(holds: Callable[[], bool], within_for: float = 20.0) -> None:
    until = time.monotonic() + within_for
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
