"""Two tenants, every route, every verb: nobody sees, changes or hears of what is another's."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from entitlements.api.app import OPEN_PATHS

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")


def document_of(service: Any) -> dict[str, Any]:
    return dict(httpx.get(f"{service.url}/openapi.json").json())


def routes(service: Any) -> list[tuple[str, str]]:
    return [(path, verb) for path in document_of(service)["paths"] for verb in VERBS]


def body_for(path: str, victim: Any) -> dict[str, Any]:
    """A body that names what is the victim's wherever a body can name something."""
    names = {
        "pool_id": victim.pool_id, "customer_id": victim.customer_id, "workspace_id": victim.customer_id,
        "provision_id": "plan", "resource_key": "api_calls",
    }  # fmt: skip
    more: dict[str, Any] = {
        "AssignWorkspace": {"role": "primary"}, "UnassignWorkspace": {"workspace_id": victim.customer_id},
        "ProvisionPool": {"provision_id": "x", "source": "purchase", "set_id": "free"},
        "IssueGrant": {"grant_id": "g", "reason": "r", "set_id": "free"}, "RevokeGrant": {"grant_id": "g"},
        "ChangePlan": {"ladder": "plans", "provision_id": "x", "source": "subscription", "set_id": "free"},
        "SetOverride": {"override_id": "o", "resource_key": "sso", "allowed": False, "reason": "r"},
        "ResetUsage": {"resource_key": "api_calls", "reason": "r"},
        "AssignUnit": {"organization_id": victim.organization_id, "unit_id": "u"},
    }  # fmt: skip
    name = path.rpartition("/")[2]
    if path.startswith("/v1/commands/"):
        return {"pool_id": victim.pool_id} | more.get(name, {})
    if path == "/v1/usage":
        return {key: names[key] for key in ("pool_id", "customer_id", "resource_key")}
    return names


def calls(path: str, verb: str, victim: Any) -> tuple[str, dict[str, Any]]:
    """The address and body of a call that reaches for what is the victim's."""
    found = re.sub(
        r"\{(\w+)\}",
        lambda match: {"pool_id": victim.pool_id, "customer_id": victim.customer_id, "set_id": "free",
                       "resource_key": "api_calls", "policy_id": "secret-policy"}.get(match[1], "r-secret"),
        path,
    )  # fmt: skip
    return found, body_for(path, victim)


@pytest.fixture(scope="module")
def victim(service: Any) -> Any:
    from tests.integration.api.conftest import Tenant

    found = Tenant(service)
    assert found.http.put("/v1/policies/secret-policy", json={"effect": "ALLOW", "reason": "secret"}).is_success
    body = {"pool_id": found.pool_id, "resource_key": "api_calls", "quantity": 3, "reservation_id": "r-secret"}
    found.token = found.http.post("/v1/reservations", json=body).headers["entitlements-consistency"]
    return found


def state_of(victim: Any) -> Any:
    """All that the victim sees of itself, but when it was looked at."""
    headers = {"entitlements-consistency": victim.token}
    view = victim.http.get(f"/v1/customers/{victim.customer_id}/entitlements", headers=headers).json()
    pool = victim.http.get(f"/v1/pools/{victim.pool_id}", headers=headers).json()
    policies = victim.http.get("/v1/policies").json()
    keys = victim.http.get("/v1/keys").json()
    return view["entitlements"], pool, policies, keys


def test_no_route_shows_or_changes_what_is_anothers(service: Any, victim: Any, rival: Any) -> None:
    before = state_of(victim)
    secrets = [victim.pool_id, victim.customer_id, victim.organization_id, "r-secret", "secret-policy"]
    for path, verb in routes(service):
        if path == "/v1/changes" and verb == "GET":
            continue  # test_streaming.py
        address, body = calls(path, verb, victim)
        answer = rival.http.request(verb, address, json=None if verb in {"GET", "HEAD", "OPTIONS"} else body)
        said = answer.text
        for name in (*body.values(), *address.split("/")):  # What was asked may be said again.
            said = said.replace(str(name), "")
        assert answer.status_code < 500, (verb, path, answer.text)
        assert not any(secret in said for secret in secrets), (verb, path, answer.text)
        if answer.is_success and verb not in {"GET", "HEAD", "OPTIONS"} and victim.pool_id in json.dumps(body):
            assert path in NOT_ABOUT_POOLS, (verb, path, answer.text)
    assert state_of(victim) == before


