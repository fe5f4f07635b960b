"""`ends_at` and `valid_until` cover all that an answer rests on: whoever holds it prolongs nothing that has ended."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.serving import OPERATOR

END = "2100-01-01T00:00:00Z"
CREDITS = {"rule_type": "credit", "period": None}
Held = tuple[str | None, str | None]


@pytest.fixture(scope="module")
def keys(service: Any) -> dict[str, str]:
    """A quota, credits, and two features of which the child grants the parent."""
    named = {name: f"{name}-{secrets.token_hex(3)}" for name in ("quota", "credits", "parent", "child")}
    terms = {"entitlement_type": "boolean", "inherits_from": [named["parent"]]}
    with service.client(OPERATOR) as operator:
        for name, key in named.items():
            data_type = "boolean" if name in {"parent", "child"} else "integer"
            body = {"resource_key": key, "name": key, "data_type": data_type}
            answer = operator.post(
                "/v1/commands/DefineResourceKey", json=body | ({"terms": terms} if name == "child" else {})
            )
            assert answer.is_success, answer.text
    return named


def own(account: Any, name: str, key: str, amount: int | None, rule: Any = None, **more: Any) -> str:
    """A provision with a rule of its own; its consistency token."""
    said = {"resource_key": key, "rule_type": "quota", "amount": amount, "period": "month", "stacking": "sum"}
    rules = [said | (rule or {})]
    about = {"provision_id": name, "source": "purchase", "set_id": f"own-{name}", "set_version": 1, "rules": rules}
    return str(account.command("ProvisionPool", **about, **more))


def told(account: Any, key: str, token: str) -> tuple[dict[str, Any], str | None]:
    """The entry of a view, and the `ends_at` of a decision; both include a change."""
    headers = {"entitlements-consistency": token}
    view = account.http.get(f"/v1/customers/{account.customer_id}/entitlements", headers=headers).json()
    decision = account.check(key, token)
    assert "code" not in view
    return view["entitlements"][key], decision["ends_at"]


def ends(account: Any, key: str, token: str) -> list[str | None]:
    entry, of_decision = told(account, key, token)
    return [entry["ends_at"], of_decision]


def test_credits_that_a_quota_draws_on(account: Any, keys: dict[str, str]) -> None:
    draws = {"credit_key": keys["credits"], "credit_rate": 1, "credit_per": 1}
    own(account, "a", keys["quota"], 0, draws)
    token = own(account, "b", keys["credits"], 100, CREDITS)
    assert ends(account, keys["quota"], token) == [None, None]
    until = "2099-01-01T00:00:00Z"
    override = {"override_id": "o", "resource_key": keys["credits"], "amount": 500, "reason": "r", "expires_at": until}
    token = account.command("SetOverride", **override)
    entry, of_decision = told(account, keys["quota"], token)
    assert (entry["remaining"], entry["ends_at"], of_decision) == (500, until, until)
    assert entry["rests_on"] == [{"pool_id": account.pool_id, "resource_key": keys["credits"]}]
    sooner = "2098-01-01T00:00:00Z"
    assert ends(account, keys["quota"], own(account, "c", keys["credits"], 1, CREDITS, ends_at=sooner)) == [sooner] * 2


def test_a_later_pool_that_usage_goes_on_to(account: Any, keys: dict[str, str]) -> None:
    other, shared = f"{account.pool_id}-more", {"workspace_id": account.customer_id, "may_overflow": True}
    own(account, "a", keys["quota"], 10)
    first = account.command("AssignWorkspace", role="primary", **shared)
    account.command("OpenPool", pool_id=other)
    own(account, "a", keys["quota"], 100, ends_at=END, pool_id=other)
    token = account.command("AssignWorkspace", role="secondary", pool_id=other, **shared)
    entry, of_decision = told(account, keys["quota"], f"{first},{token}")
    assert (entry["remaining"], entry["ends_at"], of_decision) == (100, END, END)
    assert entry["rests_on"] == [{"pool_id": other, "resource_key": keys["quota"]}]
    token = own(account, "b", keys["quota"], 200)  # Now it is the first pool that more is left in.
    assert ends(account, keys["quota"], f"{first},{token}") == [None, None]


def test_what_grants_a_feature_by_inheritance(account: Any, keys: dict[str, str]) -> None:
    override = {"override_id": "o", "resource_key": keys["child"], "allowed": True, "reason": "r", "expires_at": END}
    token = account.command("SetOverride", **override)
    entry, of_decision = told(account, keys["parent"], token)
    assert (entry["allowed"], entry["inherited_path"]) == (True, [keys["child"]])
    assert (entry["ends_at"], entry["valid_until"], of_decision) == (END, END, END)


@pytest.mark.parametrize(
    ("rule", "lowers"),
    [({"stacking": "min"}, True), ({"stacking": "sum"}, False), ({"stacking": "override"}, True)],
    ids=["min", "sum", "override"],
)
def test_a_provision_that_starts(account: Any, keys: dict[str, str], rule: dict[str, Any], *, lowers: bool) -> None:
    own(account, "a", keys["quota"], 100, rule | {"period": "lifetime"})
    starts_at = "2099-01-01T00:00:00Z"
    token = own(account, "b", keys["quota"], 10, rule | {"period": "lifetime"}, starts_at=starts_at)
    entry, of_decision = told(account, keys["quota"], token)
    assert entry["valid_until"] == starts_at
    assert [entry["ends_at"], of_decision] == [starts_at if lowers else None] * 2


def test_a_denial_that_starts(account: Any, keys: dict[str, str]) -> None:
    feature = {"rule_type": "boolean", "period": None, "stacking": "override"}
    own(account, "a", keys["child"], None, feature)
    token = own(account, "b", keys["child"], None, feature | {"denied": True}, starts_at=END)
    assert ends(account, keys["child"], token) == [END, END]
    assert ends(account, keys["parent"], token) == [END, END], "it is inherited from what ends"


def test_a_recurrence_that_lets_lapse_what_was_rolled_over(account: Any, keys: dict[str, str]) -> None:
    """Forty days ago a plan began with periods of thirty days: ten are over, what was rolled over lapses after fifteen."""
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)
    pool = f"{account.pool_id}-old"

    def at(days: int) -> str:
        return (began + timedelta(days=days)).isoformat().replace("+00:00", "Z")

    account.command("OpenPool", pool_id=pool, backfill_from=at(0), anchor_at=at(0))
    rule = {"period": "P30D", "anchored": True, "recurs": "P15D", "rollover_max": 50}
    own(account, "a", keys["quota"], 100, rule, pool_id=pool, effective_at=at(0))
    old = account.customer_id = f"{account.customer_id}-old"
    token = account.command("AssignWorkspace", pool_id=pool, workspace_id=old, role="primary")
    entry, of_decision = told(account, keys["quota"], token)
    assert (entry["remaining"], entry["resets_at"]) == (150, at(60))
    assert (entry["valid_until"], entry["ends_at"], of_decision) == (at(45), at(45), at(45))
    used = {"customer_id": old, "resource_key": keys["quota"], "quantity": 60}
    token = account.http.post("/v1/usage", json=used).headers["entitlements-consistency"]
    entry, of_decision = told(account, keys["quota"], token)
    assert (entry["remaining"], entry["valid_until"]) == (90, at(45))
    assert [entry["ends_at"], of_decision] == [None, None], "what comes anew is more than what is left"
