"""Decisions about overrides."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.pools import ResourcePool
from entitlements.domain.plan_commands import ClearOverride, SetOverride


def set_override(pool: ResourcePool, command: SetOverride, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError


def clear_override(pool: ResourcePool, command: ClearOverride, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError
