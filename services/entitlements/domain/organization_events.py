"""The facts about organizations. `apply` only takes down what happened; what follows for workspaces is told with each."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.organizations import (
    AccessPolicy,
    ApiKey,
    Organization,
    OrganizationEvent,
    Unit,
    UnitAssignment,
)
from entitlements.domain.values import ApiScope, AssignmentChange, AssignmentRole, PolicyEffect


class UnitDefined(OrganizationEvent):
    """A unit was added, moved or renamed."""

    unit_id: str
    parent_unit_id: str
    name: str
    assignments: list[AssignmentChange]
    actor: str

    def apply(self, aggregate: Organization) -> None:
        held = aggregate.units.get(self.unit_id)
        if held is None or held.is_removed:
            aggregate.units[self.unit_id] = Unit(parent_unit_id=self.parent_unit_id, name=self.name)
        else:
            held.parent_unit_id, held.name = self.parent_unit_id, self.name


class UnitRemoved(OrganizationEvent):
    """A unit was removed."""

    unit_id: str
    actor: str

    def apply(self, aggregate: Organization) -> None:
        aggregate.units[self.unit_id].is_removed = True


class WorkspacePlaced(OrganizationEvent):
    """A customer was put into a unit, moved to another, or removed from its unit."""

    workspace_id: str
    unit_id: str
    before_unit_id: str
    assignments: list[AssignmentChange]
    actor: str

    def apply(self, aggregate: Organization) -> None:
        if self.unit_id:
            aggregate.workspaces[self.workspace_id] = self.unit_id
        else:
            del aggregate.workspaces[self.workspace_id]


class UnitAssigned(OrganizationEvent):
    """A pool was assigned to the customers in a unit."""

    unit_id: str
    pool_id: str
    role: AssignmentRole
    may_overflow: bool
    assignments: list[AssignmentChange]
    actor: str

    def apply(self, aggregate: Organization) -> None:
        assignment = UnitAssignment(role=self.role, may_overflow=self.may_overflow)
        assignments = aggregate.units[self.unit_id].assignments
        aggregate.assignments_count += self.pool_id not in assignments
        assignments[self.pool_id] = assignment


class UnitUnassigned(OrganizationEvent):
    """A pool is no longer assigned to the customers in a unit, unless a unit above has it."""

    unit_id: str
    pool_id: str
    assignments: list[AssignmentChange]
    actor: str

    def apply(self, aggregate: Organization) -> None:
        del aggregate.units[self.unit_id].assignments[self.pool_id]
        aggregate.assignments_count -= 1


class MemberRoleSet(OrganizationEvent):
    """A subject was given a role in a unit or a customer, or lost it."""

    unit_id: str
    workspace_id: str
    subject_id: str
    role: str
    actor: str

    def apply(self, aggregate: Organization) -> None:
        if self.unit_id:
            members = aggregate.units[self.unit_id].members
        else:
            members = aggregate.members.setdefault(self.workspace_id, {})
        aggregate.roles_count -= members.pop(self.subject_id, None) is not None
        if self.role:
            members[self.subject_id] = self.role
            aggregate.roles_count += 1
        if self.workspace_id and not members:
            del aggregate.members[self.workspace_id]


class AccessPolicyDefined(OrganizationEvent):
    """An access policy was defined, or redefined."""

    policy_id: str
    policy_version: int
    policies_version: int
    name: str
    effect: PolicyEffect
    priority: int
    document: str
    digest: str
    actor: str

    def apply(self, aggregate: Organization) -> None:
        aggregate.policies[self.policy_id] = AccessPolicy(
            policy_version=self.policy_version, digest=self.digest, characters=len(self.document)
        )
        aggregate.policies_version = self.policies_version


class AccessPolicyRetired(OrganizationEvent):
    """An access policy was retired."""

    policy_id: str
    policy_version: int
    policies_version: int
    reason: str
    actor: str

    def apply(self, aggregate: Organization) -> None:
        held = aggregate.policies[self.policy_id]
        held.policy_version, held.is_retired = self.policy_version, True
        aggregate.policies_version = self.policies_version


class ApiKeyCreated(OrganizationEvent):
    """An API key was created for the organization."""

    key_id: str
    secret_sha256: str
    name: str
    scopes: list[ApiScope]
    act_for: list[str]
    acts_for_all: bool
    unit_id: str
    expires_at: datetime | None
    requests_per_s: int | None
    actor: str

    def apply(self, aggregate: Organization) -> None:
        aggregate.api_keys[self.key_id] = ApiKey(
            secret_sha256=self.secret_sha256,
            name=self.name,
            scopes=self.scopes,
            act_for=self.act_for,
            acts_for_all=self.acts_for_all,
            unit_id=self.unit_id,
            expires_at=self.expires_at,
            requests_per_s=self.requests_per_s,
        )


class ApiKeyRevoked(OrganizationEvent):
    """An API key was revoked. It stops working at revoke_at."""

    key_id: str
    revoke_at: datetime
    reason: str
    actor: str

    def apply(self, aggregate: Organization) -> None:
        aggregate.api_keys[self.key_id].revoked_at = self.revoke_at
