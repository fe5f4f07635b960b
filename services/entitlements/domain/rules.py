"""What the rules of a set must keep to, alone and beside the rules a pool holds already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from entitlements.domain.errors import InvalidId, InvalidRules, RulesConflict, TooManyProvisions
from entitlements.domain.periods import LIFETIME, check_period, length_ms
from entitlements.domain.pools import PROVISIONS_MAX, ResourcePool
from entitlements.domain.values import ID_CHARACTERS_MAX, NO_SEGMENTS, QUANTITY_MAX, Rule, is_id

#: How each type of rule may stack.
STACKINGS: Final[dict[str, tuple[str, ...]]] = {
    "boolean": ("any", "override"),
    "limit": ("sum", "max", "min", "override"),
    "quota": ("sum", "max", "min", "override"),
    "credit": ("sum",),
}
ROLES: Final = ("", "viewer", "editor", "admin")
#: Seconds: 40 days, so that a month's usage may be a month late.
GRACE_FOR_MAX: Final = 40 * 86_400
GRACE_PERIODS_MAX: Final = 100
#: Bound of prices and rates; with quantities up to 2^53 no product leaves what Python and Avro agree on after division.
RATE_MAX: Final = 10**9
#: Bound of the rules of one set; with PROVISIONS_MAX it bounds what one restacking looks at.
RULES_MAX: Final = 500


def check_rules(rules: Sequence[Rule], *, empty: bool = False) -> None:
    """Each rule is valid, and no key has two; empty: there may be none."""
    if not rules and not empty:
        raise InvalidRules("a set needs at least one rule")
    if len(rules) > RULES_MAX:
        raise InvalidRules(f"{len(rules)} rules; the maximum is {RULES_MAX}")
    seen: set[str] = set()
    for rule in rules:
        _check_rule(rule)
        if rule.resource_key in seen:
            raise InvalidRules(f"{rule.resource_key} has two rules")
        seen.add(rule.resource_key)


def _check_rule(rule: Rule) -> None:
    key = rule.resource_key
    if not is_id(key):
        raise InvalidRules(f"a resource key has 1 to {ID_CHARACTERS_MAX} characters, without NUL")
    for name in (key, rule.credit_key):
        if name in NO_SEGMENTS:
            raise InvalidId(f"resource_key is {name}, which a URL path cannot contain")
    for amount in (rule.amount, rule.soft_limit, rule.hard_limit):
        if amount is not None and not 0 <= amount <= QUANTITY_MAX:
            raise InvalidRules(f"{key}: amounts must be integers from 0 to 2^53")
    _check_type(rule)
    _check_periods(rule)
    _check_credit_rate(rule)
    if rule.hard_limit is not None and (rule.amount is None or rule.hard_limit < rule.amount):
        raise InvalidRules(f"{key}: the hard limit must not be below the included amount")


def _check_type(rule: Rule) -> None:
    key = rule.resource_key
    if rule.stacking not in STACKINGS[rule.rule_type]:
        raise InvalidRules(f"{key}: stacking of a {rule.rule_type} must be {', '.join(STACKINGS[rule.rule_type])}")
    if rule.rule_type == "quota" and rule.period is None:
        raise InvalidRules(f"{key}: a quota needs a period, such as month or lifetime")
    if rule.rule_type in ("boolean", "limit") and rule.period is not None:
        raise InvalidRules(f"{key}: only quotas and credits can have a period")
    if rule.rule_type == "boolean" and (rule.amount, rule.soft_limit, rule.hard_limit) != (None, None, None):
        raise InvalidRules(f"{key}: a feature cannot have amounts")
    if rule.denied and (rule.rule_type, rule.stacking) != ("boolean", "override"):
        raise InvalidRules(f"{key}: only a feature that stacks by override can be denied")
    if rule.min_role not in ROLES or (rule.min_role and rule.rule_type != "boolean"):
        raise InvalidRules(f"{key}: the required role must be viewer, editor or admin")


def _check_periods(rule: Rule) -> None:
    key = rule.resource_key
    if rule.period is not None:
        check_period(rule.period)
    if rule.recurs is not None:
        check_period(rule.recurs)
        if rule.period is None or rule.amount is None or rule.stacking != "sum":
            raise InvalidRules(f"{key}: a recurrence needs a finite amount, a longer period and stacking sum")
    if not 0 <= rule.rollover_min <= rule.rollover_max <= QUANTITY_MAX:
        raise InvalidRules(f"{key}: rollover_min must be 0 to rollover_max")
    if rule.rollover_max and (rule.period is None or rule.amount is None or rule.stacking != "sum"):
        raise InvalidRules(f"{key}: only periodic amounts with stacking sum can roll over")
    if rule.grace_for:
        if rule.period is None or rule.period == LIFETIME or not 0 < rule.grace_for <= GRACE_FOR_MAX:
            raise InvalidRules(f"{key}: grace_for must be 1 to {GRACE_FOR_MAX} seconds, for a period that ends")
        if rule.grace_for * 1_000 > GRACE_PERIODS_MAX * length_ms(rule.period):
            raise InvalidRules(f"{key}: grace_for must not exceed {GRACE_PERIODS_MAX} periods")
    if rule.overage_at_reset == "preserve" and rule.period is None:
        raise InvalidRules(f"{key}: preserving overage needs a period")


def _check_credit_rate(rule: Rule) -> None:
    key = rule.resource_key
    if rule.credit_key is None:
        if (rule.credit_rate, rule.credit_per) != (0, 1):
            raise InvalidRules(f"{key}: a credit rate needs a credit_key")
        return
    if rule.rule_type != "quota" or rule.credit_key == key or not is_id(rule.credit_key):
        raise InvalidRules(f"{key}: only a quota can use credits, and only of another key")
    if not (0 < rule.credit_rate <= RATE_MAX and 0 < rule.credit_per <= RATE_MAX):
        raise InvalidRules(f"{key}: credit_rate and credit_per must be 1 to {RATE_MAX}")


def check_amounts(rules: Iterable[Rule], quantity: int) -> None:
    """No amount of a provision of that quantity leaves the range of quantities."""
    for rule in rules:
        for amount in (rule.amount, rule.soft_limit, rule.hard_limit, rule.rollover_max):
            if rule.per_unit and amount is not None and amount * quantity > QUANTITY_MAX:
                raise InvalidRules(f"{rule.resource_key}: {amount} times {quantity} exceeds 2^53")


def check_rules_beside(pool: ResourcePool, rules: Iterable[Rule], besides: Collection[str] = (), room: int = 1) -> None:
    """Whoever confers a key on one pool must agree on its type, period and stacking policy.

    besides: who does not count; room: for how many more provisions there must be room.
    """
    provisions = [p for p in pool.provisions.values() if not p.is_over and p.provision_id not in besides]
    if len(provisions) + room > PROVISIONS_MAX:
        raise TooManyProvisions
    check_rules_agree(rules, [*pool.defaults.values(), *(rule for p in provisions for rule in p.rules)])


def check_defaults_beside(pool: ResourcePool, rules: Iterable[Rule]) -> None:
    """What the pool has by itself is of the same kind as what is conferred on it."""
    check_rules_agree(rules, [rule for p in pool.provisions.values() if not p.is_over for rule in p.rules])


def check_rules_agree(rules: Iterable[Rule], held: Iterable[Rule]) -> None:
    """Of each key the type, period and stacking policy are the same everywhere. Raises RulesConflict."""
    shapes: dict[str, set[tuple[str, str | None, str, bool]]] = {}
    for rule in held:
        shapes.setdefault(rule.resource_key, set()).add(_shape(rule))
    for rule in rules:
        for other in shapes.get(rule.resource_key, set()) - {_shape(rule)}:
            raise RulesConflict(f"{rule.resource_key} is {_told(other)} in the pool and {_told(_shape(rule))} here")


def _shape(rule: Rule) -> tuple[str, str | None, str, bool]:
    return rule.rule_type, rule.period, rule.stacking, rule.anchored


def _told(shape: tuple[str, str | None, str, bool]) -> str:
    rule_type, period, stacking, anchored = shape
    by = f" per {period}" if period is not None else ""
    since = ", anchored" if anchored else ""
    return f"a {rule_type}{by} with stacking {stacking}{since}"
