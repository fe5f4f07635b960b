"""Plans over HTTP: the set says where a plan stands, a suspension is told as one, and nothing is accepted without an effect."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from tests.integration.api.conftest import FEATURE, QUOTA
from tests.serving import OPERATOR, Service

Catalogue = dict[str, str]


@pytest.fixture(scope="module")
def catalogue(service: Service) -> Catalogue:
    """A ladder of its own with two plans, a pack beside it, and a feature that grants another."""
    name = secrets.token_hex(4)
    named = {each: f"{each}-{name}" for each in ("ladder", "low", "high", "pack", "gold", "silver")}
    gold = {"resource_key": named["gold"], "rule_type": "boolean", "stacking": "any"}
    with service.client(OPERATOR) as operator:

        def define(command: str, **fields: Any) -> Any:
            answer = operator.post(f"/v1/commands/{command}", json=fields)
            assert answer.status_code == 200, answer.text
            operator.headers["entitlements-consistency"] = answer.headers["entitlements-consistency"]
            return answer.json()

        terms = {"entitlement_type": "boolean", "inherits_from": [named["silver"]], "override_policy": "always_allow"}
        define("DefineResourceKey", resource_key=named["silver"], name="Silver", data_type="boolean")
        define("DefineResourceKey", resource_key=named["gold"], name="Gold", data_type="boolean", terms=terms)
        rung = {"ladder": named["ladder"], "rung": 1}
        first = define("DefineEntitlementSet", set_id=named["low"], name="Low", rules=[QUOTA], **rung)
        assert first["ladder_defined"] == named["ladder"], "a typo would be seen"
        again = define("DefineEntitlementSet", set_id=named["low"], name="Low", rules=[QUOTA], **rung)
        assert "ladder_defined" not in again
        typo = {**QUOTA, "resource_key": f"{named['low']}_cals"}
        seen = define("DefineEntitlementSet", set_id=f"{named['low']}-typo", name="Low", rules=[QUOTA, typo])
        assert seen["keys_not_defined"] == [typo["resource_key"]]
        assert "keys_not_defined" not in first
        rungs = [{"rung": 1, "name": "Low"}, {"rung": 2, "name": "High"}]
        define("DefineLadder", ladder=named["ladder"], name="Plans", rungs=rungs)
        rung["rung"] = 3
        body = {"set_id": named["high"], "name": "High", "rules": [QUOTA], **rung}
        wrong = operator.post("/v1/commands/DefineEntitlementSet", json=body)
        assert (wrong.status_code, wrong.json()["code"]) == (404, "unknown_rung")
        high = {"set_id": named["high"], "name": "High", "rules": [{**QUOTA, "amount": 500}, FEATURE, gold]}
        assert "ladder_defined" not in define("DefineEntitlementSet", **high, **(rung | {"rung": 2}))
        define("DefineEntitlementSet", set_id=named["pack"], name="Pack", rules=[QUOTA])
        shown = operator.get(f"/v1/ladders/{named['ladder']}").json()
        assert [(each["set_id"], each["rung"]) for each in shown["sets"]] == [(named["low"], 1), (named["high"], 2)]
        assert operator.get("/v1/ladders/nobody").json()["code"] == "unknown_ladder"
    return named


@pytest.fixture
def customer(account: Any, catalogue: Catalogue) -> Any:
    """A account on the low plan of the ladder."""
    account.command("EndProvision", provision_id="plan", when="now")
    account.command(
        "ProvisionPool", provision_id="low", source="subscription", set_id=catalogue["low"], billing_period="month"
    )
    return account


def refused(account: Any, command: str, **fields: Any) -> tuple[int, str]:
    answer = account.http.post(f"/v1/commands/{command}", json={"pool_id": account.pool_id} | fields)
    return answer.status_code, answer.json().get("code", "")


@pytest.mark.parametrize("place", [{"ladder": "plnas"}, {"rung": 7}, {"ladder": "plans", "rung": 2}])
def test_what_contradicts_the_set_is_refused_by_code(
    customer: Any, catalogue: Catalogue, place: dict[str, Any]
) -> None:
    """Two plans of one ladder ran at once, and `override` was steered by a typo."""
    asked = {"provision_id": "x", "source": "subscription", "set_id": catalogue["high"]} | place
    assert refused(customer, "ProvisionPool", **asked) == (422, "ladder_mismatch")
    assert refused(customer, "ChangePlan", **asked) == (422, "ladder_mismatch")
    own = asked | {"set_version": 1, "rules": [QUOTA]}
    assert refused(customer, "ProvisionPool", **own) == (422, "ladder_mismatch")
    unheard_of = own | {"set_id": "custom", "ladder": "plnas", "rung": 1}
    assert refused(customer, "ProvisionPool", **unheard_of) == (404, "unknown_ladder")


def test_plans_and_trials_need_no_more_than_their_sets(customer: Any, catalogue: Catalogue) -> None:
    assert refused(customer, "ProvisionPool", provision_id="x", source="subscription", set_id=catalogue["high"]) == (
        409, "ladder_is_occupied",
    )  # fmt: skip
    token = customer.command("ChangePlan", provision_id="high", source="subscription", set_id=catalogue["high"])
    assert customer.check("api_calls", token)["limit"] == 500
    token = customer.command("ChangePlan", provision_id="l2", source="subscription", set_id=catalogue["low"], rung=1)
    assert customer.check("api_calls", token)["limit"] == 100
    pack = {"provision_id": "p", "source": "subscription", "set_id": catalogue["pack"]}
    assert refused(customer, "ChangePlan", **pack) == (422, "ladder_mismatch")
    customer.command("EndProvision", provision_id="l2", when="now")
    trial = {"provision_id": "t", "set_id": catalogue["high"], "ends_at": "2099-01-01T00:00:00Z"}
    then = {"then_provision_id": "u", "then_source": "subscription"}
    assert refused(customer, "StartTrial", **trial, **then, then_set_id=catalogue["pack"]) == (422, "ladder_mismatch")
    token = customer.command("StartTrial", **trial, **then, then_set_id=catalogue["low"])
    headers = {"entitlements-consistency": token}
    shown = customer.http.get(f"/v1/pools/{customer.pool_id}", headers=headers).json()["provisions"]
    placed = {each["provision_id"]: (each["ladder"], each["rung"], each["status"]) for each in shown}
    ladder = catalogue["ladder"]
    assert (placed["t"], placed["u"]) == ((ladder, 2, "active"), (ladder, 1, "scheduled"))


def test_what_is_past_due_is_told_so_and_not_that_nobody_bought_it(customer: Any, catalogue: Catalogue) -> None:
    customer.command("ChangePlan", provision_id="high", source="subscription", set_id=catalogue["high"])
    token = customer.command("SuspendProvision", provision_id="high", reason="past due")
    for key in ("api_calls", "sso", catalogue["gold"], catalogue["silver"]):
        found = customer.check(key, token)
        assert (found["allowed"], found["reason_code"]) == (False, "provision_suspended"), key
    assert customer.check("seats", token)["reason_code"] == "not_entitled"
    body = {"customer_id": customer.customer_id, "resource_key": "api_calls"}
    used = customer.http.post("/v1/usage", json=body)
    assert (used.status_code, used.json()["code"]) == (409, "provision_suspended")
    taken = {
        "override_id": "o",
        "resource_key": "sso",
        "workspace_id": customer.customer_id,
        "allowed": False,
        "reason": "r",
    }
    token = customer.command("SetOverride", **taken)
    assert customer.check("sso", token)["reason_code"] == "overridden"
    token = customer.command("ResumeProvision", provision_id="high")
    assert customer.check(catalogue["silver"], token)["reason_code"] == "inherited"


def test_when_a_provision_ends_is_said_and_taken_back(customer: Any) -> None:
    assert refused(customer, "EndProvision", provision_id="low") == (422, "invalid_request")
    assert refused(customer, "EndProvision", provision_id="low", ends_at=None) == (422, "invalid_request")
    assert refused(customer, "EndProvision", provision_id="low", when="at", ends_at=None) == (422, "invalid_command")
    customer.command("EndProvision", provision_id="low", when="period_end")
    token = customer.command("UncancelProvision", provision_id="low")
    headers = {"entitlements-consistency": token}
    (shown,) = [
        each
        for each in customer.http.get(f"/v1/pools/{customer.pool_id}", headers=headers).json()["provisions"]
        if each["provision_id"] == "low"
    ]
    assert (shown["status"], shown["ends_at"], shown["planned_ends_at"]) == ("active", None, None)
    assert customer.check("api_calls", token)["allowed"] is True


def test_nothing_is_accepted_that_has_no_effect(customer: Any, catalogue: Catalogue) -> None:
    customer.command("EndProvision", provision_id="low", when="now")
    again = {"provision_id": "low", "source": "subscription", "set_id": catalogue["low"], "billing_period": "month"}
    assert refused(customer, "ProvisionPool", **again) == (409, "provision_is_over")
    grant = {"grant_id": "g", "reason": "sorry", "set_id": catalogue["pack"]}
    customer.command("IssueGrant", **grant)
    customer.command("RevokeGrant", grant_id="g", reason="twice")
    assert refused(customer, "IssueGrant", **grant) == (409, "grant_is_over")
    late = {"workspace_id": "ws", "role": "secondary", "effective_at": "2026-01-01T00:00:00Z"}
    assert refused(customer, "AssignWorkspace", **late) == (409, "effective_at_not_allowed")
    customer.command("ClosePool")
    assert refused(customer, "OpenPool") == (409, "pool_is_closed")
