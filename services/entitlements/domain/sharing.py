"""Values that very many pools have alike, such as the rules of a plan: each is in memory once, however many pools have it.

Nobody changes them in place: values are frozen, and a provision that is revised has other rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from entitlements.domain.values import EffectiveValue, Rule


@lru_cache(maxsize=10_000)
def shared_value(value: EffectiveValue) -> EffectiveValue:
    """The value itself, or one that equals it."""
    return value


class Rules(list[Rule]):
    """Rules that nobody changes, found by their keys: a pool may have provisions of hundreds of rules, and asks about each key."""

    __slots__ = ("_by_key",)
    _by_key: dict[str, list[Rule]]

    def about(self, resource_key: str) -> Sequence[Rule]:
        """Those of a key, in their order."""
        try:
            by_key = self._by_key
        except AttributeError:
            by_key = self._by_key = {}
            for rule in self:
                by_key.setdefault(rule.resource_key, []).append(rule)
        return by_key.get(resource_key, ())


def rules_about(rules: Sequence[Rule], resource_key: str) -> Sequence[Rule]:
    """Those of a key among the rules of a provision, in their order."""
    if type(rules) is Rules:
        return rules.about(resource_key)
    return [rule for rule in rules if rule.resource_key == resource_key]


def shared_rules(rules: Sequence[Rule]) -> list[Rule]:
    """The rules themselves, or a list that equals theirs."""
    return _list_of(tuple(rules))


@lru_cache(maxsize=10_000)
def _list_of(rules: tuple[Rule, ...]) -> Rules:
    return Rules(rules)
