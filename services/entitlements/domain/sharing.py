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


def shared_rules(rules: Sequence[Rule]) -> list[Rule]:
    """The rules themselves, or a list that equals theirs."""
    return _list_of(tuple(rules))


@lru_cache(maxsize=10_000)
def _list_of(rules: tuple[Rule, ...]) -> list[Rule]:
    return list(rules)
