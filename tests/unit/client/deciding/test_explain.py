"""The dry run tells the five steps, and of every condition what came of it."""

import json

from asking import NOW, a_policy, a_view, compiled

from entitlements_client.deciding import Context, Request, explain

EU = {"field": "customer.region", "operator": "equals", "value": "EU"}
OLD = {"field": "metadata.age", "operator": "greater_than", "value": 17}


def test_every_step_is_told() -> None:
    policies = compiled(
        a_policy("beta", "ALLOW", priority=1, conditions=[EU, {"any": [OLD, {"not": OLD}]}]),
        a_policy("all", "ALLOW", conditions=[EU]),
        a_policy("other_key", resource_keys=["g"]),
        a_policy("other_action", actions=["delete"]),
        a_policy("weekend", temporal={"weekdays": ["sat"]}),
        a_policy("off", enabled=False),
    )
    request = Request("c1", "f", context=Context.from_document({"customer": {"region": "EU"}}))
    told = json.loads(json.dumps(explain(a_view(), policies, request, NOW)))
    assert list(told) == ["context", "matching", "conditions", "conflict_resolution", "decision"]
    assert told["context"]["fields"] == {"customer.region": "EU", "metadata.age": None}
    assert {one["policy_id"]: one["why_not"] for one in told["matching"]} == {
        "beta": None, "all": None, "other_key": "resource_key", "other_action": "action", "weekend": "temporal", "off": "disabled",
    }  # fmt: skip
    beta, _ = told["conditions"]
    assert (beta["policy_id"], beta["holds"]) == ("beta", False)
    assert beta["conditions"][0] == EU | {"found": "EU", "outcome": "holds"}
    assert beta["conditions"][1]["outcome"] == "cannot_be_judged"
    assert beta["conditions"][1]["any"][1]["not"]["found"] is None
    assert told["conflict_resolution"]["winner"]["policy_id"] == "all"
    assert (told["decision"]["reason_code"], told["decision"]["allowed"]) == ("policy_allowed", True)


def test_it_says_by_what_the_winner_won() -> None:
    def because(*policies: dict[str, object]) -> str:
        told: str = explain(a_view(), compiled(*policies), Request("c1", "f"), NOW)["conflict_resolution"]["because"]
        return told

    assert because() == "no policy applies: the customer's entitlements decide"
    assert because(a_policy("a")) == "the only policy whose conditions hold"
    assert because(a_policy("a", priority=2), a_policy("b", "DENY", priority=1)) == "highest priority (2)"
    assert because(a_policy("a", priority=2), a_policy("b", "DENY", priority=2)).startswith("DENY wins")
