"""What can be asked. Each class equals its .avsc in schemas (commands); a test holds them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from entitlements.domain.aggregate import AggregateType
from entitlements.domain.values import (
    AssignmentRole,
    DataType,
    EndAt,
    Inheritance,
    KeyTerms,
    LadderRung,
    OwnRule,
    ParentSet,
    PeriodName,
    ProvisionSource,
    Rule,
    UsageGroup,
    UsageLine,
)


@dataclass(frozen=True, kw_only=True)
class Command:
    """The envelope of every command: who asks, who waits, and the key that makes a repeat harmless."""

    #: To what it is said, and which of its fields names that.
    aggregate_type: ClassVar[AggregateType] = "pool"
    addressed_by: ClassVar[str] = "pool_id"

    command_id: str
    idempotency_key: str | None = None
    actor: str = ""
    caller: str | None = None
    effective_at: datetime | None = None
    #: The organization of the caller, who sees no pools of others; None: the operator.
    caller_organization_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class DefineResourceKey(Command):
    """Define a resource key in the catalogue, or change its definition."""

    aggregate_type: ClassVar[AggregateType] = "resource_key"
    addressed_by: ClassVar[str] = "resource_key"

    resource_key: str
    name: str
    data_type: DataType
    unit: str = ""
    scale: int = 0
    terms: KeyTerms | None = None


@dataclass(frozen=True, kw_only=True)
class DefineEntitlementSet(Command):
    """Define a new version of a named set of rules."""

    aggregate_type: ClassVar[AggregateType] = "entitlement_set"
    addressed_by: ClassVar[str] = "set_id"

    set_id: str
    name: str
    ladder: str | None = None
    rung: int | None = None
    rules: list[Rule]
    extends: list[ParentSet] = field(default_factory=list)
    inheritance: Inheritance = "merge"
    own_rules: list[OwnRule] = field(default_factory=list)
    #: What the sender found on the ladder: its rungs, or None where nobody has defined it.
    ladder_rungs: list[int] | None = None
    looked_up: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class DefineLadder(Command):
    """Define a plan ladder: its rungs (service tiers), lowest first."""

    aggregate_type: ClassVar[AggregateType] = "plan_ladder"
    addressed_by: ClassVar[str] = "ladder"

    ladder: str
    name: str
    rungs: list[LadderRung]


@dataclass(frozen=True, kw_only=True)
class PoolCommand(Command):
    """A command to one pool."""

    pool_id: str


@dataclass(frozen=True, kw_only=True)
class OpenPool(PoolCommand):
    """Open a resource pool."""

    organization_id: str
    billing_account_id: str | None = None
    name: str = ""
    backfill_from: datetime | None = None
    time_zone: str = "UTC"
    anchor_at: datetime | None = None
    defaults: list[Rule] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class SuspendPool(PoolCommand):
    """Suspend a pool: it provides nothing until it is resumed."""

    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ResumePool(PoolCommand):
    """Resume a suspended pool."""

    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ClosePool(PoolCommand):
    """Close a pool and end all its provisions, permanently."""

    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ProvisionPool(PoolCommand):
    """Connect a billing source to a pool for a period, with the entitlements it provides."""

    provision_id: str
    source: ProvisionSource
    source_id: str = ""
    billing_account_id: str | None = None
    set_id: str
    set_version: int
    ladder: str | None = None
    rung: int | None = None
    quantity: int = 1
    rules: list[Rule]
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    priority: int = 0
    follows: bool = False
    billing_period: PeriodName | None = None
    looked_up: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class SuspendProvision(PoolCommand):
    """Suspend a provision: it provides nothing until it is resumed."""

    provision_id: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ResumeProvision(PoolCommand):
    """Resume a suspended provision."""

    provision_id: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class EndProvision(PoolCommand):
    """End a provision now, at the end of its billing period, or at a given time."""

    provision_id: str
    when: EndAt
    ends_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class UncancelProvision(PoolCommand):
    """Withdraw the scheduled end of a provision."""

    provision_id: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class IssueGrant(PoolCommand):
    """Grant a pool entitlements that nobody pays for."""

    grant_id: str
    reason: str
    set_id: str
    set_version: int
    quantity: int = 1
    rules: list[Rule]
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    priority: int = 0
    follows: bool = False
    looked_up: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class RevokeGrant(PoolCommand):
    """Revoke a grant before it expires."""

    grant_id: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class AssignWorkspace(PoolCommand):
    """Assign a customer to a pool."""

    workspace_id: str
    role: AssignmentRole
    may_overflow: bool = False


@dataclass(frozen=True, kw_only=True)
class UnassignWorkspace(PoolCommand):
    """Remove a customer's assignment to a pool."""

    workspace_id: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class RecordUsage(PoolCommand):
    """Record usage of one pool. Each line is decided separately, in order."""

    lines: list[UsageLine]
    #: Where one request travels as several commands: its idempotency key, and what all of it says, hashed. Empty: this one is whole.
    batch_key: str = ""
    batch_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class RecordUsageBatch(Command):
    """Record usage of many pools of one partition. Each line is decided separately, in order."""

    source: str = ""
    sequence: int = 0
    groups: list[UsageGroup] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ReleaseUsage(PoolCommand):
    """Release an allocated part of a limit."""

    resource_key: str
    quantity: int
    workspace_id: str = ""
    holder_id: str = ""
    subject_id: str = ""


@dataclass(frozen=True, kw_only=True)
class AdvanceClock(PoolCommand):
    """Apply what is due on a pool: starts, ends, resets and expiries."""


def address_of(command: Command) -> tuple[AggregateType, str]:
    """The aggregate that a command is for; of a batch of many pools its first."""
    if isinstance(command, RecordUsageBatch):
        return "pool", command.groups[0]["pool_id"] if command.groups else command.command_id
    return command.aggregate_type, getattr(command, command.addressed_by)
