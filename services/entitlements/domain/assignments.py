"""Decisions about assignments: which workspaces use a pool."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.commands import AssignWorkspace, UnassignWorkspace
from entitlements.domain.errors import PoolIsClosed
from entitlements.domain.pool_events import WorkspaceAssigned, WorkspaceUnassigned
from entitlements.domain.pools import ResourcePool


def assign_workspace(pool: ResourcePool, command: AssignWorkspace, now: datetime) -> None:
    """Let a workspace use the pool, or change its role."""
    if pool.is_closed:
        raise PoolIsClosed
    held = pool.assignments.get(command.workspace_id), pool.may_overflow.get(command.workspace_id)
    if held == (command.role, command.may_overflow):
        return  # Already so: a repeated command is not an error.
    pool.happen(
        WorkspaceAssigned,
        now,
        workspace_id=command.workspace_id,
        role=command.role,
        may_overflow=command.may_overflow,
        actor=command.actor,
    )


def unassign_workspace(pool: ResourcePool, command: UnassignWorkspace, now: datetime) -> None:
    """Stop a workspace from using the pool."""
    if command.workspace_id not in pool.assignments:
        return
    pool.happen(WorkspaceUnassigned, now, workspace_id=command.workspace_id, reason=command.reason, actor=command.actor)
