"""The facts about usage and its periods. `apply` only takes down what happened; bounds of periods are facts too."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import Event, to_ms
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pool_events import PoolEvent
from entitlements.domain.pools import ResourcePool
from entitlements.domain.rolling import schedule_roll
from entitlements.domain.taking import draw_on_caps, enter_period_of, take_line
from entitlements.domain.values import Contribution, RecordedLine, RefusedLine, UsageSource, UsageTotal


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
            start_ms, end_ms = total["period_start"], total["period_end"]
            if start_ms is not None and end_ms is not None and (entitlement.resource_key, start_ms) in late:
                _remember_closed(entitlement, start_ms, end_ms, aggregate.turn)
            else:
                enter_period_of(entitlement, total, aggregate.turn)
        for line in self.lines:
            take_line(aggregate, line)


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
            start_ms, end_ms = to_ms(self.period_start), to_ms(self.period_end)
            if self.period_end <= self.timestamp:
                # Refused before anything was consumed in it, it is remembered from now on.
                _remember_closed(entitlement, start_ms, end_ms, aggregate.turn)
                entitlement.closed[start_ms].was_exceeded = True
                return
            # Refused before anything was consumed.
            entitlement.enter(start_ms, end_ms, aggregate.turn)
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
    #: By hand: why, in words.
    note: str
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
            on_demand.begin_anew(aggregate.turn)
        aggregate.find_due()


def _remember_closed(entitlement: Entitlement, start_ms: int, end_ms: int, turn: int) -> None:
    if start_ms not in entitlement.closed:
        entitlement.closed[start_ms] = entitlement.closed_period(start_ms, end_ms, turn, consumed=False)
