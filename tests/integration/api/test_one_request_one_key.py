"""An Idempotency-Key stands for one request: the same in another order, or another request on the same pool, is refused and counts nothing."""

from __future__ import annotations

import secrets
from typing import Any

import httpx
import pytest
from tests.integration.api.conftest import Account

REUSED = (422, "idempotency_key_reused")


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def usage(account: Any, **more: Any) -> dict[str, Any]:
    return {"customer_id": account.customer_id, "resource_key": "api_calls"} | more


def another(account: Any) -> Any:
    """Another pool and customer of the same organization."""
    name = secrets.token_hex(4)
    found = Account.__new__(Account)
    found.http, found.organization_id = account.http, account.organization_id
    found.pool_id, found.customer_id = f"pool-{name}", f"ws-{name}"
    found.command("OpenPool")
    found.command("ProvisionPool", provision_id="plan", source="subscription", set_id="free")
    found.token = found.command("AssignWorkspace", workspace_id=found.customer_id, role="primary")
    return found


@pytest.fixture
def second(account: Any) -> Any:
    return another(account)


def test_a_batch_in_another_order_under_its_key_counts_nothing(account: Any, second: Any) -> None:
    """Each pool knows of which request its part was, though it never sees the others."""
    key, both = {"idempotency-key": secrets.token_hex(4)}, [usage(account), usage(second)]

    def send(*body: dict[str, Any]) -> httpx.Response:
        return account.http.post("/v1/usage/batch", json={"usage": list(body)}, headers=key)

    first, again = send(*both), send(*both)
    assert again.headers["idempotent-replay"] == "true"
    assert first.json() == again.json()
    for other in (
        both[::-1],
        [both[0] | {"quantity": 2}, both[1]],
        [*both, both[0]],
        [both[1] | {"usage_id": "own"}, both[0]],
    ):
        assert code_of(send(*other)) == REUSED, other
    assert code_of(send(both[0])) == REUSED
    token = first.headers["entitlements-consistency"]
    assert [each.check("api_calls", token)["consumed"] for each in (account, second)] == [1, 1]


def test_a_batch_in_another_order_is_found_where_its_usage_overflowed_to(account: Any, second: Any) -> None:
    """The first pool of a customer has room again, and knows nothing of the key."""
    account.command("AssignWorkspace", workspace_id=account.customer_id, role="primary", may_overflow=True)
    body = {"pool_id": second.pool_id, "workspace_id": account.customer_id, "role": "secondary"}
    assigned = account.http.post("/v1/commands/AssignWorkspace", json=body)
    assert account.http.post("/v1/usage", json=usage(account, quantity=100, usage_id="fill")).is_success
    token = assigned.headers["entitlements-consistency"]
    key = {"idempotency-key": secrets.token_hex(4), "entitlements-consistency": token}
    third = another(account)
    held = {"operations": [{"op": "reserve"} | usage(each) for each in (account, third)]}
    reserved = account.http.post("/v1/reservations/batch", json=held, headers=key)
    assert [each["pool_id"] for each in reserved.json()["results"]] == [second.pool_id, third.pool_id]
    reserving, key = key, key | {"idempotency-key": secrets.token_hex(4)}
    both = [usage(account), usage(third)]
    first = account.http.post("/v1/usage/batch", json={"usage": both}, headers=key)
    assert [each["pool_id"] for each in first.json()["results"]] == [second.pool_id, third.pool_id]
    account.command("ReverseUsage", usage_id="fill", reason="x")
    again = account.http.post("/v1/usage/batch", json={"usage": both}, headers=key)
    assert again.headers["idempotent-replay"] == "true"
    assert again.json() == first.json()
    other = account.http.post("/v1/usage/batch", json={"usage": both[::-1]}, headers=key)
    assert code_of(other) == REUSED, other.text
    assert account.http.post("/v1/reservations/batch", json=held, headers=reserving).json() == reserved.json()
    held["operations"].reverse()
    other = account.http.post("/v1/reservations/batch", json=held, headers=reserving)
    assert code_of(other) == REUSED, other.text
    token = account.command("ResumePool")
    assert account.check("api_calls", f"{token},{first.headers['entitlements-consistency']}")["consumed"] == 0
    with_pool = {"customer_id": account.customer_id, "resource_key": "api_calls", "pool_id": account.pool_id}
    assert account.http.post("/v1/usage", json=with_pool | {"quantity": 100}).is_success, "nothing is reserved there"


def test_operations_in_another_order_under_their_key_hold_and_commit_nothing(account: Any, second: Any) -> None:
    def operate(key: str, *operations: dict[str, Any]) -> httpx.Response:
        return account.http.post(
            "/v1/reservations/batch", json={"operations": list(operations)}, headers={"idempotency-key": key}
        )

    reserve, key = [{"op": "reserve"} | usage(each, quantity=5) for each in (account, second)], secrets.token_hex(4)
    held = operate(key, *reserve).json()["results"]
    assert operate(key, *reserve).json()["results"] == held
    assert code_of(operate(key, *reserve[::-1])) == REUSED
    commit = [
        {"op": "commit", "quantity": 1} | {name: each[name] for name in ("pool_id", "reservation_id")} for each in held
    ]
    first = operate(key + "c", *commit)
    assert first.is_success
    assert code_of(operate(key + "c", *commit[::-1])) == REUSED
    token = first.headers["entitlements-consistency"]
    for each in (account, second):
        found = each.check("api_calls", token)
        assert (found["consumed"], found["remaining"]) == (1, 95)


def test_a_key_is_for_usage_or_for_another_command_on_a_pool(account: Any) -> None:
    def send(path: str, body: dict[str, Any], key: str) -> httpx.Response:
        return account.http.post(path, json=body, headers={"idempotency-key": key})

    suspend, key = ("/v1/commands/SuspendPool", {"pool_id": account.pool_id}), secrets.token_hex(4)
    assert send("/v1/usage", usage(account), key).is_success
    assert code_of(send(*suspend, key)) == REUSED
    assert send("/v1/usage", usage(account), key).headers["idempotent-replay"] == "true"
    # With an id of its own, too: the key is the request's.
    assert send("/v1/usage", usage(account, usage_id="own"), key + "own").is_success
    assert code_of(send(*suspend, key + "own")) == REUSED
    assert code_of(send("/v1/usage", usage(account, usage_id="other"), key + "own")) == REUSED
    assert send("/v1/usage", usage(account, usage_id="own"), key + "own").headers["idempotent-replay"] == "true"
    resume = ("/v1/commands/ResumePool", {"pool_id": account.pool_id}, key + "2")
    done = send(*resume)
    assert code_of(send("/v1/usage", usage(account), key + "2")) == REUSED
    assert send(*resume).headers["idempotent-replay"] == "true"
    assert account.check("api_calls", done.headers["entitlements-consistency"])["consumed"] == 2
