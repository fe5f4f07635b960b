"""The facts about a pool. `apply` only takes down what happened: facts are not judged again."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import Event, to_ms
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pools import Grant, Provision, ResourcePool
from entitlements.domain.rolling import schedule_roll
from entitlements.domain.taking import draw_on_caps, enter_period_of, schedule_recurrences, take_line
from entitlements.domain.values import (
    AssignmentRole,
    Contribution,
    EndReason,
    EntitlementChange,
    PeriodName,
    ProvisionSource,
    RecordedLine,
    RefusedLine,
    Rule,
    UsageSource,
    UsageTotal,
)


class PoolEvent(Event):
    """A fact about one pool, and the command that caused it."""

    command_id: str

    def mutate(self, aggregate: ResourcePool | None) -> ResourcePool | None:  # type: ignore[override]
        if aggregate is not None:
            aggregate.turn += 1
        return super().mutate(aggregate)


class PoolOpened(PoolEvent):
    """A pool exists from now on."""

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
    """The pool is decided at the log's time from now on."""

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.is_backfilling = False


class PoolSuspended(PoolEvent):
    """The pool confers nothing until it is resumed."""

    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.status = "suspended"


class PoolResumed(PoolEvent):
    """The pool confers again."""

    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.status = "open"


class PoolClosed(PoolEvent):
    """The pool has ended for good."""

    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.status = "closed"
        aggregate.find_due()


class ProvisionScheduled(PoolEvent):
    """A billing source is connected to the pool."""

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
            rules=self.rules,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            priority=self.priority,
            follows=self.follows,
            billing_period=self.billing_period,
        )
        aggregate.find_due()


class ProvisionStarted(PoolEvent):
    """The provision contributes from now on."""

    provision_id: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.provisions[self.provision_id].status = "active"
        aggregate.find_due()


class ProvisionSuspended(PoolEvent):
    """The provision contributes nothing until it is resumed."""

    provision_id: str
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.provisions[self.provision_id].status = "suspended"
        aggregate.find_due()


class ProvisionResumed(PoolEvent):
    """The provision contributes again."""

    provision_id: str
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.provisions[self.provision_id].status = "active"
        aggregate.find_due()


class ProvisionEndScheduled(PoolEvent):
    """The provision will end at another instant than before."""

    provision_id: str
    ends_at: datetime
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.provisions[self.provision_id].ends_at = self.ends_at
        aggregate.find_due()


class ProvisionEnded(PoolEvent):
    """The provision is over for good."""

    provision_id: str
    reason: EndReason
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.provisions[self.provision_id].status = "ended"
        aggregate.find_due()


class GrantIssued(PoolEvent):
    """The pool was given something that nobody pays for."""

    grant_id: str
    reason: str
    actor: str
    starts_at: datetime
    ends_at: datetime | None

    def apply(self, aggregate: ResourcePool) -> None:
        assert self.grant_id not in aggregate.grants, "the log holds this grant twice"
        aggregate.grants[self.grant_id] = Grant(reason=self.reason, actor=self.actor)


class GrantRevoked(PoolEvent):
    """A grant was taken back."""

    grant_id: str
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.grants[self.grant_id].is_over = True


class GrantExpired(PoolEvent):
    """A grant has come to its end."""

    grant_id: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.grants[self.grant_id].is_over = True


class WorkspaceAssigned(PoolEvent):
    """A workspace may use the pool."""

    workspace_id: str
    role: AssignmentRole
    may_overflow: bool
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.assignments[self.workspace_id] = self.role
        aggregate.may_overflow[self.workspace_id] = self.may_overflow


class WorkspaceUnassigned(PoolEvent):
    """A workspace may not use the pool any more."""

    workspace_id: str
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        del aggregate.assignments[self.workspace_id]
        del aggregate.may_overflow[self.workspace_id]
        for resource_key in {key for keys in aggregate.caps.pop(self.workspace_id, {}).values() for key in keys}:
            aggregate.refresh(resource_key)


class EntitlementsChanged(PoolEvent):
    """What the pool has after stacking has changed."""

    changes: list[EntitlementChange]

    def apply(self, aggregate: ResourcePool) -> None:
        for change in self.changes:
            entitlement = aggregate.entitlements.get(change.resource_key)
            if entitlement is None:
                entitlement = Entitlement(change.resource_key, change.entitlement_type, change.stacking)
                aggregate.entitlements[change.resource_key] = entitlement
            entitlement.change(change, aggregate.turn)
            entitlement.calendar = aggregate.calendar_of(entitlement)
            if entitlement.is_recurring:
                schedule_recurrences(entitlement, to_ms(self.timestamp))
            schedule_roll(aggregate, entitlement, to_ms(self.timestamp))
        aggregate.find_due()
        for change in self.changes:  # A key may be new to an override of a workspace that was there before.
            aggregate.refresh(change.resource_key)


