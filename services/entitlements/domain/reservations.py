"""Decisions about reservations."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.pools import ResourcePool
from entitlements.domain.usage_commands import CommitReservation, ExtendReservation, ReleaseReservation, ReserveUsage


def reserve_usage(pool: ResourcePool, command: ReserveUsage, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError


def extend_reservation(pool: ResourcePool, command: ExtendReservation, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError


def commit_reservation(pool: ResourcePool, command: CommitReservation, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError


def release_reservation(pool: ResourcePool, command: ReleaseReservation, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError
