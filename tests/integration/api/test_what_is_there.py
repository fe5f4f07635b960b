"""Commands about what is not there, is another's, or contradicts what there is are refused over HTTP: none is accepted without effect."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import fields
from typing import Any

import httpx
import pytest
from tests.serving import OPERATOR

from entitlements.api.commands import body_of
from entitlements.domain.commands import RecordUsage, RecordUsageBatch
from entitlements.ledger.records import COMMANDS

CONSISTENCY = "entitlements-consistency"
DIGEST = hashlib.sha256(b"s" * 40).hexdigest()


def quota(amount: int = 1, **more: Any) -> dict[str, Any]:
    rule = {
        "resource_key": "api_calls",
        "rule_type": "quota",
        "amount": amount,
        "period": "lifetime",
        "stacking": "sum",
    }
    return rule | more


def code_of(answer: httpx.Response) -> str:
    return str(answer.json().get("code", answer.json().get("status")))


@pytest.fixture
def operator(service: Any) -> Any:
    with service.client(OPERATOR) as client:
        yield client


@pytest.fixture
def name() -> str:
    return secrets.token_hex(4)


def send(http: httpx.Client, command: str, **body: Any) -> httpx.Response:
    return http.post(f"/v1/commands/{command}", json=body)


def test_a_set_is_named_in_a_version_that_is_there(operator: Any, account: Any, name: str) -> None:
    """Beside rules of one's own too: they would hide the set's ladder, on which another plan runs."""
    for set_id, rung in (("one", 1), ("two", 2)):
        body = {"name": set_id, "ladder": f"ladder-{name}", "rung": rung, "rules": [quota()]}
        assert send(operator, "DefineEntitlementSet", set_id=f"{set_id}-{name}", **body).is_success
    two = {"pool_id": account.pool_id, "set_id": f"two-{name}", "rules": [quota()], "source": "subscription"}
    assert send(account.http, "ProvisionPool", provision_id="a", **(two | {"set_id": f"one-{name}"})).is_success
    assert code_of(send(account.http, "ProvisionPool", provision_id="b", set_version=2, **two)) == "unknown_set"
    place = {"ladder": f"ladder-{name}", "rung": 1}
    assert code_of(send(account.http, "ChangePlan", provision_id="b", set_version=9, **place, **two)) == "unknown_set"
    assert code_of(send(account.http, "ProvisionPool", provision_id="b", set_version=1, **two)) == "ladder_is_occupied"
    own = two | {"set_id": f"own-{name}", "set_version": 1, "ladder": f"ladder-{name}"}
    for at in ({}, {"rung": 77}):
        assert code_of(send(account.http, "ProvisionPool", provision_id="c", **own, **at)) == "unknown_rung"


def test_a_provision_is_revised_to_a_version_that_is_there(operator: Any, account: Any, rival: Any, name: str) -> None:
    define = {"set_id": f"set-{name}", "name": "set"}
    assert send(operator, "DefineEntitlementSet", **define, rules=[quota()]).is_success
    account.command("ProvisionPool", provision_id="f", source="purchase", set_id=f"set-{name}", follows=False)
    revise = {"pool_id": account.pool_id, "provision_id": "f"}
    for wrong in ({"set_version": 2}, {"set_version": 2_147_483_647, "rules": [quota()]}):
        assert code_of(send(account.http, "ReviseProvision", **revise, **wrong)) == "unknown_set"
    assert code_of(send(account.http, "ReviseProvision", **revise | {"provision_id": "nosuch"})) == "unknown_provision"
    for pool_id in (account.pool_id, "nosuch"):
        assert code_of(send(rival.http, "ReviseProvision", **revise | {"pool_id": pool_id})) == "unknown_pool"

    def revised(amount: int) -> httpx.Response:
        defined = send(operator, "DefineEntitlementSet", **define, rules=[quota(amount)])
        headers = {"idempotency-key": name, CONSISTENCY: defined.headers[CONSISTENCY]}
        answer: httpx.Response = account.http.post("/v1/commands/ReviseProvision", json=revise, headers=headers)
        return answer

    done, again = revised(7), revised(8)
    assert again.headers["idempotent-replay"] == "true", "the newest version is another, the request is the same"
    headers = {CONSISTENCY: done.headers[CONSISTENCY]}
    found = account.http.get(f"/v1/pools/{account.pool_id}", headers=headers).json()["provisions"]
    assert [each["set_version"] for each in found if each["provision_id"] == "f"] == [2]
    assert account.check("api_calls", done.headers[CONSISTENCY])["limit"] == 107


def test_keys_and_sets_descend_from_none_of_their_own(operator: Any, name: str) -> None:
    def key(key: str, parent: str) -> httpx.Response:
        terms = {"entitlement_type": "boolean", "inherits_from": [parent + name]}
        return send(operator, "DefineResourceKey", resource_key=key + name, name=key, data_type="boolean", terms=terms)

    assert key("a", "b").is_success
    assert key("b", "c").is_success
    assert code_of(key("c", "a")) == "inheritance_cycle"
    assert code_of(key("b", "a")) == "inheritance_cycle"

    def extends(set_id: str, parent: str, version: int = 1) -> httpx.Response:
        parents = [{"set_id": parent, "version": version}]
        return send(operator, "DefineEntitlementSet", set_id=set_id, name=set_id, rules=[quota()], extends=parents)

    assert send(operator, "DefineEntitlementSet", set_id=f"a{name}", name="a", rules=[quota()]).is_success
    assert extends(f"b{name}", f"a{name}").is_success
    assert code_of(extends(f"a{name}", f"b{name}")) == "inheritance_cycle"
    for parent, version in (("nosuch", 1), (f"a{name}", 2)):
        refused = extends(f"c{name}", parent, version)
        assert (refused.status_code, code_of(refused)) == (404, "unknown_parent")


def test_a_body_has_no_field_that_its_command_passes_over(operator: Any, name: str) -> None:
    for kind in COMMANDS.values():
        if kind in (RecordUsage, RecordUsageBatch):  # Usage has routes of its own.
            continue
        assert body_of(kind).model_fields.keys() <= {field.name for field in fields(kind)}, kind
    refused = send(operator, "DefineEntitlementSet", set_id=name, name="x", rules=[quota()], set_version=5)
    assert (refused.status_code, code_of(refused)) == (422, "invalid_request")


def test_a_unit_is_assigned_pools_of_its_organization(account: Any, rival: Any) -> None:
    assert send(rival.http, "DefineUnit", unit_id="u").is_success
    for pool_id in (account.pool_id, "nosuch"):
        refused = send(rival.http, "AssignUnit", unit_id="u", pool_id=pool_id)
        assert (refused.status_code, code_of(refused)) == (404, "unknown_pool")
    assert send(rival.http, "OpenPool", pool_id=f"new-{rival.pool_id}").is_success
    assert send(rival.http, "AssignUnit", unit_id="u", pool_id=f"new-{rival.pool_id}").is_success


def test_the_id_of_an_api_key_is_one_organizations(account: Any, rival: Any) -> None:
    made = account.http.post("/v1/keys", json={"scopes": ["read"]}).json()
    body = {"key_id": made["key_id"], "secret_sha256": DIGEST, "scopes": ["read"]}
    refused = send(rival.http, "CreateApiKey", **body)
    assert (refused.status_code, code_of(refused)) == (409, "api_key_already_exists")
    assert made["key_id"] not in {each["key_id"] for each in rival.http.get("/v1/keys").json()["items"]}


def test_an_api_key_is_created_once_under_an_idempotency_key(account: Any, rival: Any, name: str) -> None:
    def create(http: httpx.Client, **body: Any) -> httpx.Response:
        return http.post("/v1/keys", json={"scopes": ["read"], "name": name} | body, headers={"idempotency-key": name})

    first, again, other = create(account.http), create(account.http), create(account.http, scopes=["use"])
    key_id = first.json()["key_id"]
    assert (again.status_code, code_of(again), again.json()["key_id"]) == (409, "api_key_already_created", key_id)
    assert f"DELETE /v1/keys/{key_id}" in again.json()["detail"]
    assert (other.status_code, code_of(other)) == (422, "idempotency_key_reused")
    assert create(rival.http).json()["key_id"] != key_id, "the keys of another organization are its own"
    headers = {CONSISTENCY: first.headers[CONSISTENCY]}
    with account.service.client_with(first.json()["key"]) as client:
        assert client.get(f"/v1/pools/{account.pool_id}", headers=headers).is_success
    found = account.http.get("/v1/keys", headers=headers).json()["items"]
    assert [each["key_id"] for each in found if each["name"] == name] == [key_id]


def test_a_reservation_is_held_for_as_long_as_its_id_was_asked_for(account: Any, name: str) -> None:
    body = {"customer_id": account.customer_id, "resource_key": "api_calls", "reservation_id": name}

    def reserve(expires_in: int) -> tuple[int, str]:
        answer = account.http.post("/v1/reservations", json=body | {"expires_in": expires_in})
        return answer.status_code, answer.json().get("code", "")

    assert [reserve(600), reserve(600), reserve(5)] == [(200, ""), (200, ""), (409, "reservation_already_exists")]
    extended = account.http.post(
        f"/v1/reservations/{name}/extend", json={"pool_id": account.pool_id, "expires_in": 900}
    )
    assert extended.is_success
    assert [reserve(600), reserve(900)] == [(200, ""), (409, "reservation_already_exists")]


def test_a_key_that_no_path_can_hold_comes_in_by_no_rule(operator: Any, account: Any, name: str) -> None:
    for key in (".", ".."):
        feature = {"resource_key": key, "rule_type": "boolean", "stacking": "any"}
        drawing = quota(credit_key=key, credit_rate=1)
        override = {"override_id": "o", "resource_key": key, "reason": "x", "pool_id": account.pool_id}
        own = {"provision_id": "x", "source": "purchase", "set_id": name, "set_version": 1, "pool_id": account.pool_id}
        for answer in (
            send(operator, "DefineResourceKey", resource_key=key, name="x", data_type="boolean"),
            send(operator, "DefineEntitlementSet", set_id=name, name="x", rules=[feature]),
            send(operator, "DefineEntitlementSet", set_id=name, name="x", rules=[drawing]),
            send(account.http, "ChangeDefaults", pool_id=account.pool_id, rules=[feature]),
            send(account.http, "ProvisionPool", rules=[feature], **own),
            send(account.http, "OpenPool", pool_id=name, defaults=[feature]),
            send(account.http, "SetOverride", **override),
        ):
            assert (answer.status_code, code_of(answer)) == (422, "invalid_id"), answer.text


def test_messages_are_in_words_and_json(operator: Any, account: Any, name: str) -> None:
    issue = {"pool_id": account.pool_id, "grant_id": "g", "reason": "x", "set_id": name, "set_version": 1}
    conflict = send(account.http, "IssueGrant", **issue, rules=[quota(period="month")]).json()
    assert conflict["code"] == "rules_conflict"
    assert (
        "api_calls is a quota per lifetime with stacking sum in the pool and a quota per month with stacking sum here"
        in (conflict["detail"])
    )
    own = {"pool_id": account.pool_id, "provision_id": "x", "source": "purchase", "set_id": name, "set_version": 1}
    rung = send(account.http, "ProvisionPool", **own, rules=[quota()], ladder="plans").json()
    assert rung["code"] == "unknown_rung"
    for policy in ({}, {"effect": "DENY", "priority": True}, {"effect": {"a": None}}):
        answer = account.http.put(f"/v1/policies/p-{name}", json=policy)
        assert code_of(answer) == "invalid_policy"
        said = answer.json()["detail"]
        assert not any(word in said for word in ("None", "True", "{'", "('")), said
