"""Who comes first among those who contribute: who decides, and who bears.

Who decides: the highest rung, then the newest. Burn order: priority, then the earliest to end, then the oldest; a default is the
oldest of all. What is taken back returns the other way round, to the last in burn order first; what is paused stands in its place,
and what has left for good stands behind all that can still burn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from entitlements.domain.aggregate import NEVER_MS, to_ms
from entitlements.domain.pool_parts import Provision, takes_over
from entitlements.domain.sharing import rules_about
from entitlements.domain.values import Rule

if TYPE_CHECKING:
    from entitlements.domain.buckets import Bucket, ClosedPeriod
    from entitlements.domain.entitlement import Entitlement
    from entitlements.domain.pools import ResourcePool

#: A rule, and whose it is; None: a default.
Source = tuple[Rule, Provision | None]


def rank(numbered: tuple[int, Source]) -> tuple[int, int]:
    """Who decides: the highest rung, then the newest; a provision on no ladder ranks below every rung."""
    position, (_, provision) = numbered
    rung = provision.rung if provision is not None else None
    return (-(2**31) if rung is None else rung), position


def rule_that_ranks_first(pool: ResourcePool, resource_key: str, period: str | None) -> Rule | None:
    """The rule of the contribution that ranks first, paused ones too; None: nobody has the key."""
    sources: list[Source] = [
        (rule, provision)
        for provision in pool.provisions.values()
        if provision.status in ("active", "suspended")
        for rule in rules_about(provision.rules, resource_key)
        # What is paused and has another period waits until it is resumed.
        if rule.period == period or (provision.status == "active" and pool.status == "open")
    ]
    if sources:
        return max(enumerate(sources), key=rank)[1][0]
    return None if pool.is_closed else pool.defaults.get(resource_key)


def burn_order(sources: Iterable[Source]) -> list[Source]:
    """Those who have a rule, oldest first, as they burn."""
    return sorted(sources, key=lambda source: _burns(source[1]))  # Stable: then the oldest.


def in_burn_order(pool: ResourcePool, buckets: list[Bucket]) -> list[Bucket]:
    """Contributions as they burn, paused ones in their places, then what has left for good."""
    if len(buckets) < 2:
        return buckets
    ages = {provision_id: age for age, provision_id in enumerate(pool.provisions)}

    def place(bucket: Bucket) -> tuple[bool, tuple[int, int], int]:
        name = bucket.provision_id
        return bucket.is_gone, _burns(pool.provisions.get(name)), ages.get(name, -1)

    return sorted(buckets, key=place)


def return_order(pool: ResourcePool, names: Iterable[str], provision_id: str | None) -> list[str]:
    """To whom returns what a provision bore: to itself, then to who took it over, then to whoever burns last.

    names: who can get it, in burn order; provision_id: None where nobody in particular bore it.
    """
    known, backwards = pool.provisions, list(names)[::-1]
    gone = None if provision_id is None else known.get(provision_id)

    def distance(name: str) -> int:
        if name == provision_id:
            return 0
        return 1 if gone is not None and name in known and takes_over(known[name], gone) else 2

    return sorted(backwards, key=distance)  # Stable: the last in burn order first.


def heir_of(pool: ResourcePool, entitlement: Entitlement, closed: ClosedPeriod, provision_id: str) -> Bucket | None:
    """Who has now what a provision carried over from a closed period: its own contribution, or that of the one that took it over since."""
    gone = pool.provisions.get(provision_id)
    for bucket in entitlement.buckets:
        own = pool.provisions.get(bucket.provision_id)
        is_heir = gone is not None and own is not None and takes_over(own, gone)
        is_heir = is_heir and closed.rest_of(bucket.provision_id) is None  # It was there already.
        if not bucket.is_gone and (bucket.provision_id == provision_id or is_heir):
            return bucket
    return None


def _burns(provision: Provision | None) -> tuple[int, int]:
    if provision is None:
        return 0, NEVER_MS
    return provision.priority, NEVER_MS if provision.ends_at is None else to_ms(provision.ends_at)
