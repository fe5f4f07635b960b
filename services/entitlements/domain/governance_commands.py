"""What can be asked about an organization (units, workspaces, members, access policies, API keys) and about campaigns. As in commands.py, one .avsc each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from entitlements.domain.aggregate import AggregateType
from entitlements.domain.commands import Command
from entitlements.domain.values import ApiScope, AssignmentRole, PolicyEffect, Rule


@dataclass(frozen=True, kw_only=True)
class OrganizationCommand(Command):
    """A command to one organization."""

    aggregate_type: ClassVar[AggregateType] = "organization"
    addressed_by: ClassVar[str] = "organization_id"

    organization_id: str


@dataclass(frozen=True, kw_only=True)
class DefineUnit(OrganizationCommand):
    """Add a unit to an organization, or move or rename one. Its customers move with it."""

    unit_id: str
    parent_unit_id: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class RemoveUnit(OrganizationCommand):
    """Remove an empty unit."""

    unit_id: str


@dataclass(frozen=True, kw_only=True)
class PlaceWorkspace(OrganizationCommand):
    """Put a customer into a unit, or move it to another; no unit removes it from its unit."""

    workspace_id: str
    unit_id: str = ""


@dataclass(frozen=True, kw_only=True)
class AssignUnit(OrganizationCommand):
    """Assign a pool to every customer in a unit and in the units below it."""

    unit_id: str
    pool_id: str
    role: AssignmentRole = "primary"
    may_overflow: bool = False


@dataclass(frozen=True, kw_only=True)
class UnassignUnit(OrganizationCommand):
    """Remove a unit's assignment to a pool."""

    unit_id: str
    pool_id: str


@dataclass(frozen=True, kw_only=True)
class SetMemberRole(OrganizationCommand):
    """Give a subject a role in a unit (and all units below it) or in a customer; no role removes it."""

    subject_id: str
    role: str = ""
    unit_id: str = ""
    workspace_id: str = ""


@dataclass(frozen=True, kw_only=True)
class CampaignCommand(Command):
    """A command to one campaign."""

    aggregate_type: ClassVar[AggregateType] = "campaign"
    addressed_by: ClassVar[str] = "campaign_id"

    campaign_id: str


@dataclass(frozen=True, kw_only=True)
class DefineCampaign(CampaignCommand):
    """Define a campaign: what it grants, when and why. It cannot be changed while it is active."""

    name: str = ""
    set_id: str
    set_version: int
    rules: list[Rule]
    quantity: int = 1
    priority: int = 0
    starts_at: datetime | None = None
    ends_at: datetime
    reason: str
    looked_up: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ChangeCampaignPools(CampaignCommand):
    """Add pools to a campaign, or remove some."""

    add: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ActivateCampaign(CampaignCommand):
    """Activate a campaign: grant its set to each of its pools, for its window."""


@dataclass(frozen=True, kw_only=True)
class DeactivateCampaign(CampaignCommand):
    """Deactivate a campaign: revoke its grants in all of its pools."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class DefineAccessPolicy(OrganizationCommand):
    """Define an access policy, or a new version of one. It allows or denies keys regardless of plans."""

    policy_id: str
    name: str = ""
    effect: PolicyEffect
    priority: int = 0
    #: The whole policy as canonical JSON: properties sorted, no spaces. Whoever sends it has checked what its conditions mean; the
    #: decision checks that it is one document, no larger than it may be, and says the same as the other fields.
    document: str


@dataclass(frozen=True, kw_only=True)
class RetireAccessPolicy(OrganizationCommand):
    """Retire an access policy: it no longer applies. It can be defined again, as its next version."""

    policy_id: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class CreateApiKey(OrganizationCommand):
    """Create an API key for the organization. Only the SHA-256 of its secret is sent."""

    key_id: str
    #: In hex, small letters.
    secret_sha256: str
    name: str = ""
    scopes: list[ApiScope]
    #: Organizations that its holder may act for by naming them, or all: only the operator gives that.
    act_for: list[str] = field(default_factory=list)
    acts_for_all: bool = False
    #: The unit whose customers alone it is for, those of the units below it included; empty: the whole organization.
    unit_id: str = ""
    #: None: until it is revoked.
    expires_at: datetime | None = None
    #: None: as many as the service allows everybody.
    requests_per_s: int | None = None
    #: What the sender made up: where it chooses the id and the secret, a repeat has others.
    looked_up: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class RevokeApiKey(OrganizationCommand):
    """Revoke an API key, now or at a future time."""

    key_id: str
    #: None: now. Until then the key that replaces it counts beside it.
    revoke_at: datetime | None = None
    reason: str = ""
