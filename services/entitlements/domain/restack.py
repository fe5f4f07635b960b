"""After provisions, overrides or defaults change: what the pool has now, and what of it differs from before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from entitlements.domain.aggregate import to_ms
from entitlements.domain.buckets import UNLIMITED
from entitlements.domain.contributing import Sources, sources_by_key
from entitlements.domain.contributing import contributions as contributions_of
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.owing import forgive, pay_what_is_owed, remember_idle_periods, reset
from entitlements.domain.pool_events import EntitlementsChanged
from entitlements.domain.pools import Override, ResourcePool
from entitlements.domain.rolling import terms_of
from entitlements.domain.stacking import stack
from entitlements.domain.usage_events import LimitOverAllocated, OverAllocationEnded
from entitlements.domain.values import Contribution, EffectiveValue, EntitlementChange, PeriodName, Stacking


def restack(pool: ResourcePool, at: datetime, *, ends: bool = False) -> None:
    """Stack what contributes anew, and let it pay what is owed; ends: the pool confers nothing any more."""
    stack_anew(pool, at, ends=ends)
    pay_what_is_owed(pool, at)


def stack_anew(pool: ResourcePool, at: datetime, *, ends: bool = False) -> None:
    """Stack what contributes anew and let every difference happen as one event."""
    is_open, sources = pool.status == "open" and not ends, sources_by_key(pool, ends=ends)
    overrides = {o.resource_key: o for o in pool.overrides.values() if not o.workspace_id and is_open}
    changes = []
    for resource_key in sorted(sources.keys() | pool.entitlements.keys() | overrides.keys()):
        change = _change(pool, resource_key, sources.get(resource_key, Sources()), overrides.get(resource_key))
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
    pool: ResourcePool, resource_key: str, sources: Sources, override: Override | None
) -> EntitlementChange | None:
    held = pool.entitlements.get(resource_key)
    before = held.value if held is not None else None
    after: EffectiveValue | None = None
    ruling, contributions = sources.ruling, contributions_of(pool, held, sources)
    if ruling is not None:
        kind, stacking = ruling[0].rule_type, ruling[0].stacking
        if not (kind == "boolean" and ruling[0].denied):
            after = stack(contributions, stacking, ruling[0])
    elif held is not None:
        kind, stacking = held.entitlement_type, held.stacking
    elif contributions:
        kind, stacking = sources.paused[0][0].rule_type, sources.paused[0][0].stacking
    else:
        kind, stacking = "boolean", "any"
    if override is not None:
        after = _overridden(override, after, held)
    if kind == "limit" and held is not None:
        contributions = _spread(contributions, held.consumed, stacking)
    period = _period(held, sources)
    uncounted = _uncounted(held, after, kind, period, contributions if stacking == "sum" else contributions[:1])
    if held is not None and after == before and period == held.period and uncounted == held.uncounted:
        terms = terms_of(pool, resource_key, period) or held.terms
        if terms == held.terms and _terms(contributions) == _terms(held.contributions):
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
        period=period,
        uncounted=uncounted,
    )


def _period(held: Entitlement | None, sources: Sources) -> PeriodName | None:
    """How often a key resets: as those say who confer it, also where an override denies it; else as it was."""
    if sources.ruling is not None:
        return sources.ruling[0].period
    if held is None:
        return sources.paused[0][0].period if sources.paused else None
    return held.period


def _uncounted(
    held: Entitlement | None,
    after: EffectiveValue | None,
    kind: str,
    period: PeriodName | None,
    counting: list[Contribution],
) -> int:
    """What of the consumption takes nothing from the limit: what no contribution bears, though it is included, and what was
    included by a higher limit. An override counts all.
    """
    if held is None or kind != held.entitlement_type or period != held.period:
        return 0  # It counts anew.
    if after is None or after.override_id or kind == "limit":
        return 0
    return held.admitted + held.forgiven + sum(max(0, c.consumed - c.limit) for c in counting if c.limit is not None)


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
    elif not is_another_kind and change.period != held.period and held.period is not None:
        now_ms = to_ms(at)
        reset(pool, held, at, (held.period_at(now_ms)[0], now_ms), asks_those_who_incurred=True)


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
