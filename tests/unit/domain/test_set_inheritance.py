"""Sets that extend sets: what is inherited and what a set says itself become its rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given as generated
from hypothesis import settings
from hypothesis import strategies as st
from specification import given, happens
from tests.nightly import examples

from entitlements.domain.commands import DefineEntitlementSet
from entitlements.domain.errors import (
    CommandRefused,
    InheritanceCycle,
    InheritanceIsTooDeep,
    InvalidCommand,
    InvalidRules,
    ParentsDisagree,
    UnknownParent,
)
from entitlements.domain.inheritance import RULE_FIELDS, Catalogue, Resolution, SetVersion, newest, resolve, whole
from entitlements.domain.lineage import ANCESTORS_MAX, GENERATIONS_MAX
from entitlements.domain.values import Inheritance, OwnRule, ParentSet, Rule
from entitlements.examples import define_entitlement_set, feature, limit, quota

MODES: tuple[Inheritance, ...] = ("merge", "replace", "additive")


def a_set(
    set_id: str,
    *own: Rule | OwnRule,
    extends: Iterable[str | ParentSet] = (),
    how: Inheritance = "merge",
    version: int = 1,
) -> SetVersion:
    """A set; a rule of which nothing else is said is stated whole, a parent by its id in version 1."""
    return SetVersion(
        set_id=set_id,
        version=version,
        extends=[ParentSet(set_id=one, version=1) if isinstance(one, str) else one for one in extends],
        inheritance=how,
        own_rules=[one if isinstance(one, OwnRule) else whole([one])[0] for one in own],
    )


def changes(rule: Rule, *stated: str) -> OwnRule:
    """A rule of which only some fields are stated."""
    return OwnRule(rule=rule, stated=list(stated))


def catalogue(*sets: SetVersion) -> Catalogue:
    return {(one.set_id, one.version): one for one in sets}


def resolved(*sets: SetVersion) -> Resolution:
    """The last of them, which may descend from the others."""
    return resolve(sets[-1], catalogue(*sets[:-1]))


def amounts(found: Resolution) -> dict[str, int | None]:
    return {rule.resource_key: rule.amount for rule in found.rules}


# --- One parent -------------------------------------------------------------------------------------------------------


def test_by_merge_a_rule_states_only_what_it_changes() -> None:
    base = a_set("base", quota(amount=100, soft_limit=80, period="month", rollover_max=7), feature())
    found = resolved(base, a_set("pro", changes(quota(amount=500, period="day"), "amount"), extends=["base"]))
    assert found.rules == [quota(amount=500, soft_limit=80, period="month", rollover_max=7), feature()]
    assert found.sources == {"api_calls": ("base", "pro"), "premium_analytics": ("base",)}


def test_by_merge_unlimited_and_no_warning_can_be_stated() -> None:
    base = a_set("base", quota(amount=100, soft_limit=80))
    found = resolved(base, a_set("pro", changes(quota(amount=None), "amount", "soft_limit"), extends=["base"]))
    assert found.rules == [quota(amount=None)]


def test_by_replace_a_rule_stands_for_the_whole_of_its_key_and_other_keys_are_inherited() -> None:
    base = a_set("base", quota(amount=100, soft_limit=80, rollover_max=7), limit())
    found = resolved(base, a_set("pro", quota(amount=500), extends=["base"], how="replace"))
    assert found.rules == [quota(amount=500), limit()]
    assert found.sources["api_calls"] == ("pro",)


def test_by_replace_a_key_may_even_change_its_type() -> None:
    found = resolved(a_set("base", quota("x")), a_set("pro", limit("x"), extends=["base"], how="replace"))
    assert found.rules == [limit("x")]


def test_additive_amounts_soft_and_hard_limits_add_up() -> None:
    base = a_set("base", quota(amount=100, soft_limit=80, hard_limit=120))
    more = changes(quota(amount=50, soft_limit=40, hard_limit=60), "amount", "soft_limit", "hard_limit")
    found = resolved(base, a_set("pro", more, feature(), extends=["base"], how="additive"))
    assert found.rules == [quota(amount=150, soft_limit=120, hard_limit=180), feature()]
    assert found.sources["api_calls"] == ("base", "pro")


@pytest.mark.parametrize(
    ("first", "second", "total"),
    [
        (quota(amount=None), quota(amount=5), quota(amount=None)),
        (quota(amount=10, soft_limit=8), quota(amount=5), quota(amount=15, soft_limit=13)),
        (quota(amount=10), quota(amount=5, hard_limit=9), quota(amount=15, hard_limit=19)),
        (quota(amount=None, soft_limit=8), quota(amount=5, soft_limit=4), quota(amount=None, soft_limit=12)),
        (feature(), feature(), feature()),
    ],
)
def test_limits_add_up_as_those_of_contributions_do(first: Rule, second: Rule, total: Rule) -> None:
    for one, other in ((first, second), (second, first)):
        assert resolved(a_set("base", one), a_set("pro", other, extends=["base"], how="additive")).rules == [total]


def test_a_key_that_nothing_inherited_has_stands_as_it_is() -> None:
    for how in MODES:
        assert resolved(a_set("base", quota()), a_set("pro", limit(), extends=["base"], how=how)).rules == [
            quota(),
            limit(),
        ]


# --- Several parents --------------------------------------------------------------------------------------------------


def test_of_two_parents_the_later_wins_and_the_child_comes_last() -> None:
    one, two = a_set("one", quota(amount=1), limit(amount=1)), a_set("two", quota(amount=2), feature())
    for how in ("merge", "replace"):
        assert amounts(resolved(one, two, a_set("c", extends=["one", "two"], how=how)))["api_calls"] == 2
        assert amounts(resolved(one, two, a_set("c", extends=["two", "one"], how=how)))["api_calls"] == 1
        child = a_set("c", quota(amount=3), extends=["one", "two"], how=how)
        assert amounts(resolved(one, two, child)) == {"api_calls": 3, "seats": 1, "premium_analytics": None}


def test_additive_parents_add_up() -> None:
    one, two = a_set("one", quota(amount=1)), a_set("two", quota(amount=2), limit())
    found = resolved(one, two, a_set("bundle", extends=["one", "two"], how="additive"))
    assert amounts(found) == {"api_calls": 3, "seats": 5}
    assert found.sources == {"api_calls": ("one", "two"), "seats": ("two",)}


@pytest.mark.parametrize(("how", "amount"), [("merge", 900), ("replace", 900), ("additive", 1000)])
def test_what_a_parent_merely_hands_on_gives_way_to_what_another_made_of_it(how: Inheritance, amount: int) -> None:
    """base is reached twice: by `big`, which changes it, and by `wide`, which says nothing of it but comes later."""
    base, big = a_set("base", quota(amount=100)), a_set("big", quota(amount=900), extends=["base"], how=how)
    wide = a_set("wide", limit(), extends=["base"])
    for order in (["big", "wide"], ["wide", "big"]):
        assert amounts(resolved(base, big, wide, a_set("c", extends=order)))["api_calls"] == amount


def test_of_two_that_changed_the_same_ancestor_the_later_wins() -> None:
    base = a_set("base", quota(amount=100))
    big, bigger = (a_set(name, quota(amount=n), extends=["base"]) for name, n in (("big", 500), ("bigger", 900)))
    assert amounts(resolved(base, big, bigger, a_set("c", extends=["bigger", "big"])))["api_calls"] == 500


@pytest.mark.parametrize(("how", "amount"), [("merge", 900), ("replace", 900), ("additive", 1000)])
def test_a_set_comes_after_those_it_extends_in_whatever_order_they_are_listed(how: Inheritance, amount: int) -> None:
    base, big = a_set("base", quota(amount=100)), a_set("big", quota(amount=900), extends=["base"], how=how)
    assert amounts(resolved(base, big, a_set("c", extends=["big", "base"])))["api_calls"] == amount


def test_an_ancestor_reached_twice_adds_up_once() -> None:
    base = a_set("base", quota(amount=100))
    one, two = (a_set(name, quota(amount=n), extends=["base"], how="additive") for name, n in (("one", 10), ("two", 1)))
    assert amounts(resolved(base, one, two, a_set("c", extends=["one", "two"], how="additive"))) == {"api_calls": 111}
    assert amounts(resolved(base, one, two, a_set("c", extends=["one", "two", "base"], how="additive"))) == {
        "api_calls": 111
    }


def test_what_another_made_of_an_ancestor_counts_instead_of_it() -> None:
    base = a_set("base", quota(amount=100))
    big = a_set("big", changes(quota(amount=200), "amount"), extends=["base"])
    more = a_set("more", quota(amount=7), extends=["base"], how="additive")
    for order in (["big", "more"], ["more", "big"]):
        assert amounts(resolved(base, big, more, a_set("c", extends=order, how="additive"))) == {"api_calls": 207}


def test_an_ancestor_reached_in_two_versions_counts_once_in_the_newer() -> None:
    old, new = a_set("base", quota(amount=100)), a_set("base", quota(amount=300), version=2)
    one = a_set("one", limit(), extends=[ParentSet(set_id="base", version=1)])
    two = a_set("two", feature(), extends=[ParentSet(set_id="base", version=2)])
    for how in MODES:
        for order in (["one", "two"], ["two", "one"]):
            assert amounts(resolved(old, new, one, two, a_set("c", extends=order, how=how)))["api_calls"] == 300


def test_two_that_each_have_beaten_the_other_are_settled_by_their_order() -> None:
    one, two = a_set("one", quota(amount=1)), a_set("two", quota(amount=2))
    first, second = a_set("first", extends=["two", "one"]), a_set("second", extends=["one", "two"])
    family = (one, two, first, second)
    assert amounts(resolved(*family, a_set("c", extends=["first", "second"]))) == {"api_calls": 2}
    assert amounts(resolved(*family, a_set("c", extends=["second", "first"]))) == {"api_calls": 1}
    assert amounts(resolved(*family, a_set("c", extends=["first", "second"], how="additive"))) == {"api_calls": 3}


# --- Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        (quota(period="day"), quota(period="month"), "period"),
        (quota("x"), limit("x"), "period|rule_type"),
        (quota(stacking="sum"), quota(stacking="max"), "stacking"),
        (quota(), quota(per_unit=True), "per_unit"),
        (quota(rollover_max=1), quota(rollover_max=2), "rollover_max"),
    ],
)
def test_what_adds_up_agrees_in_everything_else(one: Rule, other: Rule, what: str) -> None:
    sets = a_set("one", one), a_set("two", other)
    with pytest.raises(ParentsDisagree, match=what):
        resolved(*sets, a_set("c", extends=["one", "two"], how="additive"))
    with pytest.raises(ParentsDisagree, match=what):
        resolved(sets[0], a_set("c", other, extends=["one"], how="additive"))


def test_by_merge_nobody_changes_the_type_of_a_key() -> None:
    with pytest.raises(ParentsDisagree, match="x is a quota of base, and a limit of c"):
        resolved(a_set("base", quota("x")), a_set("c", limit("x"), extends=["base"]))


@pytest.mark.parametrize("how", ["merge", "additive"])
def test_a_rule_that_nothing_stands_behind_is_whole(how: Inheritance) -> None:
    with pytest.raises(InvalidRules, match="rule_type"):
        resolved(a_set("base", feature()), a_set("c", changes(quota(), "amount"), extends=["base"], how=how))
    with pytest.raises(InvalidRules, match="amount"):
        resolved(
            a_set("base", feature()), a_set("c", changes(quota(), "rule_type", "period"), extends=["base"], how=how)
        )


def test_what_is_added_has_an_amount() -> None:
    with pytest.raises(InvalidRules, match="needs an amount"):
        resolved(a_set("base", quota()), a_set("c", changes(quota(), "rule_type"), extends=["base"], how="additive"))


def test_what_comes_out_keeps_to_the_rules_of_rules() -> None:
    base = a_set("base", quota(amount=100, hard_limit=120))
    with pytest.raises(InvalidRules, match="hard limit must not be below"):
        resolved(base, a_set("c", changes(quota(amount=500), "amount"), extends=["base"]))
    with pytest.raises(InvalidRules, match="2\\^53"):
        resolved(a_set("base", quota(amount=2**53)), a_set("c", quota(amount=1), extends=["base"], how="additive"))


def test_a_parent_must_be_known_in_its_version() -> None:
    with pytest.raises(UnknownParent, match="base version 2"):
        resolved(a_set("base", quota()), a_set("c", extends=[ParentSet(set_id="base", version=2)]))
    with pytest.raises(UnknownParent, match="base"):
        newest("base", {})
    assert newest("base", catalogue(a_set("base", version=1), a_set("base", version=3), a_set("other", version=9))) == 3


def test_a_cycle_is_refused_by_its_path() -> None:
    b, c = a_set("b", extends=["c"]), a_set("c", quota(), extends=["a"])
    with pytest.raises(InheritanceCycle, match=r"a -> b -> c -> a"):
        resolved(b, c, a_set("a", extends=["b"], version=2))
    with pytest.raises(InheritanceCycle, match=r"a -> a"):
        resolved(a_set("a", quota()), a_set("a", extends=["a"], version=2))


def test_a_cycle_behind_the_newest_versions_is_refused_too() -> None:
    """Neither version 1 nor 2 of either goes round; what counts of both, the newest, does."""
    a1, b1 = a_set("a", quota()), a_set("b", quota())
    a2 = a_set("a", extends=[ParentSet(set_id="b", version=1)], version=2)
    b2 = a_set("b", extends=[ParentSet(set_id="a", version=1)], version=2)
    with pytest.raises(InheritanceCycle, match=r"a -> b -> a"):
        resolved(a1, b1, a2, b2, a_set("c", extends=[ParentSet(set_id=name, version=2) for name in ("a", "b")]))


def test_generations_and_ancestors_are_bounded() -> None:
    def chain(length: int) -> list[SetVersion]:
        return [a_set("s0", quota()), *(a_set(f"s{n}", extends=[f"s{n - 1}"]) for n in range(1, length + 1))]

    assert amounts(resolved(*chain(GENERATIONS_MAX))) == {"api_calls": 100}
    with pytest.raises(InheritanceIsTooDeep):
        resolved(*chain(GENERATIONS_MAX + 1))
    with pytest.raises(InheritanceIsTooDeep):
        resolved(*chain(1_000))
    many = [a_set(f"s{n}", quota()) for n in range(ANCESTORS_MAX + 1)]
    assert resolved(*many, a_set("c", extends=[one.set_id for one in many[:-1]])).rules == [quota()]
    with pytest.raises(InheritanceIsTooDeep):
        resolved(*many, a_set("c", extends=[one.set_id for one in many]))


# --- The definition as the log decides it -----------------------------------------------------------------------------


def define(child: SetVersion, *others: SetVersion, **more: Any) -> DefineEntitlementSet:
    found = resolved(*others, child)
    facts = {"extends": list(child.extends), "inheritance": child.inheritance, "own_rules": found.own_rules}
    return define_entitlement_set(child.set_id, **{"rules": found.rules} | facts | more)


BASE = a_set("base", quota(amount=100), limit())
PRO = a_set("pro", changes(quota(amount=500), "amount"), extends=["base"])


def test_a_definition_records_what_it_says_itself_its_parents_and_what_came_out() -> None:
    (
        given()
        .when(define(PRO, BASE))
        .then(
            happens(
                "EntitlementSetDefined",
                version=1,
                extends=[ParentSet(set_id="base", version=1)],
                inheritance="merge",
                own_rules=[changes(quota(amount=500), "amount")],
                rules=[quota(amount=500), limit()],
            )
        )
    )


def test_the_same_definition_again_is_no_new_version_but_another_parent_or_way_is() -> None:
    command = define(PRO, BASE)
    given(command).when(command).then_nothing()
    newer = [ParentSet(set_id="base", version=2)]
    given(command).when(replace(command, extends=newer)).then(happens("EntitlementSetDefined", version=2))
    given(command).when(replace(command, inheritance="replace")).then(happens("EntitlementSetDefined", version=2))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"extends": [ParentSet(set_id="pro", version=1)]}, InheritanceCycle),
        ({"extends": [ParentSet(set_id="base", version=n) for n in (1, 2)]}, InvalidCommand),
        ({"extends": [ParentSet(set_id="base", version=0)]}, InvalidCommand),
        ({"extends": [ParentSet(set_id="", version=1)]}, InvalidCommand),
        ({"extends": [ParentSet(set_id=f"s{n}", version=1) for n in range(101)]}, InheritanceIsTooDeep),
        ({"extends": []}, InvalidCommand),
        ({"own_rules": [changes(quota(amount=501), "amount")]}, InvalidRules),
        ({"own_rules": [changes(quota(amount=500, period="\0"), "amount")]}, InvalidRules),
        ({"own_rules": [changes(quota(amount=500), "colour")]}, InvalidRules),
        ({"inheritance": "additive", "own_rules": [changes(quota(amount=-1), "amount")]}, InvalidRules),
        ({"inheritance": "additive", "own_rules": [changes(quota(amount=1, period="month"), "amount")]}, InvalidRules),
        ({"own_rules": [changes(quota(amount=500), "resource_key")]}, InvalidRules),
        ({"own_rules": [changes(quota("other"), "amount")]}, InvalidRules),
        ({"own_rules": [changes(quota(amount=500), "amount")] * 2}, InvalidRules),
        ({"own_rules": [changes(quota(amount=500))] * 501}, InvalidRules),
        ({"rules": []}, InvalidRules),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused(wrong: dict[str, Any], reason: type[CommandRefused]) -> None:
    given().when(define(PRO, BASE, **wrong)).refused(reason)


# --- Whatever is defined ----------------------------------------------------------------------------------------------

KEYS = ("calls", "seats", "sso")
RULES = {"calls": quota("calls"), "seats": limit("seats"), "sso": feature("sso")}


@st.composite
def families(draw: st.DrawFn, modes: Sequence[Inheritance] = MODES) -> list[SetVersion]:
    """Up to eight sets, each of which may extend those before it; the last is the one to resolve."""
    sets: list[SetVersion] = []
    for number in range(draw(st.integers(1, 8))):
        before = [one.set_id for one in sets]
        parents = draw(st.permutations(before).flatmap(lambda p: st.integers(0, min(3, len(p))).map(lambda n: p[:n])))
        keys = draw(st.sets(st.sampled_from(KEYS), min_size=0 if parents else 1))
        own = []
        for key in sorted(keys):
            facts = {} if key == "sso" else {"amount": draw(st.integers(0, 50) | st.none())}
            own.append(replace(RULES[key], **facts))
        sets.append(a_set(f"s{number}", *own, extends=parents, how=draw(st.sampled_from(modes))))
    return sets


def descent(sets: Sequence[SetVersion], set_id: str) -> set[str]:
    """A set and all it descends from, by walking."""
    parents = {one.set_id: [parent.set_id for parent in one.extends] for one in sets}
    found, left = set(), [set_id]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += parents[name]
    return found


MANY = settings(max_examples=examples(80), deadline=None)


@MANY
@generated(sets=families(("additive",)))
def test_additive_sets_add_up_everything_they_descend_from_once(sets: list[SetVersion]) -> None:
    expected: dict[str, int | None] = {}
    for one in sets:
        if one.set_id in descent(sets, sets[-1].set_id):
            for own in one.own_rules:
                key, amount = own.rule.resource_key, own.rule.amount
                known = expected.get(key, 0)
                expected[key] = None if known is None or amount is None else known + amount
    assert amounts(resolved(*sets)) == expected


@MANY
@generated(sets=families(("merge", "replace")))
def test_nobody_loses_to_its_own_ancestor(sets: list[SetVersion]) -> None:
    """What comes out of a key is the rule of a set of which no descendant in the family says anything of that key."""
    family = descent(sets, sets[-1].set_id)
    says = {one.set_id: {own.rule.resource_key: own.rule for own in one.own_rules} for one in sets}
    for rule in resolved(*sets).rules:
        speakers = {name for name in family if rule.resource_key in says[name]}
        last = {name for name in speakers if not any(name in descent(sets, o) for o in speakers - {name})}
        assert rule in [says[name][rule.resource_key] for name in last]


@MANY
@generated(sets=families())
def test_a_set_that_says_nothing_itself_is_its_only_parent(sets: list[SetVersion]) -> None:
    for how in MODES:
        child = a_set("child", extends=[sets[-1].set_id], how=how)
        assert resolved(*sets, child).rules == resolved(*sets).rules


@MANY
@generated(sets=families())
def test_a_merge_that_states_nothing_is_its_parent_and_one_that_states_all_is_a_replacement(
    sets: list[SetVersion],
) -> None:
    inherited = {rule.resource_key: rule for rule in resolved(*sets).rules}
    silent = [changes(replace(rule, per_unit=True)) for rule in inherited.values()]
    assert resolved(*sets, a_set("child", *silent, extends=[sets[-1].set_id])).rules == list(inherited.values())
    loud = [replace(rule, per_unit=True) for rule in inherited.values()]
    merged, put = (resolved(*sets, a_set("c", *loud, extends=[sets[-1].set_id], how=h)) for h in ("merge", "replace"))
    assert merged.rules == put.rules == loud


@MANY
@generated(sets=families(), shuffled=st.randoms(use_true_random=False))
def test_what_comes_out_is_the_same_again_from_what_was_recorded(sets: list[SetVersion], shuffled: Any) -> None:
    """The event holds the set's own rules as they came out; they and its parents lead to the same rules at any time."""
    found = resolved(*sets)
    others = list(sets[:-1])
    shuffled.shuffle(others)
    again = replace(sets[-1], own_rules=found.own_rules) if sets[-1].extends else sets[-1]
    assert resolved(*others, again) == found


