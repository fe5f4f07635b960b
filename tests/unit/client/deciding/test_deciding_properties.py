"""What holds for whatever policies, customers and requests: generated ones, with values of every kind."""

import random
from typing import Any

from asking import NOW, a_quota, a_view, compiled, held
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nightly import examples

from entitlements_client.deciding import Context, CustomerView, Request, decide, explain
from entitlements_client.deciding.operators import COMPARING

TEXTS = st.sampled_from(["a", "ab", "b", "", "10.0.0.1", "2026-06-16T00:00:00Z"])
SCALARS = TEXTS | st.integers(-2, 2) | st.booleans() | st.sampled_from([0.5, 1.0])
SENT = SCALARS | st.none() | st.lists(SCALARS, max_size=2) | st.dictionaries(TEXTS, SCALARS, max_size=1) | st.floats()
FIELDS = st.sampled_from(
    [
        "metadata.a",
        "metadata.b.c",
        "customer.region",
        "subscription.tier",
        "subject.role",
        "client.ip_address",
        "resource.id",
    ]
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(COMPARING, SCALARS),
    **dict.fromkeys(["starts_with", "ends_with", "matches"], st.sampled_from(["a", "*b", "?", "10.*"])),
    **dict.fromkeys(["greater_than", "greater_or_equal", "less_than", "less_or_equal"], st.integers(-2, 2)),
    "between": st.sampled_from([[-1, 1], [0, 0]]),
    **dict.fromkeys(["in_set", "not_in_set"], st.lists(SCALARS, min_size=1, max_size=3)),
    **dict.fromkeys(["in_cidr", "not_in_cidr"], st.sampled_from(["10.0.0.0/8", "::/0", ["11.0.0.0/8"]])),
    **dict.fromkeys(["before", "after"], st.just("2026-06-16T00:00:00+01:00")),
}  # fmt: skip
COMPARISONS = st.sampled_from(sorted(VALUES)).flatmap(
    lambda operator: st.fixed_dictionaries({"field": FIELDS, "operator": st.just(operator), "value": VALUES[operator]})
)


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda parts: (
            st.fixed_dictionaries({"not": parts})
            | st.fixed_dictionaries({"any": st.lists(parts, min_size=1, max_size=3)})
            | st.fixed_dictionaries({"all": st.lists(parts, min_size=1, max_size=3)})
        ),
        max_leaves=5,
    )


EXISTING = st.fixed_dictionaries({"field": FIELDS, "operator": st.sampled_from(["exists", "not_exists"])})


def policies(conditions: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.fixed_dictionaries(
        {
            "policy_id": st.sampled_from([f"p{n}" for n in range(20)]),
            "effect": st.sampled_from(["ALLOW", "DENY"]),
            "priority": st.integers(0, 2),
            "resource_keys": st.sampled_from([[], ["f"], ["g*", "q"], ["?"]]),
            "actions": st.sampled_from([[], ["read"]]),
            "conditions": st.lists(conditions, max_size=3),
            "temporal": st.sampled_from([None, {"weekdays": ["tue"]}, {"from": "13:00"}]),
            "enabled": st.sampled_from([True, True, True, False]),
        }
    )
    return st.lists(one, max_size=6, unique_by=lambda policy: policy["policy_id"])


CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.dictionaries(st.sampled_from(["a", "b"]), SENT) | SENT,
        "customer": st.dictionaries(st.sampled_from(["region", "country"]), SENT) | SENT,
        "client": st.dictionaries(st.sampled_from(["ip_address", "location"]), SENT),
        "resource": st.dictionaries(st.sampled_from(["id", "action"]), SENT),
    },
)
REQUESTS = st.builds(
    lambda key, quantity, subject, context: Request(
        "c1", key, quantity, subject, context=Context.from_document(context)
    ),
    st.sampled_from(["f", "g1", "q", "unknown"]),
    st.sampled_from([None, None, 1, 5, 0]),
    st.sampled_from(["", "ann", "eve"]),
    CONTEXTS,
)
ENTRIES = st.sampled_from(
    [
        held(),
        held(min_role="editor"),
        held(allowed=False, reason_code="denied"),
        a_quota(3),
        held(constraints={"geographic_restrictions": ["EU"]}),
    ]
)
VIEWS = st.builds(
    lambda entitlements, subscription: a_view(entitlements, members={"ann": "admin"}, subscription=subscription),
    st.dictionaries(st.sampled_from(["f", "q"]), ENTRIES),
    st.sampled_from([None, {"set_id": "a"}, {"set_id": "b"}]),
)
POLICIES = policies(trees(COMPARISONS | EXISTING))


@given(VIEWS, POLICIES, REQUESTS)
@settings(max_examples=examples(80), deadline=None)
def test_explain_agrees_with_decide(view: CustomerView, listed: list[dict[str, Any]], request: Request) -> None:
    decision, told = decide(view, compiled(*listed), request, NOW), explain(view, compiled(*listed), request, NOW)
    assert told["decision"]["allowed"] is decision.allowed
    assert told["decision"]["reason_code"] == decision.reason_code
    if decision.reason_code != "invalid_quantity":
        assert told["conflict_resolution"]["held"] == decision.matched_policies
    asked = {one["policy_id"] for one in told["matching"] if one["matches"]}
    assert (
        asked
        == {one["policy_id"] for one in told["conditions"]}
        >= {one["policy_id"] for one in decision.matched_policies}
    )


@given(VIEWS, POLICIES, REQUESTS, st.randoms(use_true_random=False))
@settings(max_examples=examples(50), deadline=None)
def test_the_order_of_policies_does_not_matter(
    view: CustomerView, listed: list[dict[str, Any]], request: Request, chance: random.Random
) -> None:
    shuffled = chance.sample(listed, len(listed))
    first, second = (decide(view, compiled(*each), request, NOW) for each in (listed, shuffled))
    assert (first.allowed, first.reason_code, first.matched_policies) == (
        second.allowed,
        second.reason_code,
        second.matched_policies,
    )


@given(VIEWS, POLICIES, REQUESTS)
@settings(max_examples=examples(50), deadline=None)
def test_deny_wins_a_tie(view: CustomerView, listed: list[dict[str, Any]], request: Request) -> None:
    highest = max((policy["priority"] for policy in listed), default=0)
    denies = {"policy_id": "last", "effect": "DENY", "priority": highest}
    decision = decide(view, compiled(*listed, denies), request, NOW)
    assert (decision.allowed, decision.reason_code) in {(False, "policy_denied"), (False, "invalid_quantity")}


@given(policies(trees(COMPARISONS)), CONTEXTS, st.sampled_from(["metadata", "customer", "client", "resource"]))
@settings(max_examples=examples(80), deadline=None)
def test_leaving_something_out_never_grants(listed: list[dict[str, Any]], context: dict[str, Any], part: str) -> None:
    grants = compiled(*(policy | {"effect": "ALLOW"} for policy in listed))
    without = {name: value for name, value in context.items() if name != part}
    more, less = (
        decide(a_view(), grants, Request("c1", "f", context=Context.from_document(each)), NOW)
        for each in (context, without)
    )
    assert more.allowed or not less.allowed


@given(VIEWS, POLICIES, REQUESTS)
@settings(max_examples=examples(50), deadline=None)
def test_allow_never_lifts_anything_but_not_entitled(
    view: CustomerView, listed: list[dict[str, Any]], request: Request
) -> None:
    before, after = (decide(view, compiled(*each), request, NOW) for each in ([], listed))
    if after.allowed and not before.allowed:
        assert (before.reason_code, after.reason_code) == ("not_entitled", "policy_allowed")
