"""Decisions about time: by which zone and anchor periods are counted, and a reset by hand."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.errors import KeyIsNotMetered, PoolIsClosed, UnknownKey
from entitlements.domain.owing import pay, remember_idle_periods_of_all, reset
from entitlements.domain.periods import Calendar, check_anchor, check_time_zone, period_bounds
from entitlements.domain.plan_commands import ChangeCalendar, ResetUsage
from entitlements.domain.plan_events import CalendarChanged
from entitlements.domain.pools import ResourcePool
from entitlements.domain.restack import restack
from entitlements.domain.values import CapPeriod, KeyPeriod


def change_calendar(pool: ResourcePool, command: ChangeCalendar, now: datetime) -> None:
    """Count periods by another time zone or billing anchor.

    A period under way keeps its start and what was consumed, and ends at the first boundary of the new calendar after now:
    nothing is reset at once, and no period is ever longer than one of each calendar together. That goes for keys, whether anything
    was used or not, and for caps that have a period of their own. The event says all of these bounds.
    """
    if pool.is_closed:
        raise PoolIsClosed
    if (pool.time_zone, pool.anchor_at) == (command.time_zone, command.anchor_at):
        return
    check_time_zone(command.time_zone)
    check_anchor(command.anchor_at)
    now_ms = to_ms(now)
    remember_idle_periods_of_all(pool, now)
    pool.happen(
        CalendarChanged,
        now,
        time_zone=command.time_zone,
        anchor_at=command.anchor_at,
        periods=_moved_periods(pool, command, now_ms),
        cap_periods=_moved_cap_periods(pool, command, now_ms),
        actor=command.actor,
    )


def _moved_periods(pool: ResourcePool, command: ChangeCalendar, now_ms: int) -> list[KeyPeriod]:
    """The periods of keys under way, used or not, that the new calendar alone would not give."""
    found = []
    for entitlement in pool.entitlements.values():
        start_ms, end_ms = entitlement.period_at(now_ms)
        if entitlement.period is None or end_ms >= NEVER_MS:
            continue
        if entitlement.anchor_ms is not None:
            calendar = Calendar(command.time_zone, entitlement.anchor_ms)
        else:
            anchor = command.anchor_at if entitlement.anchored else None
            calendar = Calendar(command.time_zone, None if anchor is None else to_ms(anchor))
        by_calendar = period_bounds(entitlement.period, now_ms, calendar)
        is_entered = now_ms < entitlement.period_end_ms
        if (start_ms, by_calendar[1]) != ((start_ms, end_ms) if is_entered else by_calendar):
            found.append(
                KeyPeriod(
                    resource_key=entitlement.resource_key,
                    period_start=from_ms(start_ms),
                    period_end=from_ms(by_calendar[1]),
                )
            )
    return found


def _moved_cap_periods(pool: ResourcePool, command: ChangeCalendar, now_ms: int) -> list[CapPeriod]:
    """Where the periods under way of caps end that have one of their own, if that is another instant than before.

    By the name of the period, because all of one name end at the same instant, and a pool may have thousands of caps.
    """
    calendar, found = Calendar(command.time_zone, None), dict[str, CapPeriod]()
    for _, cap in pool.all_caps():
        if cap.period is not None and cap.period_start_ms <= now_ms < cap.period_end_ms:
            end_ms = period_bounds(cap.period, now_ms, calendar)[1]
            if end_ms != cap.period_end_ms:
                found[cap.period] = CapPeriod(period=cap.period, period_end=from_ms(end_ms))
    return list(found.values())


def reset_usage(pool: ResourcePool, command: ResetUsage, now: datetime) -> None:
    """End the period of a quota now. The next ends when this one would have, or is counted from now on."""
    if pool.is_closed:
        raise PoolIsClosed
    entitlement = pool.entitlements.get(command.resource_key)
    if entitlement is None:
        raise UnknownKey(command.resource_key)
    if entitlement.period is None:
        raise KeyIsNotMetered(f"{command.resource_key} has no period")
    pool.seal()
    now_ms = to_ms(now)
    start_ms, end_ms = entitlement.period_at(now_ms)
    kept = command.keep_anchor and end_ms < NEVER_MS
    anchor_at, until = (None, from_ms(end_ms) if kept else None) if command.keep_anchor else (now, None)
    ended = (start_ms, now_ms)
    if reset(
        pool,
        entitlement,
        now,
        ended,
        preserve=None if command.overage_at_reset is None else command.overage_at_reset == "preserve",
        manual=True,
        anchor_at=anchor_at,
        continues_until=until,
        note=command.reason,
        actor=command.actor,
    ):
        restack(pool, now)
    pay(pool, entitlement, now)
