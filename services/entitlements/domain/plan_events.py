"""The facts about a pool's terms: revisions, calendars, overrides, on-demand, caps. `apply` only takes down what happened."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import NEVER_MS, to_ms
from entitlements.domain.periods import LIFETIME
from entitlements.domain.pool_events import PoolEvent
from entitlements.domain.pools import Cap, OnDemand, Override, ResourcePool
from entitlements.domain.rolling import reschedule, schedule_roll
from entitlements.domain.sharing import shared_rules
from entitlements.domain.taking import schedule_recurrences
from entitlements.domain.values import CapPeriod, KeyPeriod, PeriodName, Rule


class ProvisionRevised(PoolEvent):
    """A provision moved to another version of its set."""

    provision_id: str
    set_version: int
    rules: list[Rule]
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        provision = aggregate.provisions[self.provision_id]
        provision.set_version, provision.rules = self.set_version, shared_rules(self.rules)
        reschedule(aggregate, to_ms(self.timestamp))


class ProvisionQuantityChanged(PoolEvent):
    """The quantity of a provision changed."""

    provision_id: str
    quantity: int
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.provisions[self.provision_id].quantity = self.quantity
        reschedule(aggregate, to_ms(self.timestamp))


class DefaultsChanged(PoolEvent):
    """The defaults of the pool changed."""

    rules: list[Rule]
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.defaults = {rule.resource_key: rule for rule in self.rules}
        reschedule(aggregate, to_ms(self.timestamp))


class CalendarChanged(PoolEvent):
    """The time zone or billing anchor of the pool's periods changed, and with it the end of current periods."""

    time_zone: str
    anchor_at: datetime | None
    #: Of keys, with their members' caps that have no period of their own.
    periods: list[KeyPeriod]
    #: Of caps that have one.
    cap_periods: list[CapPeriod]
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        at_ms = to_ms(self.timestamp)
        aggregate.time_zone, aggregate.anchor_at = self.time_zone, self.anchor_at
        ends_of_keys = {moved.resource_key: to_ms(moved.period_end) for moved in self.periods}
        ends_of_caps = {moved.period: to_ms(moved.period_end) for moved in self.cap_periods}
        for resource_key, cap in aggregate.all_caps():
            if cap.is_current(aggregate.entitlements[resource_key], at_ms):
                moved_to = ends_of_keys.get(resource_key) if cap.period is None else ends_of_caps.get(cap.period)
                cap.period_end_ms = cap.period_end_ms if moved_to is None else moved_to
        for moved in self.periods:
            entitlement, start_ms = aggregate.entitlements[moved.resource_key], to_ms(moved.period_start)
            if start_ms != entitlement.period_start_ms:  # Nothing was used in it yet: it is entered now.
                entitlement.enter(start_ms, to_ms(moved.period_end), aggregate.turn)
            entitlement.period_end_ms = to_ms(moved.period_end)
        for entitlement in aggregate.entitlements.values():
            if entitlement.period not in (None, LIFETIME):  # What was before is not counted by the new calendar.
                start_ms = entitlement.period_at(at_ms)[0]
                entitlement.final_until_ms = max(entitlement.final_until_ms, start_ms)
        aggregate.refresh_calendars()
        for entitlement in aggregate.entitlements.values():
            for bucket in entitlement.buckets:
                bucket.recurs_at_ms = NEVER_MS
            schedule_roll(aggregate, entitlement, at_ms)
            schedule_recurrences(entitlement, at_ms)
        aggregate.find_due()


class ContributionRecurred(PoolEvent):
    """A contribution was refilled within its period. What was left of it lapsed."""

    resource_key: str
    provision_id: str
    lapsed: int
    carried: int

    def apply(self, aggregate: ResourcePool) -> None:
        bucket = aggregate.entitlements[self.resource_key].bucket_of(self.provision_id)
        assert bucket is not None, "what does not contribute cannot recur"
        bucket.carried, bucket.recurs_at_ms = self.carried, NEVER_MS
        bucket.come_anew(aggregate.turn)
        schedule_roll(aggregate, aggregate.entitlements[self.resource_key], to_ms(self.timestamp))
        aggregate.find_due()


