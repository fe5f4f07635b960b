"""An invalid policy is refused where it is compiled, by a code and the path of what is wrong."""

import json
from typing import Any

import pytest
from asking import a_policy, compiled

from entitlements_client.deciding import PolicyIsInvalid, PolicySet, check_policy
from entitlements_client.deciding.conditions import CONDITIONS_MAX, DEPTH_MAX

YES = {"field": "metadata.x", "operator": "exists"}


def compare(operator: Any, value: Any = None, field: Any = "metadata.x") -> dict[str, Any]:
    return {"conditions": [{"field": field, "operator": operator, "value": value}]}


def nested(depth: int) -> dict[str, Any]:
    return YES if depth == 1 else {"not": nested(depth - 1)}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"policy_id": ""}, "invalid_value", "policies[0].policy_id"),
    ({"policy_id": "x" * 129}, "invalid_value", "policies[0].policy_id"),
    ({"effect": "MAYBE"}, "invalid_effect", "policies[0].effect"),
    ({"effect": ["ALLOW"]}, "invalid_effect", "policies[0].effect"),
    ({"priority": 1.5}, "invalid_priority", "policies[0].priority"),
    ({"priority": True}, "invalid_priority", "policies[0].priority"),
    ({"priority": 10**9}, "invalid_priority", "policies[0].priority"),
    ({"enabled": "no"}, "invalid_value", "policies[0].enabled"),
    ({"condition": []}, "unknown_property", "policies[0].condition"),
    ({"conditions": {}}, "invalid_value", "policies[0].conditions"),
    ({"conditions": [[]]}, "invalid_value", "policies[0].conditions[0]"),
    ({"conditions": [{"any": []}]}, "invalid_value", "policies[0].conditions[0].any"),
    ({"conditions": [{"any": [YES], "field": "x"}]}, "unknown_property", "policies[0].conditions[0].field"),
    ({"conditions": [YES | {"negate": True}]}, "unknown_property", "policies[0].conditions[0].negate"),
    ({"conditions": [YES | {"value": 1}]}, "invalid_value", "policies[0].conditions[0].value"),
    ({"conditions": [YES] * (CONDITIONS_MAX + 1)}, "too_many_conditions", "policies[0].conditions"),
    (
        {"conditions": [{"any": [YES] * 60}, {"any": [YES] * 60}]},
        "too_many_conditions",
        "policies[0].conditions[1].any[40]",
    ),
    ({"conditions": [nested(DEPTH_MAX + 1)]}, "too_deep", "policies[0].conditions[0]" + ".not" * DEPTH_MAX),
    (compare("is"), "unknown_operator", "policies[0].conditions[0].operator"),
    (compare(["equals"]), "unknown_operator", "policies[0].conditions[0].operator"),
    (compare("equals", 1, "user.id"), "unknown_field", "policies[0].conditions[0].field"),
    (compare("equals", 1, "subscription.teir"), "unknown_field", "policies[0].conditions[0].field"),
    (compare("equals", 1, "metadata"), "unknown_field", "policies[0].conditions[0].field"),
    (compare("equals", 1, "metadata..x"), "unknown_field", "policies[0].conditions[0].field"),
    (compare("equals", 1, "metadata" + ".x" * 8), "unknown_field", "policies[0].conditions[0].field"),
    (compare("equals", 1, None), "invalid_value", "policies[0].conditions[0].field"),
    (compare("equals"), "invalid_value", "policies[0].conditions[0].value"),
    (compare("equals", ["a"]), "invalid_value", "policies[0].conditions[0].value"),
    (compare("equals", float("nan")), "invalid_value", "policies[0].conditions[0].value"),
    (compare("equals", float("inf")), "invalid_value", "policies[0].conditions[0].value"),
    (compare("equals", 2**63), "invalid_value", "policies[0].conditions[0].value"),
    (compare("greater_than", -(10**4_000)), "invalid_value", "policies[0].conditions[0].value"),
    (compare("between", [0, 2**64]), "invalid_value", "policies[0].conditions[0].value[1]"),
    (compare("in_set", [10**400]), "invalid_value", "policies[0].conditions[0].value[0]"),
    (compare("greater_than", 10**309), "invalid_value", "policies[0].conditions[0].value"),
    (compare("in_set", [1, -(10**309)]), "invalid_value", "policies[0].conditions[0].value[1]"),
    (compare("greater_than", "2"), "invalid_value", "policies[0].conditions[0].value"),
    (compare("greater_than", True), "invalid_value", "policies[0].conditions[0].value"),
    (compare("between", [1]), "invalid_value", "policies[0].conditions[0].value"),
    (compare("between", [2, 1]), "invalid_value", "policies[0].conditions[0].value"),
    (compare("between", [1, "2"]), "invalid_value", "policies[0].conditions[0].value[1]"),
    (compare("in_set", "a"), "invalid_value", "policies[0].conditions[0].value"),
    (compare("in_set", []), "invalid_value", "policies[0].conditions[0].value"),
    (compare("in_set", ["a", None]), "invalid_value", "policies[0].conditions[0].value[1]"),
    (compare("in_set", list(range(1001))), "invalid_value", "policies[0].conditions[0].value"),
    (compare("matches", "*" * 257), "invalid_value", "policies[0].conditions[0].value"),
    (compare("in_cidr", "10.0.0.1/8"), "invalid_cidr", "policies[0].conditions[0].value"),
    (compare("in_cidr", ["10.0.0.0/8", "ten"]), "invalid_cidr", "policies[0].conditions[0].value[1]"),
    (compare("in_cidr", 7), "invalid_value", "policies[0].conditions[0].value"),
    (compare("before", "2026-01-01"), "invalid_instant", "policies[0].conditions[0].value"),
    (compare("after", 0), "invalid_instant", "policies[0].conditions[0].value"),
    ({"resource_keys": "premium"}, "invalid_value", "policies[0].resource_keys"),
    ({"resource_keys": ["a", ""]}, "invalid_value", "policies[0].resource_keys[1]"),
    ({"actions": [7]}, "invalid_value", "policies[0].actions[0]"),
    ({"temporal": {"since": 1}}, "unknown_property", "policies[0].temporal.since"),
    ({"temporal": {"starts_at": "2026-01-01T00:00:00"}}, "invalid_instant", "policies[0].temporal.starts_at"),
    (
        {"temporal": {"starts_at": "2026-01-02T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"}},
        "invalid_temporal",
        "policies[0].temporal.ends_at",
    ),
    ({"temporal": {"weekdays": ["monday"]}}, "invalid_temporal", "policies[0].temporal.weekdays[0]"),
    ({"temporal": {"from": "9:00"}}, "invalid_temporal", "policies[0].temporal.from"),
    ({"temporal": {"until": "24:01"}}, "invalid_temporal", "policies[0].temporal.until"),
    ({"temporal": {"from": "24:00"}}, "invalid_temporal", "policies[0].temporal.from"),
    ({"temporal": {"from": "09:00", "until": "09:00"}}, "invalid_temporal", "policies[0].temporal.until"),
    ({"temporal": {"time_zone": "Mars/Olympus"}}, "invalid_time_zone", "policies[0].temporal.time_zone"),
    ({"temporal": {"time_zone": "../../etc/passwd"}}, "invalid_time_zone", "policies[0].temporal.time_zone"),
]


