"""What narrows a pool for one of its members: caps, and overrides of one workspace."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import CommandRefused, MemberCapIsReached
from entitlements.domain.plan_commands import CapMember
from entitlements.domain.pools import ResourcePool


def what_narrows(
    pool: ResourcePool, entitlement: Entitlement, workspace_id: str, subject_id: str, quantity: int, now_ms: int
) -> tuple[type[CommandRefused], int] | None:
    """Why a member may not draw a quantity although the pool has it, and how much it could draw."""
    if not entitlement.is_narrowed:
        return None
    for cap in pool.caps_of(workspace_id, subject_id, entitlement.resource_key):
        is_current = cap.period_start_ms <= now_ms < cap.period_end_ms
        left = max(0, cap.amount - (cap.consumed if is_current else 0))
        if quantity > left:
            return MemberCapIsReached, left
    return None


def cap_member(pool: ResourcePool, command: CapMember, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError
