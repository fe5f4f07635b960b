"""What the rules of a set must keep to, alone and beside the rules a pool holds already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from entitlements.domain.errors import InvalidRules, RulesConflict, TooManyProvisions
from entitlements.domain.pools import PROVISIONS_MAX, ResourcePool
from entitlements.domain.values import ID_CHARACTERS_MAX, QUANTITY_MAX, Rule, is_id

#: Bound of the rules of one set; with PROVISIONS_MAX it bounds what one restacking looks at.
RULES_MAX: Final = 500


def check_rules(rules: Sequence[Rule]) -> None:
    """Each rule can be meant, and no key has two."""
    if not rules:
        raise InvalidRules("a set confers at least one resource key")
    if len(rules) > RULES_MAX:
        raise InvalidRules(f"{len(rules)} rules are more than {RULES_MAX}")
    seen: set[str] = set()
    for rule in rules:
        _check_rule(rule)
        if rule.resource_key in seen:
            raise InvalidRules(f"{rule.resource_key} has two rules")
        seen.add(rule.resource_key)


def _check_rule(rule: Rule) -> None:
    key = rule.resource_key
    if not is_id(key):
        raise InvalidRules(f"a resource key has 1 to {ID_CHARACTERS_MAX} characters, none of them zero")
    for amount in (rule.amount, rule.soft_limit, rule.hard_limit):
        if amount is not None and not 0 <= amount <= QUANTITY_MAX:
            raise InvalidRules(f"{key}: amounts are integers from 0 to 2^53")
    if rule.rule_type == "credit":
        raise InvalidRules(f"{key}: credit rules are not supported yet")
    if (rule.rule_type == "boolean") != (rule.stacking == "any"):
        raise InvalidRules(f"{key}: features stack by any, numbers by sum or max")
    if (rule.rule_type == "quota") != (rule.period is not None):
        raise InvalidRules(f"{key}: a quota has a period, and nothing else has")
    if rule.rule_type == "boolean" and (rule.amount, rule.soft_limit, rule.hard_limit) != (None, None, None):
        raise InvalidRules(f"{key}: a feature has no amounts")
    if rule.hard_limit is not None and (rule.amount is None or rule.hard_limit < rule.amount):
        raise InvalidRules(f"{key}: the hard limit is not below the included amount")


def check_amounts(rules: Iterable[Rule], quantity: int) -> None:
    """No amount of a provision of that quantity leaves the range of quantities."""
    for rule in rules:
        for amount in (rule.amount, rule.soft_limit, rule.hard_limit):
            if rule.per_unit and amount is not None and amount * quantity > QUANTITY_MAX:
                raise InvalidRules(f"{rule.resource_key}: {amount} times {quantity} is above 2^53")


def check_rules_beside(pool: ResourcePool, rules: Iterable[Rule]) -> None:
    """Whoever confers a key on one pool must agree on its type, period and stacking policy."""
    provisions = [provision for provision in pool.provisions.values() if not provision.is_over]
    if len(provisions) >= PROVISIONS_MAX:
        raise TooManyProvisions
    held = {rule.resource_key: rule for provision in provisions for rule in provision.rules}
    for rule in rules:
        other = held.get(rule.resource_key)
        if other is not None and _shape(other) != _shape(rule):
            raise RulesConflict(f"{rule.resource_key} is {_shape(other)} there and {_shape(rule)} here")


def _shape(rule: Rule) -> tuple[str, str | None, str]:
    return rule.rule_type, rule.period, rule.stacking
