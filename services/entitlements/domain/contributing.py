"""What contributes to a key: provisions and defaults in force, paused ones, and what ended ones leave behind.

Contributions are in burn order. If they do not add up (max, min, override), the one
that decides the value comes first. A contribution that leaves a sum within a period stays as a kept one, of what was consumed of it:
30 of 100 used when a grant is revoked leave a kept contribution of 30, so the others lose nothing. A successor takes the consumption
over instead. A paused contribution is kept too; its recurrences and resets go on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from entitlements.domain.buckets import Bucket
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pool_parts import takes_over
from entitlements.domain.pools import Provision, ResourcePool
from entitlements.domain.ranking import Source, burn_order, rank
from entitlements.domain.stacking import contribution_of
from entitlements.domain.values import Contribution, Rule

#: Who contributes where no provision does: the key's default.
DEFAULT_ID: Final = ""
_KEPT_TYPES: Final = ("quota", "credit")


@dataclass(slots=True)
class Sources:
    """Who has a rule for one key, oldest first: in force, and paused because the provision or the pool is suspended."""

    in_force: list[Source] = field(default_factory=list)
    paused: list[Source] = field(default_factory=list)

    @property
    def ruling(self) -> Source | None:
        """The one in force that ranks first."""
        return max(enumerate(self.in_force), key=rank)[1] if self.in_force else None


def sources_by_key(pool: ResourcePool, *, ends: bool) -> dict[str, Sources]:
    """Who has a rule, by key; ends: nobody any more."""
    found: dict[str, Sources] = {}
    if ends or pool.is_closed:
        return found
    is_open, active = pool.status == "open", set[str]()
    for provision in pool.provisions.values():
        if provision.status not in ("active", "suspended"):
            continue
        for rule in provision.rules:
            sources = found.setdefault(rule.resource_key, Sources())
            if provision.status == "active":
                active.add(rule.resource_key)
            (sources.in_force if is_open and provision.status == "active" else sources.paused).append((rule, provision))
    for resource_key, rule in pool.defaults.items():
        if resource_key not in active:
            sources = found.setdefault(resource_key, Sources())
            (sources.in_force if is_open else sources.paused).append((rule, None))
    return found


def contributions(pool: ResourcePool, held: Entitlement | None, sources: Sources) -> list[Contribution]:
    """The contributions to a key, in burn order; then those that are kept."""
    ruling = sources.ruling
    if ruling is None:
        return _without_any_in_force(pool, held, sources)
    rule = ruling[0]
    if rule.rule_type == "boolean":
        first = [ruling, *(s for s in sources.in_force if s is not ruling)]
        ordered = first if rule.stacking == "override" else sources.in_force
        return [contribution_of(r, id_of(p), 1) for r, p in ordered]
    old = _counted_before(held, rule)
    if rule.stacking != "sum":
        stated = [_stated(old, {}, source) for source in burn_order(sources.in_force)]
        return _winner_first(stated, rule, id_of(ruling[1]), sum(bucket.consumed for bucket in old.values()))
    if rule.rule_type not in _KEPT_TYPES:  # What is held is spread anew over those who are there.
        return [_stated(old, {}, source) for source in burn_order(sources.in_force)]
    paused = [source for source in sources.paused if source[0].period == rule.period]
    return _summed(pool, old, sources.in_force, paused)


def _without_any_in_force(pool: ResourcePool, held: Entitlement | None, sources: Sources) -> list[Contribution]:
    """Nobody confers the key: what was consumed stays, and what is paused goes on."""
    if held is not None and held.entitlement_type not in _KEPT_TYPES:
        return []
    if held is not None and held.stacking != "sum":  # The first bears all; the next one takes it over.
        return [_left_behind(bucket) for bucket in held.buckets[:1] if bucket.consumed]
    of_kind = [
        (rule, provision)
        for rule, provision in sources.paused
        if rule.rule_type in _KEPT_TYPES and rule.stacking == "sum" and (held is None or rule.period == held.period)
    ]
    old = {} if held is None else {bucket.provision_id: bucket for bucket in held.buckets}
    return _summed(pool, old, [], of_kind)


def _counted_before(held: Entitlement | None, rule: Rule) -> dict[str, Bucket]:
    """The contributions under way; a key that gets another period counts anew."""
    if held is None or rule.period != held.period:
        return {}
    return {bucket.provision_id: bucket for bucket in held.buckets}


def _summed(
    pool: ResourcePool, old: dict[str, Bucket], in_force: list[Source], paused: list[Source]
) -> list[Contribution]:
    everyone = [*in_force, *paused]
    takers = _takers(pool, old, everyone)
    stated = [_stated(old, takers, source) for source in burn_order(in_force)]
    for source in burn_order(paused):
        going_on = _paused(_stated(old, takers, source))
        if going_on.consumed or going_on.carried or source[0].rollover_max:
            stated.append(going_on)
    present = {id_of(provision) for _, provision in everyone}
    leaving = [b for name, b in old.items() if name not in present and name not in takers]
    return stated + [_left_behind(bucket) for bucket in leaving if bucket.consumed]


def _stated(old: dict[str, Bucket], takers: dict[str, str], source: Source) -> Contribution:
    """What a source adds, with what it consumed and carried in, and what those had whom it follows."""
    rule, provision = source
    name = id_of(provision)
    before = [old[name]] if name in old else []
    before += [old[gone] for gone, taker in takers.items() if taker == name]
    return contribution_of(
        rule,
        name,
        provision.quantity if provision is not None else 1,
        # What came anew was for its own time: over the whole period all that was consumed counts.
        carried=sum(bucket.carried - (0 if rule.recurs else bucket.earlier) for bucket in before),
        consumed=sum(bucket.consumed for bucket in before),
    )


def _paused(stated: Contribution) -> Contribution:
    limit = stated.consumed if stated.limit is None else min(stated.consumed, stated.limit)
    return replace(stated, limit=limit, soft_limit=None, hard_limit=None, kept=True, paused=True)


def _left_behind(bucket: Bucket) -> Contribution:
    """What was consumed of it stays; not what was consumed beyond it, which it never included."""
    limit = bucket.consumed if bucket.limit is None else min(bucket.consumed, bucket.limit)
    carried = min(bucket.carried, bucket.consumed)
    stated = replace(bucket.stated(), limit=limit, soft_limit=None, hard_limit=None, carried=carried)
    return replace(stated, kept=True, recurs=None, paused=False)


def _winner_first(stated: list[Contribution], rule: Rule, ruling_id: str, consumed: int) -> list[Contribution]:
    """The one that makes the value stands first: it bears what is used, and what those before it bore."""

    def size(contribution: Contribution) -> float:
        return float("inf") if contribution.limit is None else contribution.limit

    if rule.stacking == "override":
        winner = next(c for c in stated if c.provision_id == ruling_id)
    else:
        winner = (max if rule.stacking == "max" else min)(stated, key=size)
    others = [replace(c, consumed=0) for c in stated if c is not winner]
    return [replace(winner, consumed=consumed), *others]


def _takers(pool: ResourcePool, old: dict[str, Bucket], sources: list[Source]) -> dict[str, str]:
    """Who takes over the consumption of whom: the next on the same ladder, or a subscription of the same set."""
    if not sources:
        return {}
    present = {id_of(provision): provision for _, provision in sources}
    newcomers = [p for name, p in present.items() if p is not None and (name not in old or old[name].is_gone)]
    takers = {}
    # What never resets is bought anew with every renewal; in a period a renewal is no second one.
    is_for_good = sources[0][0].rule_type == "credit" and sources[0][0].period is None
    for name, bucket in old.items():
        gone = pool.provisions.get(name)
        if gone is None or not gone.is_over or name in present or not (bucket.consumed or bucket.carried):
            continue
        for newcomer in newcomers:
            if takes_over(newcomer, gone) and not (is_for_good and _renews(newcomer, gone)):
                takers[name] = newcomer.provision_id
                break
    return takers


def _renews(newcomer: Provision, gone: Provision) -> bool:
    """Whether a provision begins after another has run to the end that was planned for it."""
    return gone.ends_at is not None and newcomer.starts_at >= gone.ends_at


def id_of(provision: Provision | None) -> str:
    """The id of a contribution."""
    return DEFAULT_ID if provision is None else provision.provision_id
