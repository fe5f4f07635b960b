"""Decisions about corrections."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.pools import ResourcePool
from entitlements.domain.usage_commands import CorrectUsage, ReverseUsage


def reverse_usage(pool: ResourcePool, command: ReverseUsage, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError


def correct_usage(pool: ResourcePool, command: CorrectUsage, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError
