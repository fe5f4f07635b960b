"""The facts about usage beside its recording: reservations, allocations, corrections. `apply` only takes down what happened."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import NEVER_MS, to_ms
from entitlements.domain.pool_events import PoolEvent
from entitlements.domain.pools import Holding, Reservation, ResourcePool
from entitlements.domain.rolling import schedule_roll
from entitlements.domain.taking import draw_on_caps, schedule_recurrences
from entitlements.domain.taking_back import take_correction
from entitlements.domain.values import Share, UsagePart, UsageTotal


class UsageReserved(PoolEvent):
    """A quantity was reserved until it is committed, released or expires."""

    reservation_id: str
    resource_key: str
    quantity: int
    included: int
    paid: int
    #: What of that is on demand, not by credits.
    on_demand: int
    credit_key: str
    credit_units: int
    credit_rate: int
    credit_per: int
    spending: int
    workspace_id: str
    subject_id: str
    lease: bool
    expires_at: datetime
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        assert self.reservation_id not in aggregate.reservations, "the log holds this reservation twice"
        aggregate.hold(
            Reservation(
                reservation_id=self.reservation_id,
                resource_key=self.resource_key,
                quantity=self.quantity,
                included=self.included,
                paid=self.paid,
                on_demand=self.on_demand,
                credit_key=self.credit_key,
                credit_units=self.credit_units,
                credit_rate=self.credit_rate,
                credit_per=self.credit_per,
                spending=self.spending,
                workspace_id=self.workspace_id,
                subject_id=self.subject_id,
                lease=self.lease,
                expires_at=self.expires_at,
                held_for_ms=to_ms(self.expires_at) - to_ms(self.timestamp),
            )
        )
        aggregate.find_due()


class ReservationExtended(PoolEvent):
    """The end of a reservation changed."""

    reservation_id: str
    expires_at: datetime
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.reservations[self.reservation_id].expires_at = self.expires_at
        aggregate.find_due()


class ReservationCommitted(PoolEvent):
    """Part of a reservation was used and is no longer held. The usage is recorded in the same frame."""

    reservation_id: str
    quantity: int
    kept: int
    kept_included: int
    kept_paid: int
    kept_on_demand: int
    kept_credit_units: int
    kept_spending: int
    usage_id: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        reservation = aggregate.let_go(self.reservation_id)
        if self.kept:
            reservation.quantity, reservation.included, reservation.paid = self.kept, self.kept_included, self.kept_paid
            reservation.on_demand = self.kept_on_demand
            reservation.credit_units, reservation.spending = self.kept_credit_units, self.kept_spending
            aggregate.hold(reservation)
        aggregate.find_due()


class ReservationReleased(PoolEvent):
    """A reservation was released unused."""

    reservation_id: str
    quantity: int
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.let_go(self.reservation_id)
        aggregate.find_due()


class ReservationExpired(PoolEvent):
    """A reservation expired; its quantity is released."""

    reservation_id: str
    quantity: int

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.let_go(self.reservation_id)
        aggregate.find_due()


class HoldingChanged(PoolEvent):
    """The allocated quantity of a limit changed, of a named holder or without one."""

    resource_key: str
    holder_id: str
    held: int
    change: int
    workspace_id: str
    total: UsageTotal
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        entitlement = aggregate.entitlements[self.resource_key]
        holders = aggregate.holders.setdefault(self.resource_key, {})
        if self.held and self.holder_id:
            holders[self.holder_id] = Holding(self.held, self.workspace_id)
        else:
            holders.pop(self.holder_id, None)
        if not holders:
            del aggregate.holders[self.resource_key]
        entitlement.enter(0, NEVER_MS, aggregate.turn)  # A limit has no period.
        entitlement.hold(self.change)
        draw_on_caps(aggregate, entitlement, self.workspace_id, "", self.change, to_ms(self.timestamp))


class LimitOverAllocated(PoolEvent):
    """More of a limit is allocated than the pool has now. Nothing is released; nothing more can be allocated."""

    resource_key: str
    held: int
    limit: int

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.entitlements[self.resource_key].is_over_allocated = True


class OverAllocationEnded(PoolEvent):
    """The allocated quantity fits into the limit again."""

    resource_key: str
    held: int
    limit: int | None

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.entitlements[self.resource_key].is_over_allocated = False


class UsageCorrected(PoolEvent):
    """Recorded usage was corrected. Negative parts are refunded, positive parts are charged in addition."""

    resource_key: str
    corrects: str
    adjustment: int
    occurred_at: datetime
    workspace_id: str
    subject_id: str
    counted_in: int
    parts: list[UsagePart]
    total: UsageTotal
    others: list[UsageTotal]
    #: Of a closed period whose overage was preserved: what of that comes back in the one under way. And how much more is carried.
    present: list[UsagePart]
    raised: list[Share]
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        take_correction(aggregate, self)
        entitlement = aggregate.entitlements[self.resource_key]
        schedule_recurrences(entitlement, to_ms(self.timestamp))
        schedule_roll(aggregate, entitlement, to_ms(self.timestamp))
        aggregate.find_due()


class ExceededWithdrawn(PoolEvent):
    """After a correction, usage of the period is no longer above the limit."""

    resource_key: str
    period_start: datetime | None
    period_end: datetime | None
    limit: int | None
    consumed: int

    def apply(self, aggregate: ResourcePool) -> None:
        entitlement = aggregate.entitlements[self.resource_key]
        closed = entitlement.closed.get(to_ms(self.period_start)) if self.period_start is not None else None
        if closed is not None and self.period_end is not None and to_ms(self.period_end) == closed.end_ms:
            closed.was_exceeded = False
        else:
            entitlement.was_exceeded = False
        aggregate.find_due()