class UsageRecorded(Event):
    """Usage was recorded."""

    sources: list[UsageSource]
    lines: list[RecordedLine]
    totals: list[UsageTotal]

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.count_sources(self.sources)
        # Bounds of periods are facts, not worked out again: all lines of one event lie in the same ones.
        late = {(line["resource_key"], line["details"]["counted_in"]) for line in self.lines if line["details"]}
        for total in self.totals:
            entitlement = aggregate.entitlements[total["resource_key"]]
            if (entitlement.resource_key, total["period_start"]) in late:
                _remember_closed(entitlement, total, aggregate.turn)
            else:
                enter_period_of(entitlement, total, aggregate.turn)
        for line in self.lines:
            take_line(aggregate, line)


def _remember_closed(entitlement: Entitlement, total: UsageTotal, turn: int) -> None:
    start_ms, end_ms = total["period_start"], total["period_end"]
    assert start_ms is not None
    assert end_ms is not None
    if start_ms not in entitlement.closed:
        entitlement.closed[start_ms] = entitlement.closed_period(start_ms, end_ms, turn, consumed=False)


class UsageRefused(Event):
    """Strict usage was refused."""

    sources: list[UsageSource]
    lines: list[RefusedLine]

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.count_sources(self.sources)


class UsageReleased(PoolEvent):
    """What was held of a limit was given back."""

    resource_key: str
    quantity: int
    workspace_id: str
    total: UsageTotal
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        entitlement = aggregate.entitlements[self.resource_key]
        entitlement.hold(-self.quantity)
        draw_on_caps(aggregate, entitlement, self.workspace_id, "", -self.quantity, to_ms(self.timestamp))


class QuotaWarned(PoolEvent):
    """The soft limit was reached for the first time in the period."""

    resource_key: str
    period_start: datetime | None
    period_end: datetime | None
    soft_limit: int
    consumed: int
    workspace_id: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.entitlements[self.resource_key].was_warned = True


class QuotaExceeded(PoolEvent):
    """Usage was refused or lies above the limit for the first time in the period."""

    resource_key: str
    period_start: datetime | None
    period_end: datetime | None
    limit: int | None
    consumed: int
    requested: int
    workspace_id: str

    def apply(self, aggregate: ResourcePool) -> None:
        entitlement = aggregate.entitlements[self.resource_key]
        if self.period_start is not None and self.period_end is not None:
            closed = entitlement.closed.get(to_ms(self.period_start))
            if closed is not None and to_ms(self.period_end) == closed.end_ms:
                closed.was_exceeded = True
                return
            # Refused before anything was consumed.
            entitlement.enter(to_ms(self.period_start), to_ms(self.period_end), aggregate.turn)
        entitlement.was_exceeded = True
        aggregate.due_ms = min(aggregate.due_ms, entitlement.resets_at_ms)


class QuotaReset(PoolEvent):
    """A period ended in which something was consumed; the next one starts at nothing."""

    resource_key: str
    period_start: datetime
    period_end: datetime
    consumed: int
    #: What the next period begins with, where that is not simply nothing: what was rolled over, overage that is preserved.
    contributions: list[Contribution]
    #: By hand, not by the calendar; anchor_at: periods are counted from here on.
    manual: bool
    anchor_at: datetime | None
    #: By hand: the period that begins with it ends where the old one would have.
    continues_until: datetime | None
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        entitlement = aggregate.entitlements[self.resource_key]
        start_ms, end_ms = to_ms(self.period_start), to_ms(self.period_end)
        entitlement.close(start_ms, end_ms, aggregate.turn, to_ms(self.timestamp))
        if self.anchor_at is not None:
            entitlement.anchor_ms = to_ms(self.anchor_at)
            entitlement.calendar = aggregate.calendar_of(entitlement)
        entitlement.start_over(self.contributions, aggregate.turn)
        if self.continues_until is not None:
            entitlement.enter(end_ms, to_ms(self.continues_until), aggregate.turn)
        schedule_roll(aggregate, entitlement, end_ms)
        on_demand = aggregate.on_demand.get(self.resource_key)
        if on_demand is not None:
            on_demand.spent = on_demand.alerted = on_demand.quantity = on_demand.charged = 0
            on_demand.priced_since = aggregate.turn
        aggregate.find_due()


class AnswerRemembered(PoolEvent):
    """A command with an idempotency key was accepted; a repeat gets the same answer."""

    idempotency_key: str
    body_digest: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.remember_answer(self.idempotency_key, self.body_digest, to_ms(self.timestamp))
