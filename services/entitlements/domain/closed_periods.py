"""Periods that are over and still open for late usage: what is remembered of them, and those in which nothing was used.

A period in which nothing was used is nowhere written down; it is worked out from what holds now, until something changes that it was
counted by. Then it is remembered as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from entitlements.domain.aggregate import NEVER_MS
from entitlements.domain.buckets import UNLIMITED, Bucket, ClosedPeriod, Rest
from entitlements.domain.periods import DAY_MS, LIFETIME, Calendar, length_ms, period_bounds, year_after
from entitlements.domain.ranking import in_burn_order
from entitlements.domain.rolling import own_rule, rest_of

if TYPE_CHECKING:
    from entitlements.domain.entitlement import Entitlement
    from entitlements.domain.pools import ResourcePool


def closed_period(
    pool: ResourcePool,
    entitlement: Entitlement,
    start_ms: int,
    end_ms: int,
    *,
    preserves: bool,
    is_idle: bool = False,
    carried: Mapping[str, int] | None = None,
) -> ClosedPeriod:
    """A period that ends as things stand, for usage that arrives within its grace.

    is_idle: nothing was consumed in it; carried: what was carried over, by provision, if that was said.
    """
    rests, adds_up = [], entitlement.stacking == "sum"
    for bucket in in_burn_order(pool, entitlement.buckets) if adds_up else entitlement.buckets[:1]:
        rest = rest_of(pool, entitlement, bucket)
        if is_idle:
            _as_idle(pool, entitlement, bucket, rest)
        if carried is not None and rest.carried != carried.get(rest.provision_id, 0):
            # The key gets another period, which has nothing of this one.
            rest.carry_only(carried.get(rest.provision_id, 0))
        rests.append(rest)
    began_with = entitlement.preserved if is_idle else entitlement.began_with
    consumed, elsewhere = (began_with, 0) if is_idle else (entitlement.consumed, entitlement.elsewhere)
    paid = sum(debt.paid for debt in entitlement.debts if debt.until_ms == NEVER_MS)
    overage = 0 if is_idle else entitlement.incurred - paid
    admits = None
    if entitlement.is_overridden:
        counted = began_with if is_idle else entitlement.counted
        admits = entitlement.limit - counted - sum(rest.carried for rest in rests)
        # What was included before the override, and is more, must be given back first; overage was never included.
        admits = admits if admits >= 0 else min(0, admits + overage)
    return ClosedPeriod(
        start_ms=start_ms,
        end_ms=end_ms,
        until_ms=end_ms + entitlement.grace_for * 1_000,
        limit=entitlement.limit,
        consumed=consumed,
        elsewhere=elsewhere,
        began_with=began_with,
        overage=overage,
        forgiven=0 if is_idle else entitlement.forgiven,
        overage_max=max(0, entitlement.hard_limit - entitlement.limit),
        bearer=entitlement.bearer,
        was_exceeded=entitlement.was_exceeded and not is_idle,
        preserves=preserves,
        owed_until_ms=owed_until(entitlement, end_ms),
        since=entitlement.period_since if not is_idle and start_ms == entitlement.period_start_ms else pool.turn,
        over_since=pool.turn,
        rests=rests,
        admits=admits,
        admitted=0 if is_idle else entitlement.admitted,
    )


def idle_period(pool: ResourcePool, entitlement: Entitlement, start_ms: int, end_ms: int) -> ClosedPeriod:
    """A period in which nothing was used, as things stand."""
    return closed_period(pool, entitlement, start_ms, end_ms, preserves=entitlement.preserves, is_idle=True)


def remembered_closed(pool: ResourcePool, entitlement: Entitlement, start_ms: int, end_ms: int) -> ClosedPeriod:
    """A closed period; one in which nothing was used is remembered from now on."""
    if start_ms not in entitlement.closed:
        entitlement.closed[start_ms] = idle_period(pool, entitlement, start_ms, end_ms)
    return entitlement.closed[start_ms]


def closed_within_grace(
    pool: ResourcePool, entitlement: Entitlement, occurred_ms: int, now_ms: int
) -> ClosedPeriod | None:
    """The period that usage occurred in, while its grace lasts: one that is remembered, or one in which nothing was used yet."""
    closed = entitlement.closed_at(occurred_ms)
    if closed is not None:
        return closed if now_ms < closed.until_ms else None
    for start_ms, end_ms in idle_periods(entitlement, now_ms):
        if start_ms <= occurred_ms < end_ms:
            return idle_period(pool, entitlement, start_ms, end_ms)
    return None


def _as_idle(pool: ResourcePool, entitlement: Entitlement, bucket: Bucket, rest: Rest) -> None:
    """Had nothing been used: what came anew is the amount again, whatever had been carried in."""
    rule, times = own_rule(pool, entitlement, bucket)
    if bucket.recurs and rule is not None and rule.amount is not None:
        rest.left = rule.amount * times
    elif rest.left < UNLIMITED:
        rest.left += rest.consumed
    rest.consumed = rest.carried = rest.recurred_since = rest.recent = 0
    rest.carried = rest.carries


def owed_until(entitlement: Entitlement, end_ms: int) -> int:
    """When what is owed of a period ends, in epoch milliseconds: 12 months after its end.

    Debts of periods shorter than a day end with those of their day: so no key has more than 367 of them.
    """
    zone = entitlement.calendar.time_zone
    if entitlement.period not in (None, LIFETIME) and length_ms(str(entitlement.period)) < DAY_MS:
        end_ms = period_bounds("day", end_ms - 1, Calendar(zone))[1]
    return year_after(end_ms, zone)


def idle_periods(entitlement: Entitlement, now_ms: int) -> Iterator[tuple[int, int]]:
    """The periods in which nothing was used and whose grace lasts, the newest first: they are nowhere written down."""
    start_ms = entitlement.period_at(now_ms)[0]
    # One that began by hand, or by another calendar, began no sooner than the one before it ended.
    ended = (entitlement.final_until_ms, *(known.end_ms for known in entitlement.closed.values()))
    while entitlement.grace_for and entitlement.period not in (None, LIFETIME) and start_ms > 0:
        next_ms = start_ms
        start_ms, end_ms = period_bounds(entitlement.period, next_ms - 1, entitlement.calendar)
        end_ms = min(end_ms, next_ms)
        start_ms = max(start_ms, max((end for end in ended if end < end_ms), default=0))
        # Of what is final, or of before it was worth what it is, nobody knows any more.
        is_known = start_ms >= entitlement.final_until_ms and entitlement.valued_since_ms < end_ms
        if not is_known or now_ms >= end_ms + entitlement.grace_for * 1_000:
            return
        if start_ms < entitlement.period_end_ms and entitlement.period_start_ms < end_ms:
            # By another calendar, it may be longer.
            start_ms, end_ms = entitlement.period_start_ms, entitlement.period_end_ms
            if entitlement.is_touched:  # It is not idle, and closed by an event of its own.
                continue
        if not any(start_ms < known.end_ms and known.start_ms < end_ms for known in entitlement.closed.values()):
            yield start_ms, end_ms
