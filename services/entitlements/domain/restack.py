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
from entitlements.domain.owing import forgive, pay_what_is_owed, remember_idle_periods, reset
from entitlements.domain.pool_events import EntitlementsChanged
from entitlements.domain.pool_parts import is_successor
from entitlements.domain.pools import Override, Provision, ResourcePool
from entitlements.domain.rolling import own_rule as rule_of
from entitlements.domain.rolling import rank
from entitlements.domain.stacking import contribution_of, stack
from entitlements.domain.usage_events import LimitOverAllocated, OverAllocationEnded
from entitlements.domain.values import Contribution, EffectiveValue, EntitlementChange, Rule, Stacking

#: Who contributes where no provision does: the key's default.
DEFAULT_ID: Final = ""

_Source = tuple[Rule, Provision | None]


def restack(pool: ResourcePool, at: datetime, *, ends: bool = False) -> None:
    """Stack what contributes anew, and let it pay what is owed; ends: the pool confers nothing any more."""
    stack_anew(pool, at, ends=ends)
    pay_what_is_owed(pool, at)


def stack_anew(pool: ResourcePool, at: datetime, *, ends: bool = False) -> None:
    """Stack what contributes anew and let every difference happen as one event."""
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
    for change in changes:
        _close_before(pool, change, at)
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
        ruling = max(enumerate(sources), key=rank)[1]
        kind, stacking = ruling[0].rule_type, ruling[0].stacking
        contributions = _contributions(pool, held, sources, ruling)
        if not (kind == "boolean" and ruling[0].denied):
            after = stack(contributions, stacking, ruling[0])
    elif held is not None:
        kind, stacking = held.entitlement_type, held.stacking
        contributions = _kept(pool, held, set(), {}) if kind in ("quota", "credit") else []
    else:
        kind, stacking, contributions = "boolean", "any", []
    if override is not None:
        after = _overridden(override, after, held)
    if kind == "limit" and held is not None:
        contributions = _spread(contributions, held.consumed, stacking)
    uncounted = _uncounted(held, after, kind, stacking, contributions)
    is_same = held is not None and after == before and _terms(contributions) == _terms(held.contributions)
    if held is not None and is_same and uncounted == held.uncounted:
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
        uncounted=uncounted,
    )


def _uncounted(
    held: Entitlement | None,
    after: EffectiveValue | None,
    kind: str,
    stacking: Stacking,
    contributions: list[Contribution],
) -> int:
    """What of the consumption takes nothing from the limit: what no contribution bears, though it is included, and what was
    included by a higher limit. An override counts all.
    """
    is_counted_anew = (
        held is None or kind != held.entitlement_type or (after is not None and after.period != held.period)
    )
    if held is None or after is None or after.override_id or is_counted_anew or kind == "limit":
        return 0
    counting = contributions if stacking == "sum" else contributions[:1]
    return held.admitted + sum(max(0, c.consumed - c.limit) for c in counting if c.limit is not None)


def _close_before(pool: ResourcePool, change: EntitlementChange, at: datetime) -> None:
    """What has to be written down before a key is worth something else: idle periods that usage may still arrive for, and what
    becomes of what is owed where it counts by another period from now on.
    """
    held = pool.entitlements.get(change.resource_key)
    if held is None:
        return
    remember_idle_periods(pool, held, at)
    is_another_kind = change.entitlement_type != held.entitlement_type
    if held.debts and is_another_kind:
        forgive(pool, held, at, held.owed, reason="it is a key of another kind now")
    elif not is_another_kind and change.after is not None and change.after.period != held.period and held.is_touched:
        now_ms = to_ms(at)
        reset(pool, held, at, (held.period_at(now_ms)[0], now_ms), asks_those_who_incurred=True)


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
        carried += sum(b.carried for b in predecessors)
        quantity = provision.quantity if provision is not None else 1
        stated.append(contribution_of(own_rule, _id(provision), quantity, carried=carried, consumed=consumed))
    if rule.stacking == "sum":
        present = {_id(provision) for _, provision in sources}
        return stated + (_kept(pool, held, present, takers) if held is not None and old else [])
    return _winner_first(stated, rule, _id(ruling[1]), sum(bucket.consumed for bucket in old.values()))


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


def _kept(pool: ResourcePool, held: Entitlement, present: set[str], takers: dict[str, str]) -> list[Contribution]:
    """Those that are not in force and have something to say in this period: what they bore; and what is paused goes on."""
    if held.entitlement_type not in ("quota", "credit"):
        return []
    if held.stacking != "sum":  # The first bears all; the next one takes it over.
        return [_left_behind(pool, bucket) for bucket in held.buckets[:1] if bucket.consumed]
    leaving = [b for b in held.buckets if b.provision_id not in present and b.provision_id not in takers]
    stated = [_left_behind(pool, bucket) for bucket in leaving]
    return [c for c, b in zip(stated, leaving, strict=True) if c.consumed or (c.paused and _goes_on(pool, held, b))]


def _left_behind(pool: ResourcePool, bucket: Bucket) -> Contribution:
    """What was consumed of it stays; not what was consumed beyond it, which it never included."""
    limit = bucket.consumed if bucket.limit is None else min(bucket.consumed, bucket.limit)
    is_paused = _is_paused(pool, bucket)
    recurs = bucket.recurs if is_paused else None
    stated = replace(bucket.stated(), limit=limit, soft_limit=None, hard_limit=None, kept=True, recurs=recurs)
    return replace(stated, paused=is_paused)


def _is_paused(pool: ResourcePool, bucket: Bucket) -> bool:
    """Whether it is there again once its provision or the pool is resumed."""
    if bucket.is_gone:
        return False
    provision = pool.provisions.get(bucket.provision_id)
    if provision is None:
        return pool.status == "suspended"
    return provision.status == "suspended" or (provision.status == "active" and pool.status == "suspended")


def _goes_on(pool: ResourcePool, held: Entitlement, bucket: Bucket) -> bool:
    """Whether something of what is paused and unused moves on its own."""
    rule, _ = rule_of(pool, held, bucket)
    return bool(bucket.carried) or (rule is not None and rule.rollover_max > 0)


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
        limit=None,
        soft_limit=None,
        hard_limit=None,
        period=held.period if held is not None else None,
        anchored=held is not None and held.anchored,
        overage_at_reset="preserve" if held is not None and held.preserves else "forgive",
        grace_for=0 if held is None else held.grace_for,
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