@pytest.mark.parametrize(("what", "code", "path"), REFUSED)
def test_what_cannot_be_meant_is_refused_by_code_and_path(what: dict[str, Any], code: str, path: str) -> None:
    with pytest.raises(PolicyIsInvalid) as refused:
        compiled(a_policy(**what) | what)
    assert (refused.value.code, refused.value.path) == (code, path)
    assert str(refused.value).startswith(f"{path}: ")


def test_the_whole_document_is_checked_too() -> None:
    for document, code in (
        ([], "invalid_value"),
        ({"policies": {}}, "invalid_value"),
        ({"polices": []}, "unknown_property"),
        ({"version": -1}, "invalid_value"),
        ({"policies": [a_policy("p"), a_policy("p")]}, "duplicate_policy"),
        ({"policies": [a_policy(f"p{n}") for n in range(1001)]}, "too_many_policies"),
        ({"policies": [None]}, "invalid_value"),
    ):
        with pytest.raises(PolicyIsInvalid) as refused:
            PolicySet.compile(document)
        assert refused.value.code == code


def test_one_policy_is_checked_by_itself_and_what_it_leaves_out_has_a_default() -> None:
    policy = check_policy({"policy_id": "p", "effect": "DENY"})
    assert (policy.name, policy.priority, policy.enabled, policy.resource_keys) == ("p", 0, True, ())
    with pytest.raises(PolicyIsInvalid, match=r"policy\.effect: effect must be ALLOW or DENY, not null"):
        check_policy({"policy_id": "p"})


def test_what_is_as_large_as_it_may_be_compiles() -> None:
    whole = a_policy(conditions=[YES] * CONDITIONS_MAX), a_policy("deep", conditions=[nested(DEPTH_MAX)])
    assert len(PolicySet.compile(json.loads(json.dumps({"policies": whole}))).policies) == 2


def test_a_long_wrong_value_makes_no_long_message() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    for value in ("x" * 100_000, deep):
        with pytest.raises(PolicyIsInvalid) as refused:
            compiled(a_policy(priority=value))
        assert len(str(refused.value)) < 200
