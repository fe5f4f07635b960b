"""Decisions about time: by which zone and anchor periods are counted, and a reset by hand."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.errors import KeyIsNotMetered, PoolIsClosed, UnknownKey
from entitlements.domain.owing import pay, remember_idle_periods, reset
from entitlements.domain.periods import Calendar, check_anchor, check_time_zone, period_bounds
from entitlements.domain.plan_commands import ChangeCalendar, ResetUsage
from entitlements.domain.plan_events import CalendarChanged
from entitlements.domain.pools import ResourcePool
from entitlements.domain.restack import restack
from entitlements.domain.values import KeyPeriod


def change_calendar(pool: ResourcePool, command: ChangeCalendar, now: datetime) -> None:
    """Count periods by another time zone or billing anchor.

    A period under way keeps its start and what was consumed, and ends at the first boundary of the new calendar after now:
    nothing is reset at once, and no period is ever longer than one of each calendar together.
    """
    if pool.is_closed:
        raise PoolIsClosed
    if (pool.time_zone, pool.anchor_at) == (command.time_zone, command.anchor_at):
        return
    check_time_zone(command.time_zone)
    check_anchor(command.anchor_at)
    now_ms, periods = to_ms(now), []
    for entitlement in pool.entitlements.values():
        remember_idle_periods(pool, entitlement, now)
    for entitlement in pool.entitlements.values():
        if entitlement.resets_at_ms >= NEVER_MS or now_ms >= entitlement.period_end_ms:
            continue  # Nothing is under way: it just counts by the new calendar from its next use on.
        if entitlement.anchor_ms is not None:
            calendar = Calendar(command.time_zone, entitlement.anchor_ms)
        else:
            anchor = command.anchor_at if entitlement.anchored else None
            calendar = Calendar(command.time_zone, None if anchor is None else to_ms(anchor))
        end_ms = period_bounds(entitlement.period, now_ms, calendar)[1]
        if end_ms != entitlement.period_end_ms:
            periods.append(
                KeyPeriod(
                    resource_key=entitlement.resource_key,
                    period_start=from_ms(entitlement.period_start_ms),
                    period_end=from_ms(end_ms),
                )
            )
    pool.happen(
        CalendarChanged,
        now,
        time_zone=command.time_zone,
        anchor_at=command.anchor_at,
        periods=periods,
        actor=command.actor,
    )


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
