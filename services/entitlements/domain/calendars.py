"""Decisions about calendars."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.pools import ResourcePool
from entitlements.domain.plan_commands import ChangeCalendar, ResetUsage


def change_calendar(pool: ResourcePool, command: ChangeCalendar, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError


def reset_usage(pool: ResourcePool, command: ResetUsage, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError
