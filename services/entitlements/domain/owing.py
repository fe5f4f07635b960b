"""What is owed of a key, and the end of its periods (docs/rules/what-is-owed.md).

Overage is owed by the key, not by a contribution, until it is paid, forgiven or expired. Contributions that have something left pay it
at once. What is still owed at the end of a period is forgiven or preserved, by the rule of the contribution that ranks first.

Example: 130 of 100 used, 30 owed. A pack of 50 joins: it pays 30 (`OveragePaid`) and has 20 left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.buckets import UNLIMITED, Bucket
from entitlements.domain.closed_periods import idle_periods, owed_until
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.metering_events import OverageForgiven, OveragePaid, PeriodsClosed, QuotaReset
from entitlements.domain.periods import Calendar, period_bounds
from entitlements.domain.pools import ResourcePool
from entitlements.domain.ranking import rule_that_ranks_first
from entitlements.domain.rolling import rolled_over
from entitlements.domain.values import Contribution, KeyPeriod, PreservedOverage, Share

_BY_CALENDAR: Final = {"manual": False, "anchor_at": None, "continues_until": None, "note": "", "actor": ""}


def pay_what_is_owed(pool: ResourcePool, at: datetime) -> None:
    """Pay what is owed of every key, as far as its contributions have something left."""
    for entitlement in list(pool.entitlements.values()):
        if entitlement.debts:
            pay(pool, entitlement, at)


def pay(pool: ResourcePool, entitlement: Entitlement, at: datetime) -> None:
    """Pay what is owed of one key, in burn order. Reserved units do not pay; neither does an override."""
    owed, payers = entitlement.owed, [bucket for bucket in entitlement.burn_order() if not bucket.kept]
    free = _free(pool, entitlement, payers)
    if not owed or free <= 0:
        return
    _remember_with_what_they_began(pool, entitlement, at)
    shares, left = [], min(owed, free)
    for bucket in payers:
        part = min(left, bucket.left)
        if part:
            shares.append(Share(provision_id=bucket.provision_id, quantity=part))
            left -= part
    paid = sum(share.quantity for share in shares)
    total = entitlement.total_at(to_ms(at))
    pool.happen(
        OveragePaid,
        at,
        resource_key=entitlement.resource_key,
        parts=shares,
        total={**total, "owed": total["owed"] - paid},
    )


def _free(pool: ResourcePool, entitlement: Entitlement, payers: Sequence[Bucket]) -> int:
    held = (r.included for r in pool.reservations.values() if r.resource_key == entitlement.resource_key)
    units = (r.credit_units for r in pool.reservations.values() if r.credit_key == entitlement.resource_key)
    return min(UNLIMITED, sum(bucket.left for bucket in payers)) - sum(held) - sum(units)


def forgive(
    pool: ResourcePool,
    entitlement: Entitlement,
    at: datetime,
    quantity: int,
    *,
    reason: str,
    expired: bool = False,
    actor: str = "",
) -> None:
    """Forgive so much of what is owed, the oldest first. expired: because its 12 months are over."""
    _remember_with_what_they_began(pool, entitlement, at)
    # What expires at the end of a period is counted in that period, before its reset.
    total = entitlement.total_at(to_ms(at) - (1 if expired else 0))
    preserved = min(quantity, entitlement.preserved)
    pool.happen(
        OverageForgiven,
        at,
        resource_key=entitlement.resource_key,
        quantity=quantity,
        reason=reason,
        expired=expired,
        total={**total, "owed": total["owed"] - quantity, "consumed": total["consumed"] - preserved},
        actor=actor,
    )


def expire(pool: ResourcePool, entitlement: Entitlement, due_ms: int, at: datetime) -> None:
    """Forgive overage whose 12 months have passed by due_ms, counted from the end of the period in which it was incurred."""
    over = sum(debt.quantity for debt in entitlement.debts if debt.until_ms <= due_ms)
    if over:
        forgive(pool, entitlement, at, over, reason="12 months have passed", expired=True)


def reset(
    pool: ResourcePool,
    entitlement: Entitlement,
    at: datetime,
    period: tuple[int, int],
    *,
    preserve: bool | None = None,
    asks_those_who_incurred: bool = False,
    **by_hand: Any,
) -> bool:
    """End a period of a key, from start until before end in epoch milliseconds.

    preserve: whether overage is preserved, if a manual reset says so; None: as the rules say. by_hand: further fields of QuotaReset for a
    manual reset. Returns whether contributions change with the period, so that they must be stacked again.
    """
    rolled = {} if asks_those_who_incurred else rolled_over(pool, entitlement)
    facts, contributions = _BY_CALENDAR | by_hand, _next_contributions(entitlement, rolled)
    if contributions or facts["anchor_at"] is not None or period[0] == period[1]:
        remember_idle_periods(pool, entitlement, at)  # Before they are worked out from what is otherwise then.
    owed, preserves = _what_is_owed_on(
        pool, entitlement, period[1], preserve=preserve, is_asked=asks_those_who_incurred
    )
    if owed and facts["continues_until"] is None:
        end_ms = _end_of_next(pool, entitlement, period[1], facts["anchor_at"])
        facts["continues_until"] = from_ms(end_ms) if end_ms < NEVER_MS else None
    pool.happen(
        QuotaReset,
        at,
        resource_key=entitlement.resource_key,
        period_start=from_ms(period[0]),
        period_end=from_ms(period[1]),
        consumed=entitlement.consumed,
        contributions=contributions,
        owed=owed,
        forgiven=entitlement.owed - sum(debt.quantity for debt in owed),
        preserves=preserves,
        **facts,
    )
    return bool(contributions)


def _what_is_owed_on(
    pool: ResourcePool, entitlement: Entitlement, end_ms: int, *, preserve: bool | None, is_asked: bool
) -> tuple[list[PreservedOverage], bool]:
    """What the next period starts with, the oldest first, and whether overage is preserved.

    If nothing contributes, each debt follows the rule under which it was incurred.
    """
    rule = None if is_asked else rule_that_ranks_first(pool, entitlement.resource_key, entitlement.period)
    if preserve is None and rule is not None:
        preserve = rule.overage_at_reset == "preserve"
    if preserve is False:
        return [], False
    debts: dict[int, int] = {}
    for debt in entitlement.debts:
        if debt.quantity and (preserve or debt.preserves):
            is_new = debt.until_ms == NEVER_MS
            until_ms = owed_until(entitlement, end_ms) if is_new else debt.until_ms
            debts[until_ms] = debts.get(until_ms, 0) + debt.quantity
    owed = [PreservedOverage(quantity=debts[until_ms], until_at=from_ms(until_ms)) for until_ms in sorted(debts)]
    return owed, entitlement.preserves if preserve is None else preserve


def _end_of_next(pool: ResourcePool, entitlement: Entitlement, start_ms: int, anchor_at: datetime | None) -> int:
    calendar = entitlement.calendar if anchor_at is None else Calendar(pool.time_zone, to_ms(anchor_at))
    return period_bounds(entitlement.period, start_ms, calendar)[1]


def _next_contributions(entitlement: Entitlement, rolled: Mapping[str, int]) -> list[Contribution]:
    """What the next period begins with, if that is not simply the same again with nothing consumed. rolled: what is carried over."""
    if not any(rolled.values()) and not any(b.kept or b.carried for b in entitlement.buckets):
        return []
    stated = []
    for bucket in entitlement.buckets:
        if bucket.is_gone:
            continue
        carried = rolled.get(bucket.provision_id, 0)
        moved = 0 if bucket.paused else carried - bucket.carried
        stated.append(
            replace(
                bucket.stated(),
                limit=0 if bucket.paused else _raised(bucket.limit, moved),
                soft_limit=_raised(bucket.soft_limit, moved),
                hard_limit=_raised(bucket.hard_limit, moved),
                carried=carried,
                consumed=0,
            )
        )
    return stated


def _raised(amount: int | None, by: int) -> int | None:
    return None if amount is None else amount + by


def remember_idle_periods(pool: ResourcePool, entitlement: Entitlement, at: datetime) -> None:
    """Write down the periods in which nothing was used while their grace lasts, before they cannot be worked out any more."""
    if not entitlement.grace_for:
        return
    periods = [
        KeyPeriod(resource_key=entitlement.resource_key, period_start=from_ms(start_ms), period_end=from_ms(end_ms))
        for start_ms, end_ms in idle_periods(entitlement, to_ms(at))
    ]
    if periods:
        pool.happen(PeriodsClosed, at, resource_key=entitlement.resource_key, periods=periods[::-1])


def _remember_with_what_they_began(pool: ResourcePool, entitlement: Entitlement, at: datetime) -> None:
    """What is owed from before is about to be less: an idle period, which began with it, is not."""
    if entitlement.preserved:
        remember_idle_periods(pool, entitlement, at)


def remember_idle_periods_of_all(pool: ResourcePool, at: datetime) -> None:
    """As remember_idle_periods, of every key: what contributions say of themselves is about to change."""
    for entitlement in list(pool.entitlements.values()):
        remember_idle_periods(pool, entitlement, at)
