"""What a pool is made of, beside its entitlements: plain state, changed by events only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
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
    #: The turns of the pool at which it did start, and was over for good; 0: not yet.
    started: int = 0
    ended: int = 0

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
    return gone.is_over and own.started > gone.ended and is_successor(own, gone)


@dataclass(slots=True, kw_only=True)
class Grant:
    """A gift: why, by whom, and whether it still holds."""

    reason: str
    actor: str
    is_over: bool = False


class Holding(NamedTuple):
    """What a named holder has of a limit, and for which workspace; empty: none in particular."""

    held: int
    workspace_id: str


class RememberedPart(NamedTuple):
    """A part of a remembered line: who bears how much of it. As UsagePart, and as short as can be."""

    bearer: Bearer
    provision_id: str
    payer: str
    quantity: int
    charge: int
    credit_key: str
    #: No contribution bore it: an override admitted it.
    admitted: bool = False

    @property
    def borne_by(self) -> str | None:
        """The contribution that bore it; None: none in particular."""
        return None if self.bearer == "overage" or self.admitted else self.provision_id


def last_first(parts: Sequence[RememberedPart], quantity: int) -> list[tuple[RememberedPart, int, int]]:
    """What is taken back of remembered parts, the last first: so much of each quantity, and of its charge.

    Of a charge that several bear together the share of what is taken back is taken, all of it with the last unit: not of each its
    own, or roundings would add up.
    """
    is_all, taken = quantity == sum(part.quantity for part in parts), list[tuple[RememberedPart, int]]()
    for part in reversed(parts):
        share = min(quantity, part.quantity)
        quantity -= share
        taken.append((part, share))
    charges = dict[tuple[str, str, str], int]()
    for name in {_bears_together(part) for part in parts}:
        together = [(part, share) for part, share in taken if _bears_together(part) == name]
        charge, borne = sum(part.charge for part, _ in together), sum(part.quantity for part, _ in together)
        back = sum(share for _, share in together)
        charges[name] = charge if is_all or borne == back > 0 else charge * back // borne if borne else 0
    found = []
    for part, share in taken:
        charge = min(charges[_bears_together(part)], part.charge)
        charges[_bears_together(part)] -= charge
        found.append((part, share, charge))
    return found


def _bears_together(part: RememberedPart) -> tuple[str, str, str]:
    return part.bearer, part.credit_key, part.payer if part.bearer == "on_demand" else ""


@lru_cache(maxsize=4096)
def borne_whole(provision_id: str, quantity: int) -> tuple[RememberedPart, ...]:
    """The parts of a line that one contribution bears whole. Most lines are of few quantities: they share them."""
    return (RememberedPart("included", provision_id, "", quantity, 0, ""),)


#: What a line says: key, quantity, mode, workspace, and when it occurred.
LineBody = tuple[str, int, UsageMode, str, int]


class RememberedLine(NamedTuple):
    """A recorded line under its usage id: when, what it said, and who bears it. Short: a busy pool remembers very many."""

    recorded_at: int
    body: LineBody
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
    #: What of it was included when it was reserved: it still is when it is committed. What credits or a payer would bear, and of that
    #: what the payer.
    included: int = 0
    paid: int = 0
    on_demand: int = 0
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
    #: For how long it was asked for, in milliseconds, however often it was extended since; 0: unknown.
    held_for_ms: int = 0

    @property
    def charged(self) -> int:
        """What of it counts against the limit: all that is not paid for."""
        return self.quantity - self.paid
