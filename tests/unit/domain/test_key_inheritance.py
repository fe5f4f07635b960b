"""Keys that inherit from keys: whoever holds the child is granted its parents, as far as its policy goes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given as generated
from hypothesis import settings
from hypothesis import strategies as st
from tests.nightly import examples

from entitlements.domain.errors import InheritanceCycle, InheritanceIsTooDeep
from entitlements.domain.key_inheritance import (
    KeyAnswer,
    KeyGraph,
    KeyNode,
    Said,
    allowed,
    check_lineage,
    granted,
)
from entitlements.domain.values import Constraints, OverridePolicy
from entitlements.examples import NOON

HELD, DENIED, OFF, ON = Said(held=True), Said(denied=True), Said(held=True, overridden=False), Said(overridden=True)
POLICIES: tuple[OverridePolicy, ...] = get_args(OverridePolicy)


def inherits(*parents: str, policy: OverridePolicy = "always_allow", constraints: Constraints | None = None) -> KeyNode:
    return KeyNode(inherits_from=list(parents), override_policy=policy, constraints=constraints)


def answer(
    key: str, said: dict[str, Said], graph: KeyGraph, country: str | None = None, at: datetime = NOON
) -> KeyAnswer:
    return allowed(key, said, graph, country=country, at=at)


def may(key: str, said: dict[str, Said], graph: KeyGraph, **where: str) -> tuple[bool, str]:
    found = answer(key, said, graph, **where)
    return found.allowed, found.reason_code


# --- Policies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_holding_the_child_grants_a_parent_of_which_nothing_is_said(policy: OverridePolicy) -> None:
    graph = {"premium": inherits("basic", policy=policy)}
    assert answer("basic", {"premium": HELD}, graph) == KeyAnswer(
        allowed=True, reason_code="inherited", path=("premium", "basic"), policy=policy
    )
    assert may("basic", {}, graph) == (False, "not_entitled")
    assert may("premium", {"basic": HELD}, graph) == (False, "not_entitled")


@pytest.mark.parametrize(
    ("policy", "said", "expected"),
    [
        ("always_allow", DENIED, (True, "inherited")),
        ("always_allow", OFF, (True, "inherited")),
        ("always_allow", Said(denied=True, overridden=False), (True, "inherited")),
        ("child_wins", DENIED, (True, "inherited")),
        ("child_wins", OFF, (False, "overridden")),
        ("child_wins", Said(denied=True, overridden=False), (False, "overridden")),
        ("parent_wins", DENIED, (False, "denied")),
        ("parent_wins", OFF, (False, "overridden")),
        ("parent_wins", Said(denied=True, overridden=False), (False, "overridden")),
        ("parent_wins", HELD, (True, "held")),
        ("parent_wins", ON, (True, "held")),
        ("always_allow", HELD, (True, "held")),
        ("child_wins", Said(denied=True, overridden=True), (True, "held")),
    ],
)
def test_the_policy_of_the_child_says_whether_the_parents_own_value_decides(
    policy: OverridePolicy, said: Said, expected: tuple[bool, str]
) -> None:
    assert may("basic", {"premium": HELD, "basic": said}, {"premium": inherits("basic", policy=policy)}) == expected


@pytest.mark.parametrize("said", [DENIED, OFF, Said(), Said(denied=True, overridden=False)])
def test_a_child_that_is_not_had_grants_nothing(said: Said) -> None:
    assert not answer("basic", {"premium": said}, {"premium": inherits("basic")}).allowed


def test_a_grant_goes_on_to_the_parents_of_parents_each_by_the_policy_of_its_child() -> None:
    graph = {"gold": inherits("silver"), "silver": inherits("bronze", policy="parent_wins"), "bronze": inherits("tin")}
    assert answer("tin", {"gold": HELD}, graph) == KeyAnswer(
        allowed=True, reason_code="inherited", path=("gold", "silver", "bronze", "tin"), policy="always_allow"
    )
    assert may("bronze", {"gold": HELD, "bronze": DENIED}, graph) == (False, "denied")
    assert may("tin", {"gold": HELD, "bronze": DENIED}, graph) == (False, "not_entitled")
    assert may("bronze", {"gold": HELD, "silver": OFF}, graph) == (True, "inherited")


def test_one_child_that_grants_is_enough() -> None:
    graph = {"weak": inherits("basic", policy="parent_wins"), "strong": inherits("basic", policy="child_wins")}
    held = {"weak": HELD, "strong": HELD, "basic": DENIED}
    assert answer("basic", held, graph).path == ("strong", "basic")
    assert may("basic", held | {"strong": Said()}, graph) == (False, "denied")


def test_only_features_grant_and_are_granted() -> None:
    number = KeyNode(data_type="integer", inherits_from=["basic"], override_policy="always_allow")
    assert may("basic", {"calls": HELD}, {"calls": number}) == (False, "not_entitled")
    graph = {"premium": inherits("calls"), "calls": KeyNode(data_type="integer")}
    assert may("calls", {"premium": HELD}, graph) == (False, "not_entitled")
    assert may("undefined", {"premium": HELD}, {"premium": inherits("undefined")}) == (True, "inherited")


# --- Constraints ------------------------------------------------------------------------------------------------------


def test_a_key_that_may_not_be_used_here_or_now_is_refused_and_grants_nothing() -> None:
    only_us = Constraints(geographic_restrictions=["US"])
    graph = {"premium": inherits("basic", constraints=only_us)}
    said = {"premium": HELD}
    assert may("premium", said, graph, country="US") == (True, "held")
    assert may("basic", said, graph, country="US") == (True, "inherited")
    for key in ("premium", "basic"):
        assert may(key, said, graph, country="DE") == (False, "country_not_allowed")
        assert may(key, said, graph) == (False, "country_unknown")
    assert may("basic", said | {"basic": HELD}, graph, country="DE") == (True, "held")


def test_what_is_granted_is_constrained_itself() -> None:
    over = Constraints(end_date=NOON - timedelta(days=1))
    graph = {"premium": inherits("basic"), "basic": KeyNode(constraints=over)}
    assert may("basic", {"premium": HELD}, graph) == (False, "no_longer_valid")
    assert may("basic", {}, graph) == (False, "not_entitled"), "who has it not hears that first"


def test_another_way_round_a_constraint_is_taken() -> None:
    only_us = Constraints(geographic_restrictions=["US"])
    graph = {"short": inherits("basic", constraints=only_us), "long": inherits("middle"), "middle": inherits("basic")}
    said = {"short": HELD, "long": HELD}
    assert answer("basic", said, graph, country="US").path == ("short", "basic")
    assert answer("basic", said, graph, country="DE").path == ("long", "middle", "basic")


# --- Cycles and whatever there is -------------------------------------------------------------------------------------


def test_a_cycle_is_refused_by_its_path_when_a_key_is_defined() -> None:
    graph = {"b": inherits("c"), "c": inherits("a"), "a": inherits("old")}
    with pytest.raises(InheritanceCycle, match=r"a -> b -> c -> a"):
        check_lineage("a", ["b"], graph)
    with pytest.raises(InheritanceCycle, match=r"a -> a"):
        check_lineage("a", ["a"], graph)
    check_lineage("a", ["old", "other"], graph)
    with pytest.raises(InheritanceIsTooDeep):
        check_lineage("k0", ["k1"], {f"k{n}": inherits(f"k{n + 1}") for n in range(1, 50)})


KEYS = "abcdef"
SAID = st.builds(Said, held=st.booleans(), denied=st.booleans(), overridden=st.sampled_from((None, True, False)))
NODES = st.builds(
    KeyNode,
    data_type=st.sampled_from(("boolean", "boolean", "integer", None)),
    inherits_from=st.lists(st.sampled_from(KEYS), max_size=3, unique=True),
    override_policy=st.sampled_from(POLICIES),
)
GRAPHS = st.dictionaries(st.sampled_from(KEYS), NODES)


def by_the_book(said: dict[str, Said], graph: KeyGraph) -> set[str]:
    """Who is granted what, by asking of every pair again and again until nothing is new."""
    own = {key: said.get(key, Said()).decision for key in KEYS}
    had = {key for key in KEYS if own[key]}
    while True:
        new = set()
        for child in had:
            node = graph.get(child, KeyNode())
            for parent in node.inherits_from:
                numbers = "integer" in (node.data_type, graph.get(parent, KeyNode()).data_type)
                overridden = said.get(parent, Said()).overridden is not None
                policy = node.override_policy
                wins = {"always_allow": True, "child_wins": not overridden, "parent_wins": own[parent] is None}[policy]
                if not numbers and wins:
                    new.add(parent)
        if new <= had:
            return had
        had |= new


@settings(max_examples=examples(400), deadline=None)
@generated(said=st.dictionaries(st.sampled_from(KEYS), SAID), graph=GRAPHS)
def test_whatever_goes_round_all_that_is_granted_is_found_and_why(said: dict[str, Said], graph: KeyGraph) -> None:
    found = granted(said, graph)
    assert set(found) == by_the_book(said, graph)
    for key, why in found.items():
        if why.reason_code == "held":
            assert (said[key].decision, why.path) == (True, ())
        else:
            child = graph[why.path[-2]]
            assert (why.path[-1], why.policy) == (key, child.override_policy)
            assert key in child.inherits_from
            assert said[why.path[0]].decision is True
        assert answer(key, said, graph) == why


@settings(max_examples=examples(200), deadline=None)
@generated(said=st.dictionaries(st.sampled_from(KEYS), SAID), graph=GRAPHS, more=st.sampled_from(KEYS))
def test_to_be_given_one_more_key_never_takes_another_away(said: dict[str, Said], graph: KeyGraph, more: str) -> None:
    before, after = granted(said, graph), granted(said | {more: Said(overridden=True)}, graph)
    assert set(before) <= set(after)


# --- Suspensions ------------------------------------------------------------------------------------------------------


def test_what_a_suspended_feature_would_grant_is_told_to_be_suspended() -> None:
    graph = {"premium": inherits("basic"), "basic": inherits("tin")}
    suspended = {"premium": Said(suspended=True)}
    for key in ("premium", "basic", "tin"):
        assert may(key, suspended, graph) == (False, "provision_suspended")
    assert may("other", suspended, graph) == (False, "not_entitled")
    assert may("basic", suspended | {"basic": HELD}, graph) == (True, "held")
    assert may("basic", suspended | {"basic": OFF}, graph) == (False, "provision_suspended"), (
        "always_allow grants it anyway"
    )
    strict = {"premium": inherits("basic", policy="parent_wins")}
    assert may("basic", suspended | {"basic": OFF}, strict) == (False, "overridden"), "it is off after a resumption too"
    assert may("premium", {"premium": Said(suspended=True, denied=True)}, graph) == (False, "denied")
    assert granted(suspended, graph) == {}
