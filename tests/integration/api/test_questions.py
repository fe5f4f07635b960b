"""May they, and how much is left: over HTTP, on the whole installation."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from tests.serving import OPERATOR


def test_has_access_is_answered_with_its_reason(account: Any) -> None:
    held = account.check("sso")
    assert (held["allowed"], held["reason_code"], held["pool_id"]) == (True, "allowed", account.pool_id)
    assert [each["provision_id"] for each in held["contributions"]] == ["plan"]
    missing = account.check("seats")
    assert (missing["allowed"], missing["reason_code"], missing["contributions"]) == (False, "not_entitled", [])


@pytest.mark.parametrize(("quantity", "code"), [(100, "allowed"), (101, "quota_exceeded"), (0, "invalid_quantity")])
def test_a_quantity_is_allowed_as_far_as_it_fits(account: Any, quantity: int, code: str) -> None:
    found = account.check("api_calls", quantity=quantity)
    assert (found["reason_code"], found["remaining"], found["limit"]) == (code, 100, 100)


def test_a_check_and_usage_without_a_quantity_are_of_1(account: Any) -> None:
    """As docs/api.md and the OpenAPI document state."""
    line = {"customer_id": account.customer_id, "resource_key": "api_calls"}
    assert account.check("api_calls")["allowed"] is True
    assert account.http.post("/v1/usage", json=line).json()["quantity"] == 1
    used_up = account.http.post("/v1/usage", json=line | {"quantity": 99})
    found = account.check("api_calls", used_up.headers["entitlements-consistency"])
    assert (found["reason_code"], found["remaining"]) == ("quota_exceeded", 0)


#: Of the same question asked twice.
_OF_EACH = {"decision_id": "", "decided_at": "", "as_of": {}}


def test_what_is_answered_at_once_is_what_the_ordinary_way_answers(account: Any) -> None:
    account.check("sso")  # From here on there is what the plan gives.
    quantities: list[Any] = [None, 1, 100, 101, 0, -1, 2**53 + 1, "x"]
    for key, quantity, subject in product(["sso", "api_calls", "seats", "", "x" * 129], quantities, ["", "ann"]):
        asked = {"customer_id": account.customer_id, "resource_key": key, "subject_id": subject}
        asked |= {} if quantity is None else {"quantity": quantity}
        # A charset in this form is right, and nothing that is seen at a glance.
        media_type = {"content-type": 'application/json; charset="utf-8"'}
        usual = account.http.post("/v1/check", json=asked, headers=media_type)
        for _ in range(2):
            quick = account.http.post("/v1/check", json=asked)
            assert (quick.status_code, quick.json() | _OF_EACH) == (usual.status_code, usual.json() | _OF_EACH), asked


def test_a_read_with_a_token_knows_what_was_used_before(account: Any) -> None:
    for used in range(1, 11):
        body = {"customer_id": account.customer_id, "resource_key": "api_calls", "quantity": 3}
        answer = account.http.post("/v1/usage", json=body)
        token = answer.headers["entitlements-consistency"]
        assert account.check("api_calls", token)["consumed"] == 3 * used
        one = account.http.get(
            f"/v1/customers/{account.customer_id}/entitlements/api_calls", headers={"entitlements-consistency": token}
        )
        assert one.json()["entitlement"]["remaining"] == 100 - 3 * used


def test_a_position_that_is_not_reached_is_said(account: Any) -> None:
    asked = {"customer_id": account.customer_id, "resource_key": "sso"}
    answer = account.http.post("/v1/check", json=asked, headers={"entitlements-consistency": "0:999999999"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_reached_yet")
    assert int(answer.headers["retry-after"]) > 0


def test_who_waits_in_vain_takes_nothing_from_others(account: Any, rival: Any) -> None:
    never = {"entitlements-consistency": "0:999999999999999999"}
    asked = {"usage": [{"customer_id": f"{rival.customer_id}-{n}", "resource_key": "api_calls"} for n in range(300)]}
    with ThreadPoolExecutor(40) as waiting:
        begun = time.monotonic()
        batch = waiting.submit(rival.http.post, "/v1/usage/batch", json=asked, headers=never)
        views = [
            waiting.submit(rival.http.get, f"/v1/customers/{rival.customer_id}/entitlements", headers=never)
            for _ in range(39)
        ]
        time.sleep(0.5)
        body = {"customer_id": account.customer_id, "resource_key": "api_calls"}
        assert account.http.post("/v1/usage", json=body).status_code == 200
        assert time.monotonic() - begun < 3, "somebody else's waiting was waited for"
        assert {view.result().json()["code"] for view in views} == {"not_reached_yet"}
        assert {each["code"] for each in batch.result().json()["results"]} == {"not_reached_yet"}


def test_costly_policies_and_many_questions_keep_nobody_else_waiting(account: Any, rival: Any) -> None:
    conditions = [{"field": f"metadata.f{n}", "operator": "equals", "value": "x"} for n in range(100)]
    policies = [{"policy_id": f"p{n}", "effect": "ALLOW", "conditions": conditions} for n in range(40)]
    for policy in policies:
        answer = rival.http.put(f"/v1/policies/{policy['policy_id']}", json=policy)
        assert answer.status_code == 200, answer.text
    headers = {"entitlements-consistency": answer.headers["entitlements-consistency"]}
    context = {"metadata": {f"f{n}": "x" for n in range(100)}}
    many = {"customer_ids": ["nobody"], "resource_keys": [f"key-{n}" for n in range(1_000)], "context": context}
    one = {"customer_id": "nobody", "resource_key": "key", "context": context}
    one["policies"] = [policy | {"policy_id": f"q{n}"} for n, policy in enumerate(policies * 4)]
    account.check("sso")
    with ThreadPoolExecutor(2) as costly:
        under_way = [
            costly.submit(rival.http.post, "/v1/checks", json=many, headers=headers, timeout=120.0),
            costly.submit(rival.http.post, "/v1/policies/dry-run", json=one, timeout=120.0),
        ]
        took = []
        while not all(each.done() for each in under_way):
            begun = time.monotonic()
            assert account.http.post(
                "/v1/check", json={"customer_id": account.customer_id, "resource_key": "sso"}
            ).is_success
            took.append(time.monotonic() - begun)
    assert [each.result().status_code for each in under_way] == [200, 200]
    assert len(took) > 10, took
    assert max(took) < 1, took


def test_answers_of_more_bytes_than_one_call_may_have_are_refused(account: Any) -> None:
    policies = [{"policy_id": f"{n:0>128}", "effect": "ALLOW", "priority": n} for n in range(150)]
    with ThreadPoolExecutor(8) as putting:
        answers = list(putting.map(lambda p: account.http.put(f"/v1/policies/{p['policy_id']}", json=p), policies))
    assert all(answer.is_success for answer in answers), answers[0].text
    positions = {"entitlements-consistency": ",".join(each.headers["entitlements-consistency"] for each in answers)}
    asked = {"customer_ids": [account.customer_id], "resource_keys": [f"key-{n}" for n in range(4_000)]}
    refused = account.http.post("/v1/checks", json=asked, headers=positions)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request"), refused.text[:500]
    fewer = account.http.post("/v1/checks", json=asked | {"resource_keys": ["sso", "x"]}).json()["decisions"]
    assert [len(each["matched_policies"]) for each in fewer] == [150, 150]


@pytest.mark.parametrize("token", ["", "x", "1", "1:", "1:2:3", "1:2,", "-1:2", "9" * 30 + ":1"])
def test_a_token_that_is_none_is_refused(account: Any, token: str) -> None:
    asked = {"customer_id": account.customer_id, "resource_key": "sso"}
    answer = account.http.post("/v1/check", json=asked, headers={"entitlements-consistency": token})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_consistency_token")


def test_a_hundred_customers_with_a_hundred_keys_are_one_call(account: Any) -> None:
    customers = [account.customer_id, *(f"nobody-{n}" for n in range(99))]
    keys = ["sso", "api_calls", *(f"key-{n}" for n in range(98))]
    asked = {"customer_ids": customers, "resource_keys": keys}
    headers = {"entitlements-consistency": account.token}
    decisions = account.http.post("/v1/checks", json=asked, headers=headers).json()["decisions"]
    assert len(decisions) == 10_000
    assert [(d["customer_id"], d["resource_key"]) for d in decisions if d["allowed"]] == [
        (account.customer_id, "sso"), (account.customer_id, "api_calls"),
    ]  # fmt: skip
    left = account.http.post("/v1/remaining", json=asked, headers=headers).json()["remaining"]
    assert next(each["remaining"] for each in left if each["resource_key"] == "api_calls") == 100


def test_a_client_that_has_a_view_already_is_told_so(account: Any) -> None:
    url = f"/v1/customers/{account.customer_id}/entitlements"
    first = account.http.get(url, headers={"entitlements-consistency": account.token})
    assert set(first.json()["entitlements"]) == {"api_calls", "sso"}
    again = account.http.get(url, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    token = account.command("EndProvision", provision_id="plan", when="now")
    changed = account.http.get(url, headers={"if-none-match": first.headers["etag"], "entitlements-consistency": token})
    assert changed.status_code == 200
    assert not changed.json()["entitlements"]["sso"]["allowed"]


@pytest.mark.parametrize("name", ["a/b", "/", "a%2Fb", "..%2f", "ä/ö", "a b?c#d", "\u2028/\x85"])
def test_an_id_in_a_path_may_hold_any_sign(account: Any, name: str) -> None:
    customer_id = f"{name}{account.customer_id}"
    token = account.command("AssignWorkspace", workspace_id=customer_id, role="primary")
    url = f"/v1/customers/{quote(customer_id, safe='')}/entitlements"
    found = account.http.get(url, headers={"entitlements-consistency": token})
    assert (found.status_code, found.json()["customer_id"]) == (200, customer_id)
    assert found.json()["entitlements"]["sso"]["allowed"]
    assert account.http.get(f"{url}/sso").json()["customer_id"] == customer_id


def test_a_policy_denies_and_says_so(account: Any) -> None:
    body = {
        "effect": "DENY", "resource_keys": ["sso"], "reason": "not from outside",
        "conditions": [{"field": "client.ip_address", "operator": "not_in_cidr", "value": "10.0.0.0/8"}],
    }  # fmt: skip
    answer = account.http.put("/v1/policies/inside", json=body)
    token = answer.headers["entitlements-consistency"]
    outside = {"context": {"client": {"ip_address": "203.0.113.7"}}}
    inside = {"context": {"client": {"ip_address": "10.1.2.3"}}}
    dry = account.http.post(
        "/v1/policies/dry-run",
        json={"customer_id": account.customer_id, "resource_key": "sso", **outside},
        headers={"entitlements-consistency": token},
    ).json()
    assert dry["conditions"][0]["conditions"][0]["outcome"] == "holds"
    denied = account.check("sso", token, **outside)
    assert (denied["allowed"], denied["reason_code"]) == (False, "policy_denied")
    assert denied["matched_policies"] == [{"policy_id": "inside", "effect": "DENY", "priority": 0}]
    assert account.check("sso", **inside)["allowed"]
    assert account.http.delete("/v1/policies/inside").status_code == 200


def test_a_policy_with_a_number_that_not_all_can_read_is_refused_where_it_is_defined(account: Any) -> None:
    for number, code in ((10**400, "invalid_request"), (2**63, "invalid_policy")):
        condition = {"field": "metadata.x", "operator": "equals", "value": number}
        answer = account.http.put("/v1/policies/large", json={"effect": "DENY", "conditions": [condition]})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert account.http.get("/v1/policy-set").json()["policies"] == []
    assert account.check("sso")["allowed"]


@pytest.mark.parametrize(("said", "code"), [(str(10**400), "invalid_request"), ('"\\ud800"', "invalid_json")])
def test_what_cannot_be_sent_back_is_refused_by_a_dry_run(account: Any, said: str, code: str) -> None:
    body = (
        f'{{"customer_id": "{account.customer_id}", "resource_key": "sso", "context": {{"metadata": {{"x": {said}}}}}}}'
    )
    answer = account.http.post("/v1/policies/dry-run", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize(
    "body",
    [{}, {"customer_id": "c"}, {"customer_id": 1, "resource_key": "k"}, {"customer_id": "", "resource_key": "k"},
     {"customer_id": "c", "resource_key": "k", "quantity": "3"}, {"customer_id": "c", "resource_key": "k", "more": 1},
     {"customer_id": "c\x00", "resource_key": "k"}],
)  # fmt: skip
def test_a_question_that_cannot_be_meant_is_refused(account: Any, body: dict[str, Any]) -> None:
    answer = account.http.post("/v1/check", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_dry_run_knows_the_cap_of_the_subject_as_the_decision_does(account: Any) -> None:
    cap = {
        "workspace_id": account.customer_id,
        "subject_id": "ada",
        "resource_key": "api_calls",
        "amount": 5,
        "period": "month",
    }
    token = account.command("CapMember", **cap)
    asked = {"quantity": 6, "subject_id": "ada"}
    dry = account.http.post(
        "/v1/policies/dry-run",
        json={"customer_id": account.customer_id, "resource_key": "api_calls", **asked},
        headers={"entitlements-consistency": token},
    ).json()
    decided = account.check("api_calls", token, **asked)
    assert (decided["allowed"], decided["reason_code"]) == (False, "member_cap_reached")
    assert (dry["decision"]["allowed"], dry["decision"]["reason_code"]) == (False, "member_cap_reached")


def test_a_misspelt_command_is_told_its_name(account: Any) -> None:
    answer = account.http.post("/v1/commands/open_pol", json={"pool_id": "p"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "OpenPool" in answer.json()["detail"]


def test_a_sum_above_what_one_usage_can_be_is_not_unlimited(service: Any, account: Any) -> None:
    """The free plan's 100 and another 2^53: the largest quantity that can be used at once is 2^53."""
    vast = {"resource_key": "api_calls", "rule_type": "quota", "amount": 2**53, "period": "lifetime", "stacking": "sum"}
    set_id = f"vast-{account.pool_id}"
    with service.client(OPERATOR) as operator:
        defined = operator.post(
            "/v1/commands/DefineEntitlementSet", json={"set_id": set_id, "name": "Vast", "rules": [vast]}
        )
    assert defined.is_success, defined.text
    token = account.command("ProvisionPool", provision_id="vast", source="purchase", set_id=set_id)
    found = account.check("api_calls", token, quantity=2**53)
    assert (found["allowed"], found["limit"], found["remaining"]) == (True, 2**53 + 100, 2**53)
    assert "unlimited" not in found["sentence"]


def test_a_command_as_others_call_it_is_answered_with_ours_and_never_with_the_opposite(account: Any) -> None:
    answer = account.http.post("/v1/commands/CancelProvision", json={"pool_id": "p"})
    assert answer.json()["detail"].startswith("No such command. Did you mean EndProvision?")


def test_a_misspelt_field_is_answered_with_the_right_one(account: Any) -> None:
    cap = {"pool_id": "p", "customer_id": "ws", "resource_key": "calls"}
    of_command = account.http.post("/v1/commands/CapMember", json=cap).json()
    assert {"at": "body.customer_id", "message": "is not a known field; commands call it workspace_id"} in of_command[
        "errors"
    ]
    of_check = account.http.post("/v1/check", json={"workspace_id": "ws", "resource_key": "calls"}).json()
    assert of_check["errors"] == [
        {"at": "body.workspace_id", "message": "is not a known field; did you mean customer_id?"}
    ]
