"""What moves from one period into the next: amounts that are carried over, overage that is preserved. Pure questions.

A period in which nothing was used ends by an event only if something moves; so an idle pool falls silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entitlements.domain.aggregate import NEVER_MS
from entitlements.domain.periods import LIFETIME

if TYPE_CHECKING:
    from entitlements.domain.buckets import Bucket
    from entitlements.domain.entitlement import Entitlement
    from entitlements.domain.pools import ResourcePool


def rolled_over(pool: ResourcePool, entitlement: Entitlement) -> dict[str, int]:
    """What is left of each contribution, within the least and the most that its rule carries over, by provision.

    Together it is no more than is left of all: what was consumed beyond one counts against the others.
    """
    left, found = max(0, entitlement.limit - entitlement.charged), {}
    for bucket in entitlement.buckets:
        if not bucket.kept:
            found[bucket.provision_id] = carried = _rolled_over(pool, entitlement, bucket, min(left, bucket.left))
            left = max(0, left - carried)
    return found


def _rolled_over(pool: ResourcePool, entitlement: Entitlement, bucket: Bucket, left: int) -> int:
    provision = pool.provisions.get(bucket.provision_id)
    rules = provision.rules if provision is not None else list(pool.defaults.values())
    rule = next((rule for rule in rules if rule.resource_key == entitlement.resource_key), None)
    if rule is None or bucket.limit is None:
        return 0
    times = provision.quantity if provision is not None and rule.per_unit else 1
    return min(rule.rollover_max * times, max(rule.rollover_min * times, left))


def schedule_roll(pool: ResourcePool, entitlement: Entitlement, at_ms: int) -> None:
    """Find when the period of an instant ends by itself, if anything would be otherwise in the next although nothing is used."""
    entitlement.rolls_at_ms = NEVER_MS
    if entitlement.value is None or entitlement.period in (None, LIFETIME):
        return
    present = {bucket.provision_id: bucket.carried for bucket in entitlement.buckets if not bucket.kept}
    if entitlement.consumed or rolled_over(pool, entitlement) != present:
        entitlement.rolls_at_ms = entitlement.period_at(at_ms)[1]
