"""What a pool has of one resource key, and how much of it is used."""

from __future__ import annotations

from dataclasses import dataclass, field

from entitlements.domain.aggregate import NEVER_MS
from entitlements.domain.periods import period_bounds
from entitlements.domain.values import (
    Contribution,
    EffectiveValue,
    EntitlementChange,
    EntitlementType,
    PeriodName,
    Stacking,
    UsageTotal,
)

#: Stands for unlimited where numbers are compared; above every quantity that can add up.
UNLIMITED = 2**62


@dataclass(slots=True)
class Entitlement:
    """One key of one pool. It outlives its contributions: what was consumed stays consumed.

    The numbers beside `value` are the same limits in a form that compares fast; they are set in one place.
    """

    resource_key: str
    entitlement_type: EntitlementType
    stacking: Stacking
    value: EffectiveValue | None = None
    contributions: list[Contribution] = field(default_factory=list)
    limit: int = 0
    soft_limit: int = UNLIMITED
    hard_limit: int = 0
    #: The provision that bears usage: of those that contribute the first to end, then the oldest.
    bearer: str = ""
    #: How often a quota resets; kept when the entitlement is lost, so that a quota regained goes on counting.
    period: PeriodName | None = None
    #: Consumed in the period, or held now.
    consumed: int = 0
    period_start_ms: int = 0
    period_end_ms: int = 0
    was_warned: bool = False
    was_exceeded: bool = False

    def change(self, change: EntitlementChange, bearer: str) -> None:
        """Take a new effective value. Another period starts counting anew."""
        after = change.after
        self.entitlement_type, self.stacking = change.entitlement_type, change.stacking
        self.value, self.contributions, self.bearer = after, change.contributions, bearer
        self.limit = self.hard_limit = 0
        self.soft_limit = UNLIMITED
        if after is None:
            return
        self.limit = UNLIMITED if after.limit is None else after.limit
        self.hard_limit = UNLIMITED if after.hard_limit is None else after.hard_limit
        self.soft_limit = UNLIMITED if after.soft_limit is None else after.soft_limit
        if after.period != self.period:
            self.period = after.period
            self.start_over()
        elif after.period is None:
            self.fall_below()

    def fall_below(self) -> None:
        """Of what is held: whoever is below a threshold now can be told again when it is reached again."""
        self.was_exceeded = self.was_exceeded and self.consumed >= self.limit
        self.was_warned = self.was_warned and self.consumed >= self.soft_limit

    def enter(self, at_ms: int) -> None:
        """Move to the period of an instant after the current one; nothing is consumed there yet."""
        self.period_start_ms, self.period_end_ms = period_bounds(self.period, at_ms)

    def period_at(self, at_ms: int) -> tuple[int, int]:
        """Start and end of the period of an instant that is not before the current one."""
        if at_ms < self.period_end_ms:
            return self.period_start_ms, self.period_end_ms
        return period_bounds(self.period, at_ms)

    def start_over(self) -> None:
        """A new period begins with nothing consumed, nobody warned."""
        self.consumed = 0
        self.period_start_ms = self.period_end_ms = 0
        self.was_warned = self.was_exceeded = False

    @property
    def is_touched(self) -> bool:
        """Whether the end of the period would change anything."""
        return self.consumed > 0 or self.was_warned or self.was_exceeded

    @property
    def resets_at_ms(self) -> int:
        """When a reset is due: only for a quota that was touched."""
        if self.entitlement_type != "quota" or not self.is_touched or self.period_end_ms == 0:
            return NEVER_MS
        return self.period_end_ms

    @property
    def total(self) -> UsageTotal:
        """What is consumed or held now."""
        periodic = 0 < self.period_end_ms < NEVER_MS
        return {
            "resource_key": self.resource_key,
            "period_start": self.period_start_ms if periodic else None,
            "period_end": self.period_end_ms if periodic else None,
            "consumed": self.consumed,
        }
