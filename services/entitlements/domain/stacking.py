"""Stacking: how contributions combine to what a pool has (docs/architecture.md 5). None is unlimited.

Pure: nothing here knows of pools. `restack.py` gathers what contributes and says what differs from before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from entitlements.domain.values import Contribution, EffectiveValue, Rule, Stacking

_COMBINED: Final[dict[Stacking, Callable[[Iterable[int]], int]]] = {"sum": sum, "max": max}


def scaled(amount: int | None, rule: Rule, quantity: int) -> int | None:
    """An amount of a rule, times the provision's quantity where the rule is per unit."""
    return None if amount is None else amount * (quantity if rule.per_unit else 1)


def contribution_of(
    rule: Rule, provision_id: str, quantity: int, *, carried: int = 0, consumed: int = 0
) -> Contribution:
    """What a provision of that quantity adds by one rule, with what was carried over from before."""
    amount = scaled(rule.amount, rule, quantity)
    soft_limit, hard_limit = scaled(rule.soft_limit, rule, quantity), scaled(rule.hard_limit, rule, quantity)
    return Contribution(
        provision_id=provision_id,
        limit=amount + carried if amount is not None and rule.rule_type != "boolean" else None,
        soft_limit=None if soft_limit is None else soft_limit + carried,
        hard_limit=None if hard_limit is None else hard_limit + carried,
        carried=carried,
        consumed=consumed,
        recurs=rule.recurs,
    )


def stack(contributions: Sequence[Contribution], stacking: Stacking, ruling: Rule) -> EffectiveValue:
    """The effective value of at least one contribution; `ruling` is the rule of the one that ranks first.

    A contribution without a soft limit warns at its limit if any other states one; one without a hard limit refuses
    above its limit. By override the first contribution is all there is.
    """
    if ruling.rule_type == "boolean":
        return EffectiveValue(limit=None, soft_limit=None, hard_limit=None, period=None, min_role=ruling.min_role)
    counting = contributions[:1] if stacking == "override" else contributions
    warns = any(c.soft_limit is not None for c in counting)
    return EffectiveValue(
        limit=_combined(stacking, [c.limit for c in counting]),
        soft_limit=_combined(stacking, [_either(c.soft_limit, c.limit) for c in counting]) if warns else None,
        hard_limit=_combined(stacking, [_either(c.hard_limit, c.limit) for c in counting]),
        period=ruling.period,
        anchored=ruling.anchored,
        overage_at_reset=ruling.overage_at_reset,
        grace_for=ruling.grace_for,
        credit_key=ruling.credit_key,
        credit_rate=ruling.credit_rate,
        credit_per=ruling.credit_per,
    )


def _either(stated: int | None, limit: int | None) -> int | None:
    return limit if stated is None else stated


def _combined(stacking: Stacking, amounts: Sequence[int | None]) -> int | None:
    numbers = [amount for amount in amounts if amount is not None]
    if stacking == "min":
        return min(numbers, default=None)
    if len(numbers) < len(amounts):
        return None
    return _COMBINED.get(stacking, max)(numbers)
