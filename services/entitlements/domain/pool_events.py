"""The facts about a pool. `apply` only takes down what happened: facts are not judged again."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import Event, to_ms
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pools import Grant, Provision, ResourcePool
from entitlements.domain.rolling import schedule_roll, take_terms
from entitlements.domain.sharing import shared_rules
from entitlements.domain.taking import schedule_recurrences
from entitlements.domain.values import (
    AssignmentRole,
    EndReason,
    EntitlementChange,
    PeriodName,
    ProvisionSource,
    Rule,
)


class PoolEvent(Event):
    """A fact about one pool, and the command that caused it."""

    command_id: str

    def mutate(self, aggregate: ResourcePool | None) -> ResourcePool | None:  # type: ignore[override]
        if aggregate is not None:
            aggregate.turn += 1
        return super().mutate(aggregate)


class PoolOpened(PoolEvent):
    """A pool was opened."""

    organization_id: str
    billing_account_id: str | None
    name: str
    backfill_from: datetime | None
    time_zone: str
    anchor_at: datetime | None
    defaults: list[Rule]
    actor: str

    def mutate(self, aggregate: ResourcePool | None) -> ResourcePool:  # type: ignore[override]
        assert aggregate is None, "the log opens this pool twice"
        return ResourcePool.opened_by(self)


class BackfillEnded(PoolEvent):
    """Backfill of the pool ended. From now on it is decided at the time of the log."""

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.is_backfilling, aggregate.backfilled_at_ms = False, to_ms(self.timestamp)


class PoolSuspended(PoolEvent):
    """The pool was suspended: it provides nothing until it is resumed."""

    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.status = "suspended"


class PoolResumed(PoolEvent):
    """The pool was resumed."""

    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.status = "open"


class PoolClosed(PoolEvent):
    """The pool was closed permanently."""

    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.status = "closed"
        aggregate.find_due()


class ProvisionScheduled(PoolEvent):
    """A provision was added to the pool."""

    provision_id: str
    source: ProvisionSource
    source_id: str
    billing_account_id: str | None
    set_id: str
    set_version: int
    ladder: str | None
    rung: int | None
    quantity: int
    rules: list[Rule]
    starts_at: datetime
    ends_at: datetime | None
    priority: int
    follows: bool
    billing_period: PeriodName | None
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        assert self.provision_id not in aggregate.provisions, "the log holds this provision twice"
        aggregate.provisions[self.provision_id] = Provision(
            provision_id=self.provision_id,
            source=self.source,
            source_id=self.source_id,
            billing_account_id=self.billing_account_id,
            set_id=self.set_id,
            set_version=self.set_version,
            ladder=self.ladder,
            rung=self.rung,
            quantity=self.quantity,
            rules=shared_rules(self.rules),
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            planned_ends_at=self.ends_at,
            priority=self.priority,
            follows=self.follows,
            billing_period=self.billing_period,
        )
        aggregate.find_due()


class ProvisionStarted(PoolEvent):
    """The provision started and contributes from now on."""

    provision_id: str

    def apply(self, aggregate: ResourcePool) -> None:
        provision = aggregate.provisions[self.provision_id]
        provision.status, provision.started = "active", aggregate.turn
        _reschedule(aggregate, provision, self.timestamp)


def _reschedule(pool: ResourcePool, provision: Provision, at: datetime) -> None:
    """Find what is due; what waits owed may end with the period, as somebody says of it again, though he adds nothing."""
    for rule in provision.rules:
        entitlement = pool.entitlements.get(rule.resource_key)
        if entitlement is not None and entitlement.debts:
            schedule_roll(pool, entitlement, to_ms(at))
    pool.find_due()


class ProvisionSuspended(PoolEvent):
    """The provision was suspended: it contributes nothing until it is resumed."""

    provision_id: str
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.provisions[self.provision_id].status = "suspended"
        aggregate.find_due()


class ProvisionResumed(PoolEvent):
    """The provision was resumed and contributes again."""

    provision_id: str
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        provision = aggregate.provisions[self.provision_id]
        provision.status = "active"
        _reschedule(aggregate, provision, self.timestamp)


class ProvisionEndScheduled(PoolEvent):
    """The scheduled end of a provision changed."""

    provision_id: str
    ends_at: datetime
    planned_ends_at: datetime | None
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        provision = aggregate.provisions[self.provision_id]
        provision.ends_at, provision.planned_ends_at = self.ends_at, self.planned_ends_at
        aggregate.find_due()


class ProvisionEndWithdrawn(PoolEvent):
    """A cancellation was withdrawn: the provision has its planned end again."""

    provision_id: str
    ends_at: datetime | None
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.provisions[self.provision_id].ends_at = self.ends_at
        aggregate.find_due()


class ProvisionEnded(PoolEvent):
    """The provision ended permanently."""

    provision_id: str
    reason: EndReason
    #: Why, in words.
    note: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        provision = aggregate.provisions[self.provision_id]
        provision.status, provision.ended = "ended", aggregate.turn
        aggregate.find_due()


class GrantIssued(PoolEvent):
    """A grant was issued: entitlements that nobody pays for."""

    grant_id: str
    reason: str
    actor: str
    starts_at: datetime
    ends_at: datetime | None

    def apply(self, aggregate: ResourcePool) -> None:
        assert self.grant_id not in aggregate.grants, "the log holds this grant twice"
        aggregate.grants[self.grant_id] = Grant(reason=self.reason, actor=self.actor)


class GrantRevoked(PoolEvent):
    """A grant was revoked."""

    grant_id: str
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.grants[self.grant_id].is_over = True


class GrantExpired(PoolEvent):
    """A grant expired."""

    grant_id: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.grants[self.grant_id].is_over = True


class WorkspaceAssigned(PoolEvent):
    """A customer was assigned to the pool."""

    workspace_id: str
    role: AssignmentRole
    may_overflow: bool
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.assignments[self.workspace_id] = self.role
        aggregate.may_overflow[self.workspace_id] = self.may_overflow


class WorkspaceUnassigned(PoolEvent):
    """A customer's assignment to the pool was removed."""

    workspace_id: str
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        del aggregate.assignments[self.workspace_id]
        del aggregate.may_overflow[self.workspace_id]


