"""What a pool is made of, beside its entitlements: plain state, changed by events only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from entitlements.domain.aggregate import NEVER_MS, to_ms
from entitlements.domain.values import Bearer, PeriodName, ProvisionSource, Rule, UsageMode

if TYPE_CHECKING:
    from entitlements.domain.entitlement import Entitlement

ProvisionStatus = Literal["scheduled", "active", "suspended", "ended"]


@dataclass(slots=True, kw_only=True)
class Provision:
    """One billing source connected to the pool, from starts_at until before ends_at."""

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
    #: When it ends: as planned, or earlier where it was cancelled.
    ends_at: datetime | None
    #: The end that it has of its own; None: open. A cancellation that is withdrawn leaves this one.
    planned_ends_at: datetime | None = None
    #: Lower burns first.
    priority: int = 0
    #: Whether it is revised when its set has a new version.
    follows: bool = False
    #: How often it is billed, counted from the pool's anchor; None: by no calendar that we know.
    billing_period: PeriodName | None = None
    status: ProvisionStatus = "scheduled"
    #: When it did start, which is later than starts_at where it was told late, and when it was over for good; None: not yet.
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended for good."""
        return self.status == "ended"

    @property
    def is_cancelled(self) -> bool:
        """Whether it ends before the end that it has of its own."""
        return self.ends_at != self.planned_ends_at

    def due_ms(self) -> int:
        """When it starts or ends by itself, in epoch milliseconds."""
        if self.status == "scheduled":
            return to_ms(self.starts_at)
        if self.status == "ended" or self.ends_at is None:
            return NEVER_MS
        return to_ms(self.ends_at)


def is_successor(newcomer: Provision, gone: Provision) -> bool:
    """Whether what was consumed of one provision counts against another: a plan is changed or renewed, not bought once more."""
    if gone.ladder is not None or newcomer.ladder is not None:
        return gone.ladder == newcomer.ladder
    return gone.source == newcomer.source == "subscription" and gone.set_id == newcomer.set_id


def takes_over(own: Provision, gone: Provision) -> bool:
    """Whether a provision has what was consumed of another, that has ended: who was there beside it is no successor."""
    began_after = not (own.started_at and gone.ended_at and own.started_at < gone.ended_at)
    return gone.is_over and began_after and is_successor(own, gone)


@dataclass(slots=True, kw_only=True)
class Grant:
    """A gift: why, by whom, and whether it still holds."""

    reason: str
    actor: str
    is_over: bool = False


class RememberedPart(NamedTuple):
    """A part of a remembered line: who bears how much of it. As UsagePart, and as short as can be."""

    bearer: Bearer
    provision_id: str
    payer: str
    quantity: int
    charge: int
    credit_key: str


class RememberedLine(NamedTuple):
    """A recorded line under its usage id: when, what it said, and who bears it. Short: a busy pool remembers very many."""

    recorded_at: int
    body: tuple[str, int, UsageMode, str, int]
    #: The turn of the pool at which it was recorded: what began at a later one knows nothing of it.
    turn: int
    #: Start of the closed period it counted in, in epoch milliseconds; 0: the one under way then, -1: in none.
    counted_in: int
    subject_id: str
    #: The reservation that it was committed from; empty: none.
    reservation_id: str
    #: What was taken back is not there any more.
    parts: tuple[RememberedPart, ...]


@dataclass(slots=True, kw_only=True)
class Cap:
    """What one member can draw of one key in a period; None: the key's own. It counts from when it was set."""

    amount: int
    period: PeriodName | None
    #: The turn of the pool at which it began to count.
    since: int = 0
    consumed: int = 0
    period_start_ms: int = 0
    period_end_ms: int = 0

    def is_current(self, entitlement: Entitlement, at_ms: int) -> bool:
        """Whether what was drawn counts at an instant. Without a period of its own it begins anew whenever the key does."""
        has_begun_anew = self.period is None and self.since < entitlement.period_since
        return self.period_start_ms <= at_ms < self.period_end_ms and not has_begun_anew


@dataclass(slots=True, kw_only=True)
class Override:
    """An administrator's value for one key of the pool, or of one of its workspaces."""

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
    #: Of a workspace with an amount: what it drew since.
    cap: Cap | None = field(default=None, compare=False)


@dataclass(slots=True, kw_only=True)
class OnDemand:
    """Consumption of one key above what is included: who pays for it, and how much of that is allowed in a period.

    Money is in minor units of the currency. price_per: so many of the smallest unit cost unit_price.
    """

    enabled: bool
    payer: str
    currency: str
    unit_price: int
    price_per: int
    spending_cap: int | None
    alert_at: list[int]
    spent: int = 0
    reserved: int = 0
    alerted: int = 0
    #: At the present price: the quantity that was charged, and for how much. Rounding is over their sum.
    quantity: int = 0
    charged: int = 0
    #: The turn of the pool at which the present price was set.
    priced_since: int = 0

    @property
    def reached(self) -> int:
        """The highest share of the cap, in percent, that is to be told and is reached; 0: none."""
        cap = self.spending_cap
        return max((p for p in self.alert_at if cap is not None and self.spent * 100 >= cap * p), default=0)

    def begin_anew(self, turn: int) -> None:
        """Nothing is spent: a period begins."""
        self.spent = self.alerted = self.quantity = self.charged = 0
        self.priced_since = turn


@dataclass(slots=True, kw_only=True)
class Reservation:
    """A quantity held; beyond what is included with the credit units and the spending that it would take."""

    reservation_id: str
    resource_key: str
    quantity: int
    #: What of it was included when it was reserved: it still is when it is committed. What credits or a payer would bear.
    included: int = 0
    paid: int = 0
    #: The key of the credits on which it may draw, at so many units for every so much, and the units it holds; empty: none.
    credit_key: str
    credit_units: int
    credit_rate: int = 0
    credit_per: int = 1
    spending: int
    workspace_id: str
    subject_id: str
    lease: bool
    expires_at: datetime

    @property
    def charged(self) -> int:
        """What of it counts against the limit: all that is not paid for."""
        return self.quantity - self.paid
