"""Stacking: how contributions of active provisions combine to what a pool has (DESIGN 5). None is unlimited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from entitlements.domain.values import Contribution, EffectiveValue, PeriodName, Rule, Stacking


def contribution_of(rule: Rule, provision_id: str, quantity: int) -> Contribution:
    """What a provision of that quantity adds by one rule."""
    times = quantity if rule.per_unit else 1

    def scaled(amount: int | None) -> int | None:
        return None if amount is None else amount * times

    return Contribution(
        provision_id=provision_id,
        limit=scaled(rule.amount) if rule.rule_type != "boolean" else None,
        soft_limit=scaled(rule.soft_limit),
        hard_limit=scaled(rule.hard_limit),
    )


def stack(contributions: Sequence[Contribution], stacking: Stacking, period: PeriodName | None) -> EffectiveValue:
    """The effective value of at least one contribution.

    A contribution without a soft limit warns at its limit if any other states one; one without a hard limit refuses
    above its limit.
    """
    if stacking == "any":
        return EffectiveValue(limit=None, soft_limit=None, hard_limit=None, period=None)
    combine: Callable[[Iterable[int]], int] = sum if stacking == "sum" else max
    warns = any(c.soft_limit is not None for c in contributions)
    return EffectiveValue(
        limit=_combined(combine, [c.limit for c in contributions]),
        soft_limit=_combined(combine, [_either(c.soft_limit, c.limit) for c in contributions]) if warns else None,
        hard_limit=_combined(combine, [_either(c.hard_limit, c.limit) for c in contributions]),
        period=period,
    )


def _either(stated: int | None, limit: int | None) -> int | None:
    return limit if stated is None else stated


def _combined(combine: Callable[[Iterable[int]], int], amounts: Sequence[int | None]) -> int | None:
    numbers = [amount for amount in amounts if amount is not None]
    return combine(numbers) if len(numbers) == len(amounts) else None