class EntitlementsChanged(PoolEvent):
    """The effective entitlements of the pool changed."""

    changes: list[EntitlementChange]

    def apply(self, aggregate: ResourcePool) -> None:
        for change in self.changes:
            entitlement = aggregate.entitlements.get(change.resource_key)
            if entitlement is None:
                entitlement = Entitlement(change.resource_key, change.entitlement_type, change.stacking)
                aggregate.entitlements[change.resource_key] = entitlement
            if entitlement.entitlement_type != change.entitlement_type:
                aggregate.holders.pop(change.resource_key, None)  # What was held was something else.
            entitlement.change(change, aggregate.turn, to_ms(self.timestamp))
            take_terms(aggregate, entitlement)
            entitlement.valued_since_ms = to_ms(self.timestamp)
            on_demand = aggregate.on_demand.get(change.resource_key)
            if on_demand is not None and entitlement.period_since == aggregate.turn:
                on_demand.begin_anew(aggregate.turn)
            entitlement.calendar = aggregate.calendar_of(entitlement)
            if entitlement.is_recurring:
                schedule_recurrences(entitlement, to_ms(self.timestamp))
            schedule_roll(aggregate, entitlement, to_ms(self.timestamp))
        aggregate.find_due()
        for change in self.changes:  # A key may be new to an override of a workspace that was there before.
            aggregate.refresh(change.resource_key)


class AnswerRemembered(PoolEvent):
    """A command with an idempotency key was accepted. A repeat gets the same answer."""

    idempotency_key: str
    body_digest: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.remember_answer(self.idempotency_key, self.body_digest, to_ms(self.timestamp))
