"""What is consumed of a key in a period, who bears it, and what of it is owed (docs/rules/what-is-owed.md).

Consumption that neither credits nor a payer bear is, to the unit, what contributions bear, what an override admitted, what was
forgiven, and what is owed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from entitlements.domain.aggregate import NEVER_MS
from entitlements.domain.buckets import Bucket, ClosedPeriod, Debt
from entitlements.domain.periods import Calendar


@dataclass(kw_only=True, slots=True)
class Derived:
    """What follows from the rest of an entitlement and its pool: no part of the state, not compared, not in snapshots."""

    #: By which calendar its periods are counted; follows from the pool's.
    calendar: Calendar = field(init=False, compare=False, repr=False)
    #: The bucket that burns, and up to which consumption nothing but it is concerned.
    burning: Bucket | None = field(init=False, compare=False, repr=False)
    usual_until: int = field(init=False, compare=False, repr=False)
    is_recurring: bool = field(init=False, compare=False, repr=False)


@dataclass(kw_only=True, slots=True)
class Counts(Derived):
    """The consumption of one key in the period under way, in the smallest unit."""

    #: Consumed in the period, or held now.
    consumed: int = 0
    #: The part of it that credits or an on-demand payer bear: what is included does not shrink by it.
    elsewhere: int = 0
    #: The part of it that is included and that an override admitted; and overage of the period that was forgiven in it.
    admitted: int = 0
    forgiven: int = 0
    #: The part of it that takes nothing from the limit, beside what is borne elsewhere: as restacking said.
    uncounted: int = 0
    #: Overage that is owed, the oldest first; that of the period under way stands last.
    debts: list[Debt] = field(default_factory=list)
    #: Overage of the period under way, paid or not; and the preserved overage that is part of what is consumed, paid or not.
    incurred: int = 0
    began_with: int = 0
    #: Whether overage is preserved at a reset: as the contribution says that ranks first; kept when nobody confers the key.
    preserves: bool = False

    @property
    def charged(self) -> int:
        """What counts against the limit: consumption that neither credits nor an on-demand payer bear."""
        return self.consumed - self.elsewhere

    @property
    def used(self) -> int:
        """What was used in the period and neither credits nor a payer bear: not what it began with."""
        return self.consumed - self.elsewhere - self.began_with

    @property
    def counted(self) -> int:
        """What takes from the limit now: not what an override admitted before, what was forgiven, or included by a higher limit."""
        return self.consumed - self.elsewhere - self.uncounted

    @property
    def owed(self) -> int:
        """Overage that is neither paid nor forgiven, in the smallest unit."""
        return sum(debt.quantity for debt in self.debts) if self.debts else 0

    @property
    def preserved(self) -> int:
        """What of that was incurred in earlier periods."""
        return sum(debt.quantity for debt in self.debts if debt.until_ms < NEVER_MS)

    def owe(self, quantity: int) -> None:
        """Count overage of the period under way, by the rule that holds now; taken back (negative) the newest is owed no more."""
        if quantity < 0:
            for debt in [debt for debt in reversed(self.debts) if debt.until_ms == NEVER_MS]:
                part = min(-quantity, debt.quantity)
                debt.quantity -= part
                quantity += part
            self.forgiven += quantity  # Of what was forgiven nothing is owed already.
            self.debts = [debt for debt in self.debts if debt.quantity or debt.paid]
            return
        last = self.debts[-1] if self.debts else None
        if last is not None and last.until_ms == NEVER_MS and last.preserves == self.preserves:
            last.quantity += quantity
        else:
            self.debts.append(Debt(quantity, self.preserves))

    def owe_late(self, closed: ClosedPeriod, quantity: int) -> None:
        """Count preserved overage of a period that is over: the one under way owes it."""
        self.consumed += quantity
        self.began_with += quantity
        known = next((debt for debt in self.debts if debt.until_ms == closed.owed_until_ms), None)
        if known is not None:
            known.quantity += quantity
        else:
            self.debts.append(Debt(quantity, preserves=True, until_ms=closed.owed_until_ms))
            self.debts.sort(key=lambda debt: debt.until_ms)  # Stable, and what is under way stands last.

    def settle(self, quantity: int, *, is_paid: bool) -> int:
        """Owe so much less, the oldest first; gives what of it was preserved from earlier periods."""
        preserved = 0
        for debt in self.debts:
            part = min(quantity, debt.quantity)
            debt.quantity -= part
            quantity -= part
            debt.paid += part if is_paid else 0
            preserved += part if debt.until_ms < NEVER_MS else 0
        self.debts = [debt for debt in self.debts if debt.quantity or debt.paid]
        return preserved
