"""What a pool has of one resource key, how much of it is used, and which contribution bears that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from entitlements.domain.aggregate import NEVER_MS
from entitlements.domain.buckets import UNLIMITED, Bucket, ClosedPeriod, Debt, bear_for_all, bucket_of, going_on
from entitlements.domain.counts import Counts
from entitlements.domain.periods import UTC_CALENDAR, Calendar, period_bounds
from entitlements.domain.sharing import shared_value
from entitlements.domain.values import (
    Contribution,
    EffectiveValue,
    EntitlementChange,
    EntitlementType,
    PeriodName,
    Stacking,
    UsagePart,
    UsageTotal,
)

#: No line is usual.
NOTHING_IS_USUAL: Final = -1


@dataclass(slots=True)
class Entitlement(Counts):
    """One key of one pool. It outlives its contributions: what was consumed stays consumed.

    The numbers beside `value` are the same limits in a form that compares fast; they are set in one place.
    """

    resource_key: str
    entitlement_type: EntitlementType
    stacking: Stacking
    value: EffectiveValue | None = None
    buckets: list[Bucket] = field(default_factory=list)
    limit: int = 0
    soft_limit: int = UNLIMITED
    hard_limit: int = 0
    #: How often a quota resets; kept when the entitlement is lost, so that a quota regained goes on counting.
    period: PeriodName | None = None
    #: Whether it is counted from the billing anchor, and for how many seconds a closed period stays open for late usage: as the
    #: contribution says that ranks first, paused ones too; kept when nobody confers the key.
    anchored: bool = False
    grace_for: int = 0
    #: Held by reservations.
    reserved: int = 0
    #: Under the present credit rate: the quantity that drew on credits, and the units it drew. Rounding is over their sum.
    credit_quantity: int = 0
    credit_units: int = 0
    #: The turn of the pool at which that rate began.
    rated_since: int = 0
    #: The rate at which it drew on credits last; None: it never did.
    rate: tuple[str | None, int, int] | None = None
    period_start_ms: int = 0
    period_end_ms: int = 0
    #: The turn of the pool at which the period under way began.
    period_since: int = 0
    #: When the period ends by itself although nothing was used: something rolls over, or overage was preserved.
    rolls_at_ms: int = NEVER_MS
    #: Set by a manual reset: periods are counted from here on.
    anchor_ms: int | None = None
    was_warned: bool = False
    was_exceeded: bool = False
    is_over_allocated: bool = False
    #: Periods that are over, by their start, while usage that arrives late still counts in them.
    closed: dict[int, ClosedPeriod] = field(default_factory=dict)
    #: What ended before this instant is counted for good, whatever grace there is since. Epoch milliseconds.
    final_until_ms: int = 0
    #: Since when it is worth what it is. Epoch milliseconds.
    valued_since_ms: int = 0
    #: Members are capped or a workspace has an override: every line is looked at with care.
    is_narrowed: bool = False

    def __post_init__(self) -> None:
        self.calendar = UTC_CALENDAR
        self.refresh()

    @property
    def contributions(self) -> list[Contribution]:
        """The contributions in burn order, as events tell them."""
        return [bucket.stated() for bucket in self.buckets]

    @property
    def bearer(self) -> str:
        """The provision that bears the next unit; empty: none contributes."""
        bucket = self._first_with_room()
        return "" if bucket is None else bucket.provision_id

    @property
    def included_left(self) -> int:
        """What is included and neither consumed nor reserved."""
        return max(0, self.limit - self.consumed + self.elsewhere + self.uncounted - self.reserved)

    @property
    def terms(self) -> tuple[bool, int, bool]:
        """How its periods are counted and closed: anchored or not, seconds of grace, and whether overage is preserved."""
        return self.anchored, self.grace_for, self.preserves

    @property
    def overage_left(self) -> int:
        """How much more overage strict usage may incur: the hard limit bounds what is owed, and what is reserved of it."""
        if self.entitlement_type == "limit":  # What is held above it is held, and owed to nobody.
            return max(0, self.hard_limit - max(self.limit, self.consumed + self.reserved))
        is_overridden = self.value is not None and bool(self.value.override_id)
        included = max(0, self.limit - self.counted + (0 if is_overridden else self.owed))
        return max(0, self.hard_limit - self.limit - self.owed - max(0, self.reserved - included))

    @property
    def is_overridden(self) -> bool:
        """Whether an administrator's override says what there is, or that there is nothing."""
        return self.value is None or bool(self.value.override_id)

    def bucket_of(self, provision_id: str) -> Bucket | None:
        """The contribution of a provision."""
        burning = self.burning
        if burning is not None and burning.provision_id == provision_id:
            return burning
        return next((bucket for bucket in self.buckets if bucket.provision_id == provision_id), None)

    def burn_order(self) -> list[Bucket]:
        """The contributions that bear usage: when they add up all, else the one that makes the value."""
        return self.buckets if self.stacking == "sum" else self.buckets[:1]

    def change(self, change: EntitlementChange, turn: int, at_ms: int) -> None:
        """Take a new effective value. Another period starts counting anew."""
        after = change.after
        is_another_kind = change.entitlement_type != self.entitlement_type
        self.entitlement_type, self.stacking = change.entitlement_type, change.stacking
        self.value = None if after is None else shared_value(after)
        held = {bucket.provision_id: bucket for bucket in self.buckets}
        stays = {stated.provision_id for stated in change.contributions}
        taken_over = [bucket for name, bucket in held.items() if name not in stays]
        self.buckets = [
            going_on(bucket_of(stated), held.get(stated.provision_id), taken_over, at_ms)
            for stated in change.contributions
        ]
        if change.stacking != "sum":
            bear_for_all(self.buckets, list(held.values()))
        self.uncounted = change.uncounted
        self.limit = self.hard_limit = 0
        self.soft_limit = UNLIMITED
        if after is not None:
            self.limit = UNLIMITED if after.limit is None else after.limit
            self.hard_limit = UNLIMITED if after.hard_limit is None else after.hard_limit
            self.soft_limit = UNLIMITED if after.soft_limit is None else after.soft_limit
            # Without credits meanwhile, paused or overridden, it goes on at the same rate afterwards.
            if after.credit_key is not None and rate_of(after) != self.rate:
                self.credit_quantity = self.credit_units = 0
                self.rate, self.rated_since = rate_of(after), turn
        if change.period != self.period or (is_another_kind and after is not None):
            self.period = change.period
            for closed in self.closed.values():
                closed.preserves = closed.preserves and not is_another_kind  # Something of another kind owes nothing.
                for rest in closed.rests:
                    rest.least = rest.most = 0  # Nothing is carried into another period.
            self.start_over([], self.debts if not is_another_kind else [], turn)
        elif change.period is None and after is not None:
            self.fall_below()
        self.refresh()

    def refresh(self) -> None:
        """Find the bucket that burns and how far; after whatever changes limits, buckets, reservations or members' caps."""
        buckets = self.burn_order()
        self.is_recurring = any(bucket.recurs for bucket in self.buckets)
        self.burning = self._first_with_room()
        if self.value is None or self.entitlement_type == "boolean" or self.is_narrowed:
            self.usual_until = NOTHING_IS_USUAL
            return
        if self.is_recurring or self.burning is None:
            self.usual_until = NOTHING_IS_USUAL
            return
        free = self.elsewhere + self.uncounted - self.reserved
        until = min(self.limit + free, self.soft_limit - 1, UNLIMITED - 1)
        if self.entitlement_type != "limit" or self.burning is not buckets[-1]:
            # What is reserved of a contribution stays, also where an override admits more.
            kept = self.reserved if self.value.override_id else 0
            until = min(until, self.consumed + self.burning.left - kept)
        self.usual_until = until

    def _first_with_room(self) -> Bucket | None:
        buckets = self.burn_order()
        return next((bucket for bucket in buckets if bucket.left), buckets[-1] if buckets else None)

    def bear(self, provision_id: str, quantity: int, *, admitted: bool = False) -> None:
        """Count an included quantity on the contribution that bears it, or as admitted by an override."""
        bucket = None if admitted else self.bucket_of(provision_id)
        assert admitted or bucket is not None or not quantity, "who does not contribute bears nothing"
        if bucket is not None:
            bucket.consumed += quantity
        else:
            self.admitted += quantity

    def hold(self, change: int) -> None:
        """Hold more of a limit, or less: what is given back is the last that was taken."""
        self.consumed += change
        is_less = change < 0
        for bucket in self.burn_order() if change > 0 else reversed(self.burn_order()):
            part = min(change, bucket.left) if change > 0 else max(change, -bucket.consumed)
            bucket.consumed += part
            change -= part
        if change > 0 and self.buckets:
            self.burn_order()[-1].consumed += change  # More than there is: said of the last.
        if is_less:
            self.fall_below()
        self.refresh()

    def fall_below(self) -> None:
        """Whoever is below a threshold now can be told again when it is reached again."""
        self.was_exceeded = self.was_exceeded and self.consumed >= self.limit
        self.was_warned = self.was_warned and self.consumed >= self.soft_limit

    def enter(self, start_ms: int, end_ms: int, turn: int) -> None:
        """Move to a period after the current one, or stay in it; in another one nothing is consumed yet."""
        if (start_ms, end_ms) != (self.period_start_ms, self.period_end_ms):
            self.period_start_ms, self.period_end_ms, self.period_since = start_ms, end_ms, turn

    def is_under_way(self, turn: int, at_ms: int) -> bool:
        """Whether what was recorded at a turn of the pool still counts in the period that an instant is in."""
        return turn >= self.period_since and at_ms < self.period_end_ms

    def period_at(self, at_ms: int) -> tuple[int, int]:
        """Start and end of the period of an instant that is not before the current one. It begins not before the last one ended,
        whatever calendar that was counted by: nothing that is closed is open again.
        """
        if at_ms < self.period_end_ms:
            return self.period_start_ms, self.period_end_ms
        start_ms, end_ms = period_bounds(self.period, at_ms, self.calendar)
        return max(start_ms, self.closed_until_ms), end_ms

    def recurrence_at(self, recurs: PeriodName, at_ms: int) -> tuple[int, int]:
        """Start and end of the time between two recurrences that an instant is in: counted from the start of the period, if it has one."""
        start_ms = self.period_at(at_ms)[0]
        return period_bounds(recurs, at_ms, Calendar(self.calendar.time_zone, start_ms or None))

    @property
    def closed_until_ms(self) -> int:
        """The end of the last period that was closed, in epoch milliseconds; 0: none was."""
        return max([self.final_until_ms, *(closed.end_ms for closed in self.closed.values())])

    def start_over(self, contributions: list[Contribution], owed: list[Debt], turn: int) -> None:
        """A new period begins: nothing is consumed but what is owed already. contributions: as they are in it, if not as before."""
        self.period_since = self.rated_since = turn
        if contributions:
            self.buckets = [bucket_of(stated) for stated in contributions]
        else:
            self.buckets = [bucket for bucket in self.buckets if not bucket.is_gone]
            for bucket in self.buckets:
                bucket.begin_anew()
        self.debts = owed
        self.consumed = self.began_with = self.owed
        self.incurred = 0
        self.elsewhere = self.credit_quantity = self.credit_units = self.admitted = self.forgiven = self.uncounted = 0
        self.period_start_ms = self.period_end_ms = 0
        self.was_warned = self.was_exceeded = False
        self.refresh()

    def close(self, closed: ClosedPeriod, at_ms: int) -> None:
        """Remember a period while its grace lasts; forget those whose grace is over."""
        for known in [known for known in self.closed.values() if known.until_ms <= at_ms]:
            del self.closed[known.start_ms]
            self.final_until_ms = max(self.final_until_ms, known.end_ms)
        if closed.start_ms < closed.end_ms < closed.until_ms:
            self.closed[closed.start_ms] = closed
        else:
            self.final_until_ms = max(self.final_until_ms, closed.end_ms)

    def closed_at(self, occurred_ms: int) -> ClosedPeriod | None:
        """The remembered period that an instant lies in."""
        return next((c for c in self.closed.values() if c.start_ms <= occurred_ms < c.end_ms), None)

    @property
    def is_touched(self) -> bool:
        """Whether the end of the period would change anything."""
        return self.consumed != self.preserved or self.was_warned or self.was_exceeded

    @property
    def resets_at_ms(self) -> int:
        """When a reset is due: of what was touched at the end of its period, else when something moves into the next."""
        if self.period is None:
            return NEVER_MS
        return self.period_end_ms if self.is_touched and self.period_end_ms else self.rolls_at_ms

    @property
    def total(self) -> UsageTotal:
        """What is consumed or held now."""
        periodic = 0 < self.period_end_ms < NEVER_MS
        return {
            "resource_key": self.resource_key,
            "period_start": self.period_start_ms if periodic else None,
            "period_end": self.period_end_ms if periodic else None,
            "consumed": self.consumed,
            "elsewhere": self.elsewhere,
            "owed": self.owed,
        }

    def total_at(self, at_ms: int) -> UsageTotal:
        """What is consumed in the period of an instant that is not before the current one, as events tell it."""
        start_ms, end_ms = self.period_at(at_ms)
        is_current = (start_ms, end_ms) == (self.period_start_ms, self.period_end_ms)
        periodic = end_ms < NEVER_MS
        return {
            "resource_key": self.resource_key,
            "period_start": start_ms if periodic else None,
            "period_end": end_ms if periodic else None,
            # Nothing was touched in between, or there had been a reset: only what is owed is there.
            "consumed": self.consumed if is_current else self.owed,
            "elsewhere": self.elsewhere if is_current else 0,
            "owed": self.owed,
        }

    def closed_total(self, closed: ClosedPeriod) -> UsageTotal:
        """What was consumed in a period that is over, with what arrived late."""
        return {
            "resource_key": self.resource_key,
            "period_start": closed.start_ms,
            "period_end": closed.end_ms,
            "consumed": closed.consumed,
            "elsewhere": closed.elsewhere,
            "owed": 0,
        }


def rate_of(value: EffectiveValue) -> tuple[str | None, int, int]:
    """What decides how many credit units a quantity costs."""
    return value.credit_key, value.credit_rate, value.credit_per


def paid(parts: list[UsagePart]) -> int:
    """The quantity of the parts that credits or an on-demand payer bear."""
    return sum(part["quantity"] for part in parts if part["bearer"] in ("credit", "on_demand"))


def overage_of(parts: list[UsagePart]) -> int:
    """The quantity of the parts that nobody bears, nor has paid."""
    return sum(part["quantity"] for part in parts if part["bearer"] == "overage" and not part["paid"])
