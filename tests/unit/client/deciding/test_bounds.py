"""No caller and no policy makes a decision slow: contexts are bounded, policies too, and what searches takes linear time."""

from __future__ import annotations

import time
from typing import Any

import pytest
from asking import judged
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nightly import examples

from entitlements_client.deciding import (
    Context,
    CustomerView,
    PolicyIsInvalid,
    PolicySet,
    Request,
    check_policy,
    decide,
    explain,
)
from entitlements_client.deciding.context import CHARACTERS_MAX, DEPTH_MAX, TEXT_CHARACTERS_MAX, VALUES_MAX
from entitlements_client.deciding.fields import Items
from entitlements_client.deciding.globs import matcher
from entitlements_client.deciding.kinds import kind_of

NOW = 1_800_000_000.0
VIEW = CustomerView.from_document(
    {"customer_id": "ws-1", "entitlements": {"sso": {"allowed": True, "reason_code": "allowed"}}}
)
#: Seconds that what is bounded may take on a machine that is busy; unbounded it takes minutes.
BOUNDED_FOR = 5.0


def policies(*conditions: dict[str, Any]) -> PolicySet:
    return PolicySet.compile({"policies": [{"policy_id": "p", "effect": "DENY", "conditions": list(conditions)}]})


def holds(operator: str, value: Any, found: Any) -> bool:
    condition = {"field": "metadata.x", "operator": operator, "value": value}
    return judged(condition, {"metadata": {"x": found}})


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