#: Routes that answer with success although the body names a pool of somebody else: they look at the asker's own only.
NOT_ABOUT_POOLS = frozenset({"/v1/check", "/v1/policies/dry-run", "/v1/policies/{policy_id}"})


def test_a_pool_id_that_is_taken_is_no_more_than_unknown(victim: Any, rival: Any) -> None:
    answer = rival.http.post("/v1/commands/OpenPool", json={"pool_id": victim.pool_id})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_pool")


def test_the_same_customer_id_in_two_organizations_is_two_customers(victim: Any, rival: Any) -> None:
    token = rival.command("AssignWorkspace", workspace_id=victim.customer_id, role="primary")
    headers = {"entitlements-consistency": token}
    body = {"customer_id": victim.customer_id, "resource_key": "api_calls"}
    assert rival.http.post("/v1/check", json=body, headers=headers).json()["pool_id"] == rival.pool_id
    assert victim.check("api_calls")["pool_id"] == victim.pool_id
    used = rival.http.post("/v1/usage", json=body | {"quantity": 5})
    assert used.json()["pool_id"] == rival.pool_id
    token = rival.command("UnassignWorkspace", workspace_id=victim.customer_id)
    assert not rival.http.post("/v1/check", json=body, headers={"entitlements-consistency": token}).json()["allowed"]


def test_every_route_asks_who_it_is(service: Any, victim: Any) -> None:
    # One client: each would read all certificates, for eighty requests that need none.
    with httpx.Client(base_url=service.url) as client:
        for path, verb in routes(service):
            address, body = calls(path, verb, victim)
            answer = client.request(verb, address, json=None if verb == "GET" else body)
            if path in OPEN_PATHS:
                continue
            assert answer.status_code == 401, (verb, path)
        assert client.get("/v1/no-such-route").status_code == 401


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer ent_k0000000_" + "0" * 64])
def test_a_key_that_is_none_opens_nothing(service: Any, authorization: str) -> None:
    headers = {"authorization": authorization}
    answer = httpx.post(f"{service.url}/v1/check", json={"customer_id": "c", "resource_key": "k"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("scope", ["read", "use", "administer", "audit"])
def test_a_scope_opens_what_it_is_for_and_nothing_else(service: Any, victim: Any, scope: str) -> None:
    asked = {
        "read": ("POST", "/v1/check", {"customer_id": "c", "resource_key": "k"}),
        "use": ("POST", "/v1/usage", {"customer_id": "nobody", "resource_key": "k"}),
        "administer": ("POST", "/v1/commands/SuspendPool", {"pool_id": "no-such-pool"}),
        "audit": ("GET", "/v1/access-log", None),
    }
    with service.client(victim.organization_id, [scope]) as client:
        for needed, (verb, path, body) in asked.items():
            answer = client.request(verb, path, json=body)
            is_refused = answer.status_code == 403 and answer.json()["code"] == "insufficient_scope"
            assert is_refused == (needed != scope), (scope, needed, answer.text)


def test_a_key_is_made_used_and_taken_back(service: Any, victim: Any) -> None:
    made = victim.http.post("/v1/keys", json={"name": "checkout", "scopes": ["read"]})
    key, token = made.json(), made.headers["entitlements-consistency"]
    listed = victim.http.get("/v1/keys", headers={"entitlements-consistency": token}).json()["keys"]
    assert key["key_id"] in [each["key_id"] for each in listed]
    assert "secret_sha256" not in json.dumps(listed)
    headers = {"authorization": f"Bearer {key['key']}"}
    asked = {"customer_id": victim.customer_id, "resource_key": "sso"}
    assert httpx.post(f"{service.url}/v1/check", json=asked, headers=headers).json()["allowed"]
    with service.client(victim.organization_id, ["administer"]) as weak:
        assert weak.post("/v1/keys", json={"scopes": ["read"]}).json()["code"] == "insufficient_scope"
        by_hand = {"key_id": "k0123456789", "secret_sha256": "0" * 64, "scopes": ["administer", "audit"]}
        answer = weak.post("/v1/commands/CreateApiKey", json=by_hand)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert victim.http.delete(f"/v1/keys/{key['key_id']}").status_code == 200


def test_the_catalogue_is_the_operators(tenant: Any) -> None:
    body = {"resource_key": "api_calls", "name": "mine", "data_type": "integer"}
    answer = tenant.http.post("/v1/commands/DefineResourceKey", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert tenant.http.get("/v1/resource-keys/api_calls").json()["name"] == "api_calls"
