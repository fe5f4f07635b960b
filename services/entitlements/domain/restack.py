"""After provisions, overrides or defaults change: what the pool has now, and what of it differs from before.

Contributions stand in burn order: priority, then the earliest to end, then the oldest; where they do not add up the one that
makes the value stands first. What was consumed of a contribution that leaves a sum in mid-period stays as a kept contribution, so
that it takes only its unconsumed part away; a successor takes the consumption over instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from entitlements.domain.aggregate import NEVER_MS, to_ms
from entitlements.domain.buckets import UNLIMITED, Bucket
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pool_events import EntitlementsChanged
from entitlements.domain.pools import Override, Provision, ResourcePool
from entitlements.domain.stacking import contribution_of, stack
from entitlements.domain.usage_events import LimitOverAllocated, OverAllocationEnded
from entitlements.domain.values import Contribution, EffectiveValue, EntitlementChange, Rule, Stacking

#: Who contributes where no provision does: the key's default.
DEFAULT_ID: Final = ""

_Source = tuple[Rule, Provision | None]


def restack(pool: ResourcePool, at: datetime, *, ends: bool = False) -> None:
    """Stack what contributes anew and let every difference happen as one event; ends: the pool confers nothing any more."""
    is_open = pool.status == "open" and not ends
    sources: dict[str, list[_Source]] = {}
    for provision in pool.active_provisions():
        for rule in provision.rules:
            sources.setdefault(rule.resource_key, []).append((rule, provision))
    if is_open:
        for resource_key, rule in pool.defaults.items():
            sources.setdefault(resource_key, [(rule, None)])
    overrides = {o.resource_key: o for o in pool.overrides.values() if not o.workspace_id and is_open}
    changes = []
    for resource_key in sorted(sources.keys() | pool.entitlements.keys() | overrides.keys()):
        change = _change(pool, resource_key, sources.get(resource_key, []), overrides.get(resource_key))
        if change is not None:
            changes.append(change)
    if changes:
        pool.happen(EntitlementsChanged, at, changes=changes)
    for change in changes:
        tell_over_allocation(pool, pool.entitlements[change.resource_key], at)


def tell_over_allocation(pool: ResourcePool, entitlement: Entitlement, at: datetime) -> None:
    """Lowering a limit below what is held takes nothing away; it is said, once, and said when it is over."""
    if entitlement.entitlement_type != "limit":
        return
    is_over = entitlement.consumed > entitlement.limit
    facts = {"resource_key": entitlement.resource_key, "held": entitlement.consumed}
    if is_over and not entitlement.is_over_allocated:
        pool.happen(LimitOverAllocated, at, **facts, limit=entitlement.limit)
    elif entitlement.is_over_allocated and not is_over:
        limit = None if entitlement.limit >= UNLIMITED else entitlement.limit
        pool.happen(OverAllocationEnded, at, **facts, limit=limit)


def _change(
    pool: ResourcePool, resource_key: str, sources: list[_Source], override: Override | None
) -> EntitlementChange | None:
    held = pool.entitlements.get(resource_key)
    before = held.value if held is not None else None
    after: EffectiveValue | None = None
    if sources:
        ruling = max(enumerate(sources), key=_rank)[1]
        kind, stacking = ruling[0].rule_type, ruling[0].stacking
        contributions = _contributions(pool, held, sources, ruling)
        if not (kind == "boolean" and ruling[0].denied):
            after = stack(contributions, stacking, ruling[0])
    elif held is not None:
        kind, stacking = held.entitlement_type, held.stacking
        contributions = _kept(pool, held, set(), {})
    else:
        kind, stacking, contributions = "boolean", "any", []
    if override is not None:
        after = _overridden(override, after, held)
    if kind == "limit" and held is not None:
        contributions = _spread(contributions, held.consumed, stacking)
    if held is not None and after == before and _terms(contributions) == _terms(held.contributions):
        return None
    if held is None and after is None and not contributions:
        return None
    return EntitlementChange(
        resource_key=resource_key,
        entitlement_type=kind,
        before=before,
        after=after,
        stacking=stacking,
        contributions=contributions,
    )


def _rank(numbered: tuple[int, _Source]) -> tuple[int, int]:
    """The highest rung ranks first, then the newest; whoever is on no ladder is below every rung."""
    position, (_, provision) = numbered
    rung = provision.rung if provision is not None else None
    return (-(2**31) if rung is None else rung), position


def _contributions(
    pool: ResourcePool, held: Entitlement | None, sources: list[_Source], ruling: _Source
) -> list[Contribution]:
    rule = ruling[0]
    if rule.rule_type == "boolean":
        ordered = [ruling, *(s for s in sources if s is not ruling)] if rule.stacking == "override" else sources
        return [contribution_of(r, _id(p), 1) for r, p in ordered]
    old = (
        {bucket.provision_id: bucket for bucket in held.buckets}
        if held is not None and rule.period == held.period
        else {}
    )
    takers = _takers(pool, old, sources)
    stated = []
    for own_rule, provision in _burn_order(sources):
        bucket = old.get(_id(provision))
        predecessors = [old[name] for name, taker in takers.items() if taker == _id(provision)]
        consumed = sum(b.consumed for b in predecessors) + (bucket.consumed if bucket is not None else 0)
        carried = bucket.carried if bucket is not None else 0
        # Of what recurs, what predecessors gave before they last came anew is no longer theirs to give; else what they carried over.
        carried += sum(b.earlier if own_rule.recurs else b.carried for b in predecessors)
        quantity = provision.quantity if provision is not None else 1
        stated.append(contribution_of(own_rule, _id(provision), quantity, carried=carried, consumed=consumed))
    if rule.stacking == "sum":
        present = {_id(provision) for _, provision in sources}
        return stated + (_kept(pool, held, present, takers) if held is not None and old else [])
    return _winner_first(stated, rule, _id(ruling[1]))


def _winner_first(stated: list[Contribution], rule: Rule, ruling_id: str) -> list[Contribution]:
    """The one that makes the value stands first: it bears what is used."""

    def size(contribution: Contribution) -> float:
        return float("inf") if contribution.limit is None else contribution.limit

    if rule.stacking == "override":
        winner = next(c for c in stated if c.provision_id == ruling_id)
    else:
        winner = (max if rule.stacking == "max" else min)(stated, key=size)
    return [winner, *(c for c in stated if c is not winner)]


def _burn_order(sources: list[_Source]) -> list[_Source]:
    def order(source: _Source) -> tuple[int, int]:
        provision = source[1]
        if provision is None:
            return 0, NEVER_MS
        return provision.priority, NEVER_MS if provision.ends_at is None else to_ms(provision.ends_at)

    return sorted(sources, key=order)  # Stable: then the oldest.


def _takers(pool: ResourcePool, old: dict[str, Bucket], sources: list[_Source]) -> dict[str, str]:
    """Who takes over the consumption of whom: the next on the same ladder, or a subscription of the same set."""
    present = {_id(provision): provision for _, provision in sources}
    newcomers = [p for name, p in present.items() if p is not None and (name not in old or old[name].kept)]
    takers = {}
    # What never resets is bought anew with every renewal; in a period a renewal is no second one.
    is_for_good = sources[0][0].rule_type == "credit" and sources[0][0].period is None
    for name, bucket in old.items():
        gone = pool.provisions.get(name)
        if gone is None or not gone.is_over or name in present or not (bucket.consumed or bucket.carried):
            continue
        for newcomer in newcomers:
            if is_successor(newcomer, gone) and not (is_for_good and _renews(newcomer, gone)):
                takers[name] = newcomer.provision_id
                break
    return takers


def _renews(newcomer: Provision, gone: Provision) -> bool:
    """Whether a provision begins after another has run to the end that was planned for it."""
    return gone.ends_at is not None and newcomer.starts_at >= gone.ends_at


def is_successor(newcomer: Provision, gone: Provision) -> bool:
    """Whether what was consumed of one provision counts against another: a plan is changed or renewed, not bought once more."""
    if gone.ladder is not None or newcomer.ladder is not None:
        return gone.ladder == newcomer.ladder
    return gone.source == newcomer.source == "subscription" and gone.set_id == newcomer.set_id


def _kept(pool: ResourcePool, held: Entitlement, present: set[str], takers: dict[str, str]) -> list[Contribution]:
    if held.stacking != "sum" or held.entitlement_type not in ("quota", "credit"):
        return []
    leaving = [b for b in held.buckets if b.provision_id not in present and b.provision_id not in takers]
    return [_left_behind(b) for b in leaving if b.consumed or (b.carried and _comes_back(pool, b))]


def _left_behind(bucket: Bucket) -> Contribution:
    """What was consumed of it stays; not what was consumed beyond it, which it never included."""
    limit = bucket.consumed if bucket.limit is None else min(bucket.consumed, bucket.limit)
    return replace(bucket.stated(), limit=limit, soft_limit=None, hard_limit=None, kept=True, recurs=None)


def _comes_back(pool: ResourcePool, bucket: Bucket) -> bool:
    """Whether a provision is suspended only: what it carried over is there again when it is resumed."""
    provision = pool.provisions.get(bucket.provision_id)
    return provision is not None and not provision.is_over


def _spread(contributions: list[Contribution], held: int, stacking: Stacking) -> list[Contribution]:
    """What is held of a limit belongs to the first that have room; what does not fit belongs to the last."""
    spread = []
    for at, contribution in enumerate(contributions):
        is_last = at == len(contributions) - 1 or stacking != "sum"
        room = held if contribution.limit is None or is_last else min(held, contribution.limit)
        spread.append(replace(contribution, consumed=room))
        held -= room
    return spread


def _overridden(override: Override, stacked: EffectiveValue | None, held: Entitlement | None) -> EffectiveValue | None:
    if not override.allowed:
        return None
    base = stacked or EffectiveValue(
        limit=None, soft_limit=None, hard_limit=None, period=held.period if held is not None else None
    )
    return replace(
        base,
        limit=override.amount,
        soft_limit=override.soft_limit,
        hard_limit=override.amount if override.hard_limit is None else override.hard_limit,
        override_id=override.override_id,
    )


def _terms(contributions: Sequence[Contribution]) -> list[Contribution]:
    return [replace(contribution, consumed=0) for contribution in contributions]


def _id(provision: Provision | None) -> str:
    return DEFAULT_ID if provision is None else provision.provision_id