AT_BOUNDS: list[dict[str, Any]] = [
    {"metadata": {"list": ["x"] * (VALUES_MAX - 1)}},
    {"metadata": {"text": "x" * TEXT_CHARACTERS_MAX}},
    {"metadata": {"deep": nested(DEPTH_MAX - 1)}},
    {"metadata": {f"{n:04}": "x" * 2_000 for n in range(CHARACTERS_MAX // 2_004)}},
    {"request_id": "x" * TEXT_CHARACTERS_MAX},
]
ABOVE: list[dict[str, Any]] = [
    {"metadata": {"list": ["x"] * VALUES_MAX}},
    {"metadata": {"text": "x" * (TEXT_CHARACTERS_MAX + 1)}},
    {"metadata": {"list": ["x" * (TEXT_CHARACTERS_MAX + 1)]}},
    {"metadata": {"deep": nested(DEPTH_MAX)}},
    {"metadata": {f"{n:04}": "x" * 2_000 for n in range(CHARACTERS_MAX // 2_004 + 1)}},
    {"metadata": {"x" * (CHARACTERS_MAX + 1): 1}},
    {"customer": {"list": ["x"] * 600}, "metadata": {"list": ["x"] * 600}},
    {"request_id": "x" * (TEXT_CHARACTERS_MAX + 1)},
    {"timestamp": "x" * (TEXT_CHARACTERS_MAX + 1)},
    {"client": {"user_agent": ["x" * 2_000] * 17}},
]


@pytest.mark.parametrize("context", AT_BOUNDS)
def test_a_context_at_its_bounds_is_decided(context: dict[str, Any]) -> None:
    request = Request("ws-1", "sso", context=Context.from_document(context))
    assert decide(VIEW, policies({"field": "metadata.no", "operator": "exists"}), request, NOW).allowed


@pytest.mark.parametrize("context", ABOVE)
@pytest.mark.parametrize("quantity", [None, 1, 0])
def test_one_above_them_decides_nothing_and_no_policy_allows_it(context: dict[str, Any], quantity: int | None) -> None:
    allow = PolicySet.compile({"policies": [{"policy_id": "p", "effect": "ALLOW"}]})
    for key in ("sso", "unknown"):
        request = Request("ws-1", key, quantity, context=Context.from_document(context))
        decision = decide(VIEW, allow, request, NOW)
        assert (decision.allowed, decision.reason_code) == (False, "context_too_large")
        assert not decision.matched_policies
    assert "context" in decision.sentence
    assert explain(VIEW, allow, request, NOW)["decision"]["reason_code"] == "context_too_large"


def test_a_million_texts_are_refused_in_a_moment() -> None:
    """One policy of 100 comparisons took 26 s for it, and held up everybody else."""
    hundred = [{"field": "metadata.list", "operator": "not_contains", "value": f"y{n}"} for n in range(100)]
    request = Request("ws-1", "sso", context=Context(metadata={"list": [f"x{n}" for n in range(1_000_000)]}))
    began = time.monotonic()
    assert decide(VIEW, policies(*hundred), request, NOW).reason_code == "context_too_large"
    assert time.monotonic() - began < BOUNDED_FOR


VALUES = st.one_of(
    st.integers(-2, 2), st.floats(-2, 2), st.just(float("nan")), st.booleans(), st.none(), st.text("ab1", max_size=2)
)


@given(
    st.lists(VALUES | st.lists(st.just(1), max_size=1), max_size=6),
    VALUES.filter(lambda value: kind_of(value) is not None),
)
@settings(max_examples=examples(300), deadline=None)
def test_what_is_in_a_list_is_what_is_equal_and_of_its_kind(items: list[Any], value: Any) -> None:
    plainly = any(kind_of(item) == kind_of(value) and item == value for item in items)
    assert Items(items).holds(value, str(kind_of(value))) is plainly
    assert holds("contains", value, items) is plainly


@given(st.text("ab", min_size=1, max_size=3), st.text("ab", max_size=6), st.integers(0, 200))
@settings(max_examples=examples(300), deadline=None)
def test_a_long_text_is_searched_as_a_short_one(part: str, text: str, times: int) -> None:
    long = text * times
    assert holds("contains", part, long) is (part in long)
    assert matcher(f"*{part}*")(long) is (part in long)


def test_patterns_take_time_that_grows_with_the_text_alone() -> None:
    """Both as bad as can be: Python's own search would take 100 us for each of them, and backtracking for ever."""
    part = "a" * 49 + "b" + "a" * 49
    text, long = "a" * 2_048, "a" * (2_048 * 64)
    assert not matcher(f"*{part}*{part}*")(text)
    began = time.monotonic()
    for _ in range(20):
        assert not matcher(f"*{part}*")(long)
    assert time.monotonic() - began < BOUNDED_FOR


def test_what_may_take_long_is_refused_where_it_is_defined() -> None:
    """100 comparisons of any kind are taken; many long patterns with a `?` between two stars are not."""
    plain = [{"field": "metadata.x", "operator": "contains", "value": f"bot{n}"} for n in range(100)]
    assert check_policy({"policy_id": "p", "effect": "DENY", "conditions": plain}).cost > 0
    starred = [{"field": "metadata.x", "operator": "matches", "value": f"*bot{n}*"} for n in range(100)]
    assert check_policy({"policy_id": "p", "effect": "DENY", "conditions": starred}).cost > 0
    form = {"field": "metadata.x", "operator": "matches", "value": "*" + "a" * 40 + "?b*"}
    assert check_policy({"policy_id": "p", "effect": "DENY", "conditions": [form] * 10}).cost > 0
    with pytest.raises(PolicyIsInvalid) as refused:
        check_policy({"policy_id": "p", "effect": "DENY", "conditions": [form] * 20})
    assert (refused.value.code, refused.value.path) == ("too_expensive", "policy")


def test_what_policies_cost_is_known_by_key() -> None:
    hundred = [{"field": "metadata.x", "operator": "contains", "value": f"bot{n}"} for n in range(100)]
    one = {"policy_id": "p", "effect": "DENY", "resource_keys": ["sso"], "conditions": hundred}
    several = PolicySet.compile({"policies": [one, {"policy_id": "q", "effect": "DENY", "resource_keys": ["export"]}]})
    assert several.cost_about("export") == several.cost
    for key in ("export", "sso"):
        several.program(key)
    assert several.cost_about("export") == 0 < several.cost_about("sso") == several.cost
