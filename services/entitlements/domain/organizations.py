"""An organization: units in a tree, the workspaces in them, members with roles. What units are assigned, their workspaces use.
Its access policies and API keys too.

Assignments live on pools. An organization decides which follow from its units and tells them as a part of each event, so that
whoever carries them out (the reconciler) needs no rule of its own, and an auditor sees why a workspace got a pool.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from entitlements.domain.aggregate import Aggregate, AggregateType, Event
from entitlements.domain.values import ApiScope, AssignmentRole

#: Roles from the least to the most; each includes those before it.
ROLES: Final = ("viewer", "editor", "admin")


@dataclass(slots=True, kw_only=True)
class UnitAssignment:
    """What a unit may use."""

    role: AssignmentRole
    may_overflow: bool


@dataclass(slots=True, kw_only=True)
class Unit:
    """A part of an organization. A removed one is remembered: removing it again is harmless."""

    parent_unit_id: str
    name: str
    is_removed: bool = False
    assignments: dict[str, UnitAssignment] = field(default_factory=dict)
    #: Role by subject.
    members: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class AccessPolicy:
    """A policy, without its document: that is a fact of its event, and nothing here asks what it says."""

    #: Rises by one with each definition and retirement.
    policy_version: int
    #: SHA-256 of its document in hex, the first half: whether a definition is a new one.
    digest: str
    #: Of its document.
    characters: int
    is_retired: bool = False


@dataclass(slots=True, kw_only=True)
class ApiKey:
    """A key. One that is revoked or has expired is remembered: its id is never given again."""

    secret_sha256: str
    name: str
    scopes: list[ApiScope]
    act_for: list[str]
    acts_for_all: bool
    unit_id: str
    expires_at: datetime | None
    requests_per_s: int | None
    #: When it counts no more, which may be to come; None: nobody revokes it.
    revoked_at: datetime | None = None

    def counts_at(self, now: datetime) -> bool:
        """Whether its holder may still act."""
        return all(end is None or now < end for end in (self.expires_at, self.revoked_at))


class Organization(Aggregate):
    """Owns pools (governance): who belongs where, and what follows from it."""

    aggregate_type = "organization"

    def __init__(self, opened: OrganizationEvent) -> None:
        super().__init__(opened)
        self.units: dict[str, Unit] = {}
        #: The unit of each workspace that is in one.
        self.workspaces: dict[str, str] = {}
        #: Roles in single workspaces: workspace, subject, role.
        self.members: dict[str, dict[str, str]] = {}
        self.policies: dict[str, AccessPolicy] = {}
        #: How often a policy was defined or retired: the version of all of them together.
        self.policies_version = 0
        self.api_keys: dict[str, ApiKey] = {}
        self.count_again()

    def count_again(self) -> None:
        """Count what is bounded and lies in many places. No part of the state: it follows from it."""
        units = self.units.values()
        #: Roles of members in units and workspaces, and pools that units are assigned.
        self.roles_count = sum(len(one.members) for one in units) + sum(map(len, self.members.values()))
        self.assignments_count = sum(len(one.assignments) for one in units)

    def unit(self, unit_id: str) -> Unit | None:
        """A unit that was not removed."""
        found = self.units.get(unit_id)
        return None if found is None or found.is_removed else found

    def upwards(self, unit_id: str) -> Iterator[Unit]:
        """A unit and those above it, the nearest first."""
        while unit := self.unit(unit_id):
            yield unit
            unit_id = unit.parent_unit_id

    def below(self, unit_id: str) -> set[str]:
        """A unit and all below it."""
        children: dict[str, list[str]] = {}
        for name, unit in self.units.items():
            if not unit.is_removed:
                children.setdefault(unit.parent_unit_id, []).append(name)
        found, todo = set(), [unit_id]
        while todo:
            name = todo.pop()
            found.add(name)
            todo += children.get(name, ())
        return found

    def assigned(self, unit_id: str) -> dict[str, UnitAssignment]:
        """What a workspace in a unit may use, by pool: the nearest unit that says something of a pool decides."""
        found: dict[str, UnitAssignment] = {}
        for unit in self.upwards(unit_id):
            for pool_id, assignment in unit.assignments.items():
                found.setdefault(pool_id, assignment)
        return found

    def role_of(self, workspace_id: str, subject_id: str) -> str:
        """The highest role of a subject in a workspace: its own there, or that in any unit above; empty: none."""
        roles = [self.members.get(workspace_id, {}).get(subject_id, "")]
        roles += [unit.members.get(subject_id, "") for unit in self.upwards(self.workspaces.get(workspace_id, ""))]
        return max(roles, key=rank)


def rank(role: str) -> int:
    """How much a role includes; 0: it is none."""
    return ROLES.index(role) + 1 if role in ROLES else 0


def suffices(role: str, min_role: str) -> bool:
    """Whether a member with a role has a feature whose rule asks for at least another."""
    return rank(role) >= rank(min_role)


class OrganizationEvent(Event):
    """A fact about one organization, and the command that caused it."""

    aggregate_type: ClassVar[AggregateType] = "organization"

    command_id: str

    def mutate(self, aggregate: Organization | None) -> Organization | None:  # type: ignore[override]
        if aggregate is None:
            opened = Organization.opened_by(self)
            self.apply(opened)
            return opened
        return super().mutate(aggregate)