@MANY
@generated(sets=families())
def test_what_was_resolved_is_accepted(sets: list[SetVersion]) -> None:
    given().when(define(sets[-1], *sets[:-1])).then(happens("EntitlementSetDefined", version=1))


@MANY
@generated(
    edges=st.dictionaries(st.integers(0, 7), st.lists(st.integers(0, 7), max_size=3, unique=True)),
)
def test_every_cycle_is_refused_and_nothing_else(edges: dict[int, list[int]]) -> None:
    sets = [a_set(f"s{n}", quota(), extends=[f"s{parent}" for parent in edges.get(n, ())]) for n in range(8)]
    parents = {one.set_id: {parent.set_id for parent in one.extends} for one in sets}
    goes_round = any(name in descent(sets, parent) for name in descent(sets, "s0") for parent in parents[name])
    if goes_round:
        with pytest.raises(InheritanceCycle) as refusal:
            resolve(sets[0], catalogue(*sets[1:]))
        path = str(refusal.value).partition("(")[2].rstrip(")").split(" -> ")
        assert path[0] == path[-1]
        assert all(after in parents[before] for before, after in pairwise(path))
    else:
        assert resolve(sets[0], catalogue(*sets[1:])).rules == [quota()]


def test_every_field_of_a_rule_can_be_stated() -> None:
    assert set(vars(quota())) == RULE_FIELDS | {"resource_key"}