class OverrideSet(PoolEvent):
    """An administrator overrode what the pool, or one customer, has of a key."""

    override_id: str
    resource_key: str
    workspace_id: str
    allowed: bool
    amount: int | None
    soft_limit: int | None
    hard_limit: int | None
    reason: str
    expires_at: datetime | None
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.overrides[self.override_id] = Override(
            override_id=self.override_id,
            resource_key=self.resource_key,
            workspace_id=self.workspace_id,
            allowed=self.allowed,
            amount=self.amount,
            soft_limit=self.soft_limit,
            hard_limit=self.hard_limit,
            reason=self.reason,
            expires_at=self.expires_at,
            actor=self.actor,
            cap=Cap(amount=self.amount, period=None, since=aggregate.turn)
            if self.workspace_id and self.amount is not None
            else None,
        )
        aggregate.refresh(self.resource_key)
        aggregate.find_due()


class OverrideCleared(PoolEvent):
    """An override was removed."""

    override_id: str
    reason: str
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        override = aggregate.overrides.pop(self.override_id)
        aggregate.refresh(override.resource_key)
        aggregate.find_due()


class OverrideExpired(PoolEvent):
    """An override expired."""

    override_id: str

    def apply(self, aggregate: ResourcePool) -> None:
        override = aggregate.overrides.pop(self.override_id)
        aggregate.refresh(override.resource_key)
        aggregate.find_due()


class OnDemandConfigured(PoolEvent):
    """On-demand usage was allowed, priced, capped or stopped."""

    resource_key: str
    enabled: bool
    payer: str
    currency: str
    unit_price: int
    price_per: int
    spending_cap: int | None
    alert_at: list[int]
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        held = aggregate.on_demand.get(self.resource_key)
        goes_on = held is not None and (held.unit_price, held.price_per) == (self.unit_price, self.price_per)
        on_demand = aggregate.on_demand[self.resource_key] = OnDemand(
            enabled=self.enabled,
            payer=self.payer,
            currency=self.currency,
            unit_price=self.unit_price,
            price_per=self.price_per,
            spending_cap=self.spending_cap,
            alert_at=self.alert_at,
            # What was spent stays spent; rounding begins anew at the new price.
            spent=0 if held is None else held.spent,
            reserved=0 if held is None else held.reserved,
            alerted=0 if held is None else held.alerted,
            quantity=held.quantity if held is not None and goes_on else 0,
            charged=held.charged if held is not None and goes_on else 0,
            priced_since=held.priced_since if held is not None and goes_on else aggregate.turn,
        )
        # Shares of another cap that are not reached yet are told anew.
        on_demand.alerted = min(on_demand.alerted, on_demand.reached)
        aggregate.refresh(self.resource_key)


class SpendingAlerted(PoolEvent):
    """On-demand spending reached a percentage of its cap for the first time in the period."""

    resource_key: str
    percent: int
    spent: int
    spending_cap: int
    payer: str

    def apply(self, aggregate: ResourcePool) -> None:
        aggregate.on_demand[self.resource_key].alerted = self.percent


class MemberCapped(PoolEvent):
    """What a customer, or one subject in it, can use of a key was capped, or the cap was removed."""

    workspace_id: str
    subject_id: str
    resource_key: str
    amount: int | None
    period: PeriodName | None
    actor: str

    def apply(self, aggregate: ResourcePool) -> None:
        of_workspace = aggregate.caps.setdefault(self.workspace_id, {})
        of_member = of_workspace.setdefault(self.subject_id, {})
        if self.amount is None:
            of_member.pop(self.resource_key, None)
        elif self.resource_key in of_member and of_member[self.resource_key].period == self.period:
            of_member[self.resource_key].amount = self.amount
        else:
            of_member[self.resource_key] = Cap(amount=self.amount, period=self.period, since=aggregate.turn)
        if not of_member:
            del of_workspace[self.subject_id]
        if not of_workspace:
            del aggregate.caps[self.workspace_id]
        aggregate.refresh(self.resource_key)
