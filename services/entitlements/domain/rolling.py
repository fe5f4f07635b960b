"""What rolls over from one period into the next, what lapses, and when the next one is due.

Asked are the contributions, not the value in force: paused, overridden and denied ones roll over, lapse and decide about overage too.
Example: 100 with rollover_max 20, 60 used; of the 40 left 20 roll over (`carried`) and 20 lapse. A period in which nothing was used ends by
an event only if a value changes, so an idle pool adds nothing to the ledger.

Questions change nothing. take_terms, schedule_roll and reschedule take the answer into the state; events call them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entitlements.domain.aggregate import NEVER_MS
from entitlements.domain.buckets import UNLIMITED, Bucket, Rest
from entitlements.domain.periods import LIFETIME
from entitlements.domain.ranking import rule_that_ranks_first
from entitlements.domain.sharing import rules_about
from entitlements.domain.values import Rule

if TYPE_CHECKING:
    from entitlements.domain.entitlement import Entitlement
    from entitlements.domain.pools import ResourcePool


def terms_of(pool: ResourcePool, resource_key: str, period: str | None) -> tuple[bool, int, bool] | None:
    """How periods of a key are counted and closed, as the contribution says that ranks first; None: nobody has the key.

    Whether from the billing anchor, for how many seconds they stay open for late usage, and whether overage is preserved.
    """
    rule = rule_that_ranks_first(pool, resource_key, period)
    return None if rule is None else (rule.anchored, rule.grace_for, rule.overage_at_reset == "preserve")


def take_terms(pool: ResourcePool, entitlement: Entitlement) -> None:
    """Take how periods of a key are counted and closed; as it was where nobody has the key any more."""
    terms = terms_of(pool, entitlement.resource_key, entitlement.period)
    if terms is not None:
        entitlement.anchored, entitlement.grace_for, entitlement.preserves = terms


def own_rule(pool: ResourcePool, entitlement: Entitlement, bucket: Bucket) -> tuple[Rule | None, int]:
    """The rule by which a contribution is there, and how many times."""
    provision = pool.provisions.get(bucket.provision_id)
    if provision is None:
        return pool.defaults.get(entitlement.resource_key), 1
    rule = next(iter(rules_about(provision.rules, entitlement.resource_key)), None)
    return rule, provision.quantity if rule is not None and rule.per_unit else 1


def own_left(pool: ResourcePool, entitlement: Entitlement, bucket: Bucket) -> int:
    """What a contribution has left, in force or not; nothing of what has left for good."""
    return max(0, _own_balance(pool, entitlement, bucket))


def _own_balance(pool: ResourcePool, entitlement: Entitlement, bucket: Bucket) -> int:
    """As own_left; less than nothing where more was consumed of it than it includes since it was lowered."""
    if not bucket.paused:
        return UNLIMITED if bucket.limit is None else bucket.limit - bucket.consumed
    rule, times = own_rule(pool, entitlement, bucket)
    if rule is None:
        return 0
    return UNLIMITED if rule.amount is None else rule.amount * times + bucket.carried - bucket.consumed


def rest_of(pool: ResourcePool, entitlement: Entitlement, bucket: Bucket) -> Rest:
    """What a contribution has left at the end of a period, and how much of that it carries over: its own and nobody else's."""
    rule, times = own_rule(pool, entitlement, bucket)
    rest = Rest(
        bucket.provision_id, bucket.consumed, _own_balance(pool, entitlement, bucket), 0, in_force=not bucket.kept
    )
    rest.recurred_since, rest.recent = bucket.recurred_since, bucket.consumed - bucket.earlier
    if rule is not None and not bucket.is_gone and entitlement.stacking == "sum":
        rest.least, rest.most = rule.rollover_min * times, rule.rollover_max * times
        rest.carried = rest.carries
    return rest


def rolled_over(pool: ResourcePool, entitlement: Entitlement) -> dict[str, int]:
    """What each contribution carries over if the period ends now, by provision."""
    return {b.provision_id: rest_of(pool, entitlement, b).carried for b in entitlement.buckets if not b.is_gone}


def schedule_roll(pool: ResourcePool, entitlement: Entitlement, at_ms: int) -> None:
    """Find when the period of an instant ends by itself, if anything would be otherwise in the next although nothing is used."""
    entitlement.rolls_at_ms = NEVER_MS
    if entitlement.period in (None, LIFETIME):
        return
    present = {bucket.provision_id: bucket.carried for bucket in entitlement.buckets if not bucket.is_gone}
    moves = entitlement.consumed != entitlement.preserved or rolled_over(pool, entitlement) != present
    # What was carried in lapses in the next period, though it does not in one that is too short for it to come anew.
    moves = moves or any(bucket.recurs and not bucket.is_as_anew for bucket in entitlement.buckets)
    if moves or (entitlement.debts and _forgives(pool, entitlement)):
        entitlement.rolls_at_ms = entitlement.period_at(at_ms)[1]


def _forgives(pool: ResourcePool, entitlement: Entitlement) -> bool:
    rule = rule_that_ranks_first(pool, entitlement.resource_key, entitlement.period)
    return rule is not None and rule.overage_at_reset == "forgive"


def reschedule(pool: ResourcePool, at_ms: int) -> None:
    """As schedule_roll, for every key: what contributions say of themselves has changed."""
    for entitlement in pool.entitlements.values():
        schedule_roll(pool, entitlement, at_ms)
    pool.find_due()
