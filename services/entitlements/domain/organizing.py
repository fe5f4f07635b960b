"""Decisions about organizations: units, workspaces in them, what they are assigned, members' roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from entitlements.domain.aggregate import begin
from entitlements.domain.errors import (
    InvalidCommand,
    TooManyAssignments,
    TooManyCustomers,
    TooManyRoles,
    TooManyUnits,
    UnitCycle,
    UnitIsNotEmpty,
    UnknownUnit,
)
from entitlements.domain.governance_commands import (
    AssignUnit,
    DefineUnit,
    PlaceWorkspace,
    RemoveUnit,
    SetMemberRole,
    UnassignUnit,
)
from entitlements.domain.organization_events import (
    MemberRoleSet,
    UnitAssigned,
    UnitDefined,
    UnitRemoved,
    UnitUnassigned,
    WorkspacePlaced,
)
from entitlements.domain.organizations import ROLES, Organization, UnitAssignment
from entitlements.domain.values import AssignmentChange

#: Units of an organization, removed ones included, and how deep they lie.
UNITS_MAX: Final = 10_000
DEPTH_MAX: Final = 32
#: Workspaces that one command may concern, and assignments that it may change: each is told in its event.
WORKSPACES_MAX: Final = 5_000
CHANGES_MAX: Final = 20_000
#: Of one organization: workspaces in units, pools assigned to units, roles of members. All of it is one state.
PLACED_MAX: Final = 100_000
ASSIGNMENTS_MAX: Final = 10_000
ROLES_MAX: Final = 100_000


def define_unit(held: Organization | None, command: DefineUnit, now: datetime) -> Organization:
    """Add a unit, or move or rename it. The first unit brings its organization into being."""
    parent_id = command.parent_unit_id
    facts: dict[str, Any] = {"unit_id": command.unit_id, "parent_unit_id": parent_id, "name": command.name}
    if parent_id and (held is None or held.unit(parent_id) is None):
        raise UnknownUnit(parent_id)
    if held is None:
        opening = UnitDefined(
            originator_id=command.organization_id,
            originator_version=Organization.INITIAL_VERSION,
            timestamp=now,
            command_id=command.command_id,
            assignments=[],
            actor=command.actor,
            **facts,
        )
        return begin(opening, Organization)
    present = held.unit(command.unit_id)
    if present is not None and (present.parent_unit_id, present.name) == (parent_id, command.name):
        return held
    if command.unit_id not in held.units and len(held.units) >= UNITS_MAX:
        raise TooManyUnits(f"the maximum is {UNITS_MAX} units")
    if present is not None and parent_id in held.below(command.unit_id):
        raise UnitCycle(f"{parent_id} is below {command.unit_id}")
    if sum(1 for _ in held.upwards(parent_id)) + _height(held, command.unit_id) > DEPTH_MAX:
        raise TooManyUnits(f"the maximum depth is {DEPTH_MAX}")
    changes = [] if present is None else _moved(held, command.unit_id, present.parent_unit_id, parent_id)
    held.happen(UnitDefined, now, **facts, assignments=changes, actor=command.actor)
    return held


def remove_unit(held: Organization | None, command: RemoveUnit, now: datetime) -> Organization:
    """Remove a unit in which nothing is and that has nothing: so nothing follows for anybody."""
    if held is None or command.unit_id not in held.units:
        raise UnknownUnit(command.unit_id)
    if held.units[command.unit_id].is_removed:
        return held
    unit = held.units[command.unit_id]
    if unit.assignments or unit.members:
        raise UnitIsNotEmpty(f"{command.unit_id} has assignments or members")
    if len(held.below(command.unit_id)) > 1 or command.unit_id in held.workspaces.values():
        raise UnitIsNotEmpty(command.unit_id)
    held.happen(UnitRemoved, now, unit_id=command.unit_id, actor=command.actor)
    return held


def place_workspace(held: Organization | None, command: PlaceWorkspace, now: datetime) -> Organization:
    """Put a workspace into a unit: it may use what that is assigned, and no more what the one before was."""
    if held is None or (command.unit_id and held.unit(command.unit_id) is None):
        raise UnknownUnit(command.unit_id)
    before_id = held.workspaces.get(command.workspace_id, "")
    if before_id == command.unit_id:
        return held
    if not before_id and len(held.workspaces) >= PLACED_MAX:
        raise TooManyCustomers
    before = {(command.workspace_id, pool): a for pool, a in held.assigned(before_id).items()}
    after = {(command.workspace_id, pool): a for pool, a in held.assigned(command.unit_id).items()}
    held.happen(
        WorkspacePlaced,
        now,
        workspace_id=command.workspace_id,
        unit_id=command.unit_id,
        before_unit_id=before_id,
        assignments=_differences(before, after),
        actor=command.actor,
    )
    return held


def assign_unit(held: Organization | None, command: AssignUnit, now: datetime) -> Organization:
    """Let the workspaces in and below a unit use a pool; a unit further down that says otherwise is nearer to its own."""
    unit = held.unit(command.unit_id) if held is not None else None
    if held is None or unit is None:
        raise UnknownUnit(command.unit_id)
    wanted = UnitAssignment(role=command.role, may_overflow=command.may_overflow)
    if unit.assignments.get(command.pool_id) == wanted:
        return held
    present = unit.assignments.get(command.pool_id)
    if present is None and held.assignments_count >= ASSIGNMENTS_MAX:
        raise TooManyAssignments
    changes = _reassigned(held, command.unit_id, command.pool_id, present, wanted)
    held.happen(
        UnitAssigned,
        now,
        unit_id=command.unit_id,
        pool_id=command.pool_id,
        role=command.role,
        may_overflow=command.may_overflow,
        assignments=changes,
        actor=command.actor,
    )
    return held


def unassign_unit(held: Organization | None, command: UnassignUnit, now: datetime) -> Organization:
    """Take a pool back from a unit; a unit above that has it still gives it."""
    unit = held.unit(command.unit_id) if held is not None else None
    if held is None or unit is None:
        raise UnknownUnit(command.unit_id)
    present = unit.assignments.get(command.pool_id)
    if present is None:
        return held
    changes = _reassigned(held, command.unit_id, command.pool_id, present, None)
    held.happen(
        UnitUnassigned,
        now,
        unit_id=command.unit_id,
        pool_id=command.pool_id,
        assignments=changes,
        actor=command.actor,
    )
    return held


def set_member_role(held: Organization | None, command: SetMemberRole, now: datetime) -> Organization:
    """Give a subject a role, or take it away. admin includes editor, and editor viewer."""
    if command.role and command.role not in ROLES:
        raise InvalidCommand(f"role must be {', '.join(ROLES)}")
    if bool(command.unit_id) == bool(command.workspace_id):
        raise InvalidCommand("set either a unit or a customer")
    unit = held.unit(command.unit_id) if held is not None else None
    if held is None or (command.unit_id and unit is None):
        raise UnknownUnit(command.unit_id)
    members = unit.members if unit is not None else held.members.get(command.workspace_id, {})
    before = members.get(command.subject_id, "")
    if not before and command.role and held.roles_count >= ROLES_MAX:
        raise TooManyRoles
    if before != command.role:
        held.happen(
            MemberRoleSet,
            now,
            unit_id=command.unit_id,
            workspace_id=command.workspace_id,
            subject_id=command.subject_id,
            role=command.role,
            actor=command.actor,
        )
    return held


def _height(held: Organization, unit_id: str) -> int:
    """How many levels a unit and those below it are."""
    if held.unit(unit_id) is None:
        return 1
    depth = sum(1 for _ in held.upwards(unit_id))
    return 1 + max(sum(1 for _ in held.upwards(name)) for name in held.below(unit_id)) - depth


def _workspaces_below(held: Organization, unit_id: str) -> list[str]:
    units = held.below(unit_id)
    found = sorted(workspace_id for workspace_id, name in held.workspaces.items() if name in units)
    if len(found) > WORKSPACES_MAX:
        raise TooManyUnits(f"{len(found)} customers would change; the maximum is {WORKSPACES_MAX}")
    return found


_Assigned = dict[tuple[str, str], UnitAssignment]


def _moved(held: Organization, unit_id: str, before_id: str, after_id: str) -> list[AssignmentChange]:
    """What follows for workspaces in and below a unit when it moves from below one to below another; nothing has happened yet."""
    workspaces, before, after = _workspaces_below(held, unit_id), held.assigned(before_id), held.assigned(after_id)
    pools = [pool_id for pool_id in {**before, **after} if before.get(pool_id) != after.get(pool_id)]
    return _changes_above(held, unit_id, workspaces, {pool: (before.get(pool), after.get(pool)) for pool in pools})


def _reassigned(
    held: Organization, unit_id: str, pool_id: str, present: UnitAssignment | None, wanted: UnitAssignment | None
) -> list[AssignmentChange]:
    """What follows for workspaces when a unit has another assignment of a pool; nothing has happened yet."""
    above = held.assigned(held.units[unit_id].parent_unit_id).get(pool_id)
    workspaces = _workspaces_below(held, unit_id)
    return _changes_above(held, unit_id, workspaces, {pool_id: (present or above, wanted or above)}, is_its_own=True)


def _changes_above(
    held: Organization,
    unit_id: str,
    workspaces: Sequence[str],
    changing: Mapping[str, tuple[UnitAssignment | None, UnitAssignment | None]],
    *,
    is_its_own: bool = False,
) -> list[AssignmentChange]:
    """What follows for workspaces in and below a unit when pools are assigned otherwise above it, or by itself: before and after.

    A unit between says otherwise of a pool than what changes above it: that is nearer. Raises TooManyAssignments.
    """
    if len(workspaces) * len(changing) > CHANGES_MAX:
        raise TooManyAssignments(f"{len(workspaces) * len(changing)} assignments would change")
    nearer: dict[str, set[str]] = {}
    before: _Assigned = {}
    after: _Assigned = {}
    for name in workspaces:
        within = held.workspaces[name]
        if within not in nearer:
            nearer[within] = _said_between(held, within, unit_id, is_its_own=is_its_own)
        for pool_id, (old, new) in changing.items():
            if pool_id not in nearer[within]:
                if old is not None:
                    before[name, pool_id] = old
                if new is not None:
                    after[name, pool_id] = new
    return _differences(before, after)


def _said_between(held: Organization, within: str, unit_id: str, *, is_its_own: bool) -> set[str]:
    """Pools of which a unit says something, or one of those above it up to another; of that one only if the change is not its own."""
    found: set[str] = set()
    while within != unit_id:
        found |= held.units[within].assignments.keys()
        within = held.units[within].parent_unit_id
    return found if is_its_own else found | held.units[unit_id].assignments.keys()


def _differences(before: _Assigned, after: _Assigned) -> list[AssignmentChange]:
    changes = []
    for workspace_id, pool_id in sorted(before.keys() | after.keys()):
        old, new = before.get((workspace_id, pool_id)), after.get((workspace_id, pool_id))
        if new is not None and new != old:
            change = AssignmentChange(
                workspace_id=workspace_id, pool_id=pool_id, role=new.role, may_overflow=new.may_overflow
            )
            changes.append(change)
        elif new is None:
            changes.append(AssignmentChange(workspace_id=workspace_id, pool_id=pool_id, role=None))
    return changes
