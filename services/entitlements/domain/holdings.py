"""Decisions about holdings."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.pools import ResourcePool
from entitlements.domain.usage_commands import AllocateLimit, SetAllocation


def allocate_limit(pool: ResourcePool, command: AllocateLimit, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError


def set_allocation(pool: ResourcePool, command: SetAllocation, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError
