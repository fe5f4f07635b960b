"""What each operator means, of which types, and what is not known: it never grants."""

from typing import Any

import pytest
from asking import a_view, held, judged

from entitlements_client.deciding import operators

A_DAY = "2026-06-16T00:00:00Z"
KNOWN: dict[str, list[tuple[Any, Any, bool | None]]] = {
    # operator: what the policy states, what the request has, what comes of it (None: it cannot be judged)
    "equals": [("a", "a", True), ("a", "A", False), (1, 1.0, True), (1, "1", None), (True, 1, None), (1, True, None), (True, True, True),
               ("a", ["a"], None), (0, float("nan"), None), ("", "", True)],
    "contains": [("b", "abc", True), ("d", "abc", False), ("b", ["a", "b"], True), ("b", [], False), (1, [True], False), (1, [1], True),
                 (1, "1", None), ("a", {"a": 1}, None), ("a", 7, None)],
    "starts_with": [("ab", "abc", True), ("b", "abc", False), ("a", 7, None)],
    "ends_with": [("bc", "abc", True), ("b", "abc", False), ("a", ["a"], None)],
    "matches": [("a*c", "abbc", True), ("a?c", "abc", True), ("a?c", "ac", False), ("*", "", True), ("a.c", "abc", False), ("a*", "a\nb", True),
                ("*b*b*", "abab", True), ("*b*b*", "ab", False), ("a*a", "a", False), ("*@x.org", "me@x.org.evil", False), ("*", 7, None)],
    "greater_than": [(1, 2, True), (1, 1, False), (1, "2", None), (1, True, None), (1, float("nan"), None), (0.5, 10**400, True), (1, [2], None)],
    "greater_or_equal": [(1, 1, True), (1, 0.99, False)],
    "less_than": [(1, 0, True), (1, 1, False), (1, "0", None)],
    "less_or_equal": [(1, 1.0, True), (1, 2, False)],
    "between": [([1, 3], 1, True), ([1, 3], 3, True), ([1, 3], 3.1, False), ([1, 3], "2", None), ([1, 3], True, None)],
    "in_set": [(["a", "b"], "b", True), (["a"], "A", False), (["a", 1], 1.0, True), (["a", 1], True, None), (["a"], 1, None), (["a"], ["a"], None)],
    "in_cidr": [("10.0.0.0/8", "10.200.0.1", True), ("10.0.0.0/8", "11.0.0.1", False), (["10.0.0.0/8", "192.168.1.0/24"], "192.168.1.255", True),
                (["10.0.0.0/8", "192.168.1.0/24"], "192.168.2.0", False), ("10.0.0.0/8", "::ffff:10.1.1.1", True),
                ("::ffff:10.0.0.0/104", "10.1.1.1", True), ("2001:db8::/32", "2001:db8::1", True), ("2001:db8::/32", "10.0.0.1", False),
                ("0.0.0.0/0", "::1", False), ("10.0.0.1", "10.0.0.1", True), ("10.0.0.0/8", "10.1", None), ("10.0.0.0/8", "x" * 9999, None),
                ("10.0.0.0/8", 167772161, None), ("fe80::/10", "fe80::1%eth0", True)],
    "before": [(A_DAY, "2026-06-15T23:59:59Z", True), (A_DAY, A_DAY, False), (A_DAY, "2026-06-16T01:00:00+02:00", True), (A_DAY, "2026-06-15", None),
               (A_DAY, "2026-06-15T00:00:00", None), (A_DAY, "soon", None), (A_DAY, 0, None), (A_DAY, "0001-01-01T00:00:00+23:59", True)],
    "after": [(A_DAY, "2026-06-16T00:00:00.001Z", True), (A_DAY, A_DAY, False), (A_DAY, "never", None)],
}  # fmt: skip
OPPOSITES = {"equals": "not_equals", "contains": "not_contains", "in_set": "not_in_set", "in_cidr": "not_in_cidr"}
CASES = [(operator, *case) for operator, cases in KNOWN.items() for case in cases]


def comparison(operator: str, value: Any) -> dict[str, Any]:
    return {"field": "metadata.x", "operator": operator, "value": value}


@pytest.mark.parametrize(("operator", "value", "found", "outcome"), CASES)
def test_an_operator_means_this(operator: str, value: Any, found: Any, *, outcome: bool | None) -> None:
    condition, context = comparison(operator, value), {"metadata": {"x": found}}
    assert judged(condition, context) is (outcome is True)
    assert judged({"not": condition}, context) is (outcome is False)
    if operator in OPPOSITES:
        assert judged(comparison(OPPOSITES[operator], value), context) is (outcome is False)


def test_what_is_no_address_is_not_remembered() -> None:
    # Kept by the thousand, with as much in each as a body may have, it would take all of a service's memory.
    before = operators._address.cache_info().currsize
    for number in range(10):
        found = f"{number}" * 100_000
        assert not judged(comparison("in_cidr", "10.0.0.0/8"), {"metadata": {"x": found}})
    assert operators._address.cache_info().currsize == before


@pytest.mark.parametrize(
    "context", [{}, {"metadata": {}}, {"metadata": {"x": None}}, {"metadata": []}, {"metadata": "x"}]
)
@pytest.mark.parametrize("operator", [*KNOWN, *OPPOSITES.values()])
def test_of_a_missing_field_nothing_holds_and_its_opposite_neither(operator: str, context: dict[str, Any]) -> None:
    stated = KNOWN.get(operator) or KNOWN[next(one for one, other in OPPOSITES.items() if other == operator)]
    condition = comparison(operator, stated[0][0])
    for tree in (
        condition,
        {"not": condition},
        {"not": {"not": condition}},
        {"all": [condition]},
        {"not": {"any": [condition]}},
    ):
        assert not judged(tree, context)


def test_whether_there_is_a_field_can_always_be_judged() -> None:
    exists, missing = ({"field": "metadata.x", "operator": operator} for operator in ("exists", "not_exists"))
    for found, there in ((0, True), ("", True), (False, True), (None, False)):
        assert judged(exists, {"metadata": {"x": found}}) is there
        assert judged(missing, {"metadata": {"x": found}}) is not there
    assert judged(missing)
    assert judged({"not": exists})


def test_any_needs_one_and_all_need_all_whatever_else_is_not_known() -> None:
    yes = comparison("equals", 1)
    no = comparison("equals", 2)
    unknown = {"field": "metadata.y", "operator": "equals", "value": 1}
    context = {"metadata": {"x": 1}}
    held_by = {
        "any": [[yes, no], [unknown, yes], [no, unknown], [no]],
        "all": [[yes, yes], [yes, unknown], [yes, no]],
    }
    assert [judged({"any": parts}, context) for parts in held_by["any"]] == [True, True, False, False]
    assert [judged({"all": parts}, context) for parts in held_by["all"]] == [True, False, False]
    # One that fails settles `all`, and one that holds settles `any`: then the opposite is known too.
    assert judged({"not": {"all": [unknown, no]}}, context)
    assert not judged({"not": {"any": [unknown, no]}}, context)
    assert judged({"not": {"any": [no]}}, context)


FIELDS = [
    ("customer.id", "c1"), ("customer.region", "EU"), ("customer.address.city", "Berlin"), ("subscription.tier", "pro"),
    ("subscription.set_id", "pro"), ("subscription.status", "active"), ("client.ip_address", "10.0.0.1"), ("client.user_agent", "curl"),
    ("client.location", "DE"), ("resource.type", "report"), ("resource.id", "r1"), ("resource.action", "export"), ("subject.id", "ann"),
    ("subject.role", "admin"), ("request.id", "q1"), ("request.timestamp", "2026-06-16T11:00:00Z"), ("request.quantity", 3),
    ("metadata.a.b", "c"), ("entitlement.entitlement_type", "boolean"), ("entitlement.allowed", False), ("entitlement.pool_id", "p1"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), FIELDS)
def test_a_field_is_read_from_where_its_path_says(field: str, value: Any) -> None:
    view = a_view(
        {"f": held(allowed=False, reason_code="not_entitled", pool_id="p1")},
        subscription={"set_id": "pro", "status": "active"},
        members={"ann": "admin"},
    )
    context = {
        "request_id": "q1", "timestamp": "2026-06-16T11:00:00Z", "metadata": {"a": {"b": "c"}},
        "client": {"ip_address": "10.0.0.1", "user_agent": "curl", "location": "DE"}, "resource": {"type": "report", "id": "r1"},
        "customer": {"id": "somebody else", "region": "EU", "address": {"city": "Berlin"}},
    }  # fmt: skip
    condition = {"field": field, "operator": "equals", "value": value}
    assert judged(condition, context, view, subject_id="ann", action="export", quantity=3)


def test_a_request_that_says_no_time_is_made_now() -> None:
    noon = {"field": "request.timestamp", "operator": "before", "value": "2026-06-16T12:00:01Z"}
    assert judged(noon)
    assert judged({"field": "request.timestamp", "operator": "after", "value": "2026-06-16T11:59:59Z"})
    assert not judged(noon, {"timestamp": "2026-06-17T00:00:00Z"})


def test_nobody_can_stall_a_decision_by_what_they_send() -> None:
    glob = {"field": "metadata.x", "operator": "matches", "value": "*a" * 127 + "b"}
    assert not judged(glob, {"metadata": {"x": "a" * 50_000}})
