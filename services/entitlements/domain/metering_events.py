"""The facts about recorded usage, its quotas, overage and periods.

Only UsageRecorded, UsageRefused and UsageReleased are metering (ledger/publisher.py). `apply` only takes down what happened; bounds
of periods are facts too.
"""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import Event, to_ms
from entitlements.domain.buckets import Debt
from entitlements.domain.closed_periods import closed_period, remembered_closed
from entitlements.domain.pool_events import PoolEvent
from entitlements.domain.pools import ResourcePool
from entitlements.domain.rolling import schedule_roll
from entitlements.domain.taking import (
    draw_on_caps,
    enter_period_of,
    schedule_recurrences,
    take_line,
    take_payment,
)
from entitlements.domain.values import (
    Contribution,
    KeyPeriod,
    PreservedOverage,
    RecordedLine,
    RefusedLine,
    Share,
    UsageSource,
    UsageTotal,
)


class UsageRecorded(Event):
    """Usage was recorded."""

    sources: list[UsageSource]
    lines: list[RecordedLine]
    totals: list[UsageTotal]
    #: Who recorded all of these lines.
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.count_sources(self.sources)
        # Bounds of periods are facts, not worked out again: all lines of one event lie in the same ones.
        late = {(line["resource_key"], line["details"]["counted_in"]) for line in self.lines if line["details"]}
        for total in self.totals:
            entitlement = aggregate.entitlements[total["resource_key"]]
            start_ms, end_ms = total["period_start"], total["period_end"]
            if start_ms is not None and end_ms is not None and (entitlement.resource_key, start_ms) in late:
                remembered_closed(aggregate, entitlement, start_ms, end_ms)
            else:
                enter_period_of(entitlement, total, aggregate.turn)
        for line in self.lines:
            take_line(aggregate, line)


class UsageRefused(Event):
    """Strict usage was refused."""

    sources: list[UsageSource]
    lines: list[RefusedLine]
    #: Who asked for all of them.
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.count_sources(self.sources)


class UsageReleased(PoolEvent):
    """An allocated part of a limit was released."""

    resource_key: str
    quantity: int
    workspace_id: str
    subject_id: str
    total: UsageTotal
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        entitlement, at_ms = aggregate.entitlements[self.resource_key], to_ms(self.timestamp)
        entitlement.hold(-self.quantity)
        draw_on_caps(aggregate, entitlement, self.workspace_id, self.subject_id, -self.quantity, at_ms)


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
    """Usage was refused or went above the limit for the first time in the period."""

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
            start_ms, end_ms = to_ms(self.period_start), to_ms(self.period_end)
            if self.period_end <= self.timestamp:
                # Refused before anything was consumed in it, it is remembered from now on.
                remembered_closed(aggregate, entitlement, start_ms, end_ms)
                entitlement.closed[start_ms].was_exceeded = True
                return
            # Refused before anything was consumed.
            entitlement.enter(start_ms, end_ms, aggregate.turn)
        entitlement.was_exceeded = True
        aggregate.due_ms = min(aggregate.due_ms, entitlement.resets_at_ms)


class QuotaReset(PoolEvent):
    """A period ended. The next one starts at zero, or with preserved overage."""

    resource_key: str
    period_start: datetime
    period_end: datetime
    consumed: int
    #: The contributions with which the next period begins, where they are others: what was rolled over.
    contributions: list[Contribution]
    #: What is owed of this and earlier periods, oldest first, and what was and is not any more.
    owed: list[PreservedOverage]
    forgiven: int
    #: Whether overage was preserved; that of usage which arrives late is, too.
    preserves: bool
    #: By hand, not by the calendar; anchor_at: periods are counted from here on.
    manual: bool
    anchor_at: datetime | None
    #: Where the period that begins with it ends, if it is under way at once: by hand where the old one would have; or something is
    #: owed.
    continues_until: datetime | None
    #: By hand: why, in words.
    note: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        entitlement = aggregate.entitlements[self.resource_key]
        start_ms, end_ms = to_ms(self.period_start), to_ms(self.period_end)
        carried = {stated.provision_id: stated.carried for stated in self.contributions}
        closed = closed_period(aggregate, entitlement, start_ms, end_ms, preserves=self.preserves, carried=carried)
        if start_ms == end_ms:  # By hand at the instant of another reset: it lies between those periods.
            for earlier in [closed for closed in entitlement.closed.values() if closed.end_ms == start_ms]:
                earlier.carry_no_more()
        entitlement.close(closed, to_ms(self.timestamp))
        if self.anchor_at is not None:
            entitlement.anchor_ms = to_ms(self.anchor_at)
            entitlement.calendar = aggregate.calendar_of(entitlement)
        owed = [Debt(debt.quantity, preserves=True, until_ms=to_ms(debt.until_at)) for debt in self.owed]
        entitlement.start_over(self.contributions, owed, aggregate.turn)
        if self.continues_until is not None:
            entitlement.enter(end_ms, to_ms(self.continues_until), aggregate.turn)
        schedule_roll(aggregate, entitlement, end_ms)
        schedule_recurrences(entitlement, end_ms)
        on_demand = aggregate.on_demand.get(self.resource_key)
        if on_demand is not None:
            on_demand.begin_anew(aggregate.turn)
        aggregate.find_due()


class OveragePaid(PoolEvent):
    """Owed overage of the key was paid from contributions with quantity left, oldest first."""

    resource_key: str
    parts: list[Share]
    total: UsageTotal

    def apply(self, aggregate: ResourcePool) -> None:
        entitlement = aggregate.entitlements[self.resource_key]
        enter_period_of(entitlement, self.total, aggregate.turn)
        take_payment(entitlement, self.parts)
        schedule_recurrences(entitlement, to_ms(self.timestamp))
        schedule_roll(aggregate, entitlement, to_ms(self.timestamp))
        aggregate.find_due()


class OverageForgiven(PoolEvent):
    """Overage was forgiven: it is no longer owed, though nobody paid it."""

    resource_key: str
    quantity: int
    reason: str
    #: By itself, 12 months after the end of its period.
    expired: bool
    total: UsageTotal
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        entitlement = aggregate.entitlements[self.resource_key]
        enter_period_of(entitlement, self.total, aggregate.turn)
        preserved = entitlement.settle(self.quantity, is_paid=False)
        # It was used in another period; what was used in this one stays used, and nobody bears it.
        entitlement.consumed -= preserved
        entitlement.began_with -= preserved
        entitlement.forgiven += self.quantity - preserved
        entitlement.refresh()
        schedule_roll(aggregate, entitlement, to_ms(self.timestamp))
        aggregate.find_due()


class PeriodsClosed(PoolEvent):
    """Periods without usage ended. Late usage still counts in them."""

    resource_key: str
    periods: list[KeyPeriod]

    def apply(self, aggregate: ResourcePool) -> None:
        entitlement = aggregate.entitlements[self.resource_key]
        for period in self.periods:
            remembered_closed(aggregate, entitlement, to_ms(period.period_start), to_ms(period.period_end))
