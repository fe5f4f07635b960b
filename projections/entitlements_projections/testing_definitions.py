"""Definitions for generated histories: keys with documents, and sets that extend others."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from entitlements.domain import commands as asks
from entitlements.domain.aggregate import from_ms
from entitlements.domain.values import Constraints, KeyTerms, LadderRung, OwnRule, ParentSet, Rule, UsageTracking

LADDERS: Final = ("plans", "packs", "tiers")
FEATURES: Final = ("premium_analytics", "basic_analytics", "reports_view")


def random_definition(random: Random, unique: str, rules: list[Rule], at_ms: int) -> asks.Command:
    """Define a key, a set or a ladder; a few of them again and again."""
    made = random.choice((_key, _set, _set))(random, unique, rules, at_ms)
    return _ladder(unique, at_ms) if at_ms % 5 == 0 else made


def _ladder(unique: str, at_ms: int) -> asks.Command:
    rungs = [LadderRung(rung=rung, name=f"Tier {rung}") for rung in range(1, 3 + at_ms % 2)]
    return asks.DefineLadder(command_id=unique, ladder=LADDERS[at_ms % 3], name="Plans", rungs=rungs)


def _set(random: Random, unique: str, rules: list[Rule], at_ms: int) -> asks.Command:
    parents = random.sample(("base", "free", "extra"), random.randint(0, 3))
    facts: dict[str, Any] = {}
    if parents:
        facts = {
            "extends": [ParentSet(set_id=parent, version=random.randint(1, 3)) for parent in parents],
            "inheritance": random.choice(("merge", "replace", "additive")),
            "own_rules": [OwnRule(rule=rule, stated=["amount", "rule_type"]) for rule in rules[: random.randint(0, 2)]],
        }
    if at_ms % 3:
        facts |= {"ladder": LADDERS[at_ms % 3], "rung": at_ms % 4}
    name = random.choice(("Plan", "Better plan"))
    return asks.DefineEntitlementSet(
        command_id=unique, set_id=random.choice(("pro", "max")), name=name, rules=rules, **facts
    )


def _key(random: Random, unique: str, _: list[Rule], at_ms: int) -> asks.Command:
    key, *parents = random.sample(FEATURES, random.randint(1, 3))
    tracking = UsageTracking(enabled=True, reset_period="month", soft_limit=5, hard_limit=random.choice((None, 9)))
    terms = KeyTerms(
        entitlement_type="boolean",
        default_value=random.choice((None, 0, 1)),
        inherits_from=parents,
        override_policy=random.choice(("always_allow", "parent_wins", "child_wins")),
        usage_tracking=random.choice((None, tracking)),
        constraints=random.choice((None, Constraints(geographic_restrictions=["EU"], start_date=from_ms(at_ms)))),
    )
    described = random.choice((terms, terms, None))
    return asks.DefineResourceKey(command_id=unique, resource_key=key, name=key, data_type="boolean", terms=described)
