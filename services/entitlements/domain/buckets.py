"""The parts of an entitlement: contributions with their consumption, debts, and closed periods.

Words: `carried` is what was rolled over into the period; a contribution "comes anew" at a recurrence (it is refilled); a `Rest` is what
it had left when a period ended; `elsewhere` is usage charged to credits or an on-demand payer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from entitlements.domain.aggregate import NEVER_MS
from entitlements.domain.values import Contribution, PeriodName, UsagePart

#: Stands for unlimited where numbers are compared; above every quantity that can add up.
UNLIMITED: Final = 2**62


@dataclass(slots=True)
class Bucket:
    """A contribution and what was consumed of it. They stand in burn order, what is paused and what has left behind the others."""

    provision_id: str
    limit: int | None
    soft_limit: int | None = None
    hard_limit: int | None = None
    carried: int = 0
    consumed: int = 0
    kept: bool = False
    recurs: PeriodName | None = None
    #: Kept because its provision or the pool is suspended.
    paused: bool = False
    #: When it recurs next, if that would change anything. Epoch milliseconds.
    recurs_at_ms: int = NEVER_MS
    #: What was consumed before it last came anew, and the turn of the pool at which it did; 0: not in this period.
    earlier: int = 0
    recurred_since: int = 0
    #: What of its consumption is overage of the period that it paid: since it last came anew, and before that. And preserved overage.
    paid: int = 0
    paid_earlier: int = 0
    paid_preserved: int = 0
    paid_preserved_earlier: int = 0

    @property
    def left(self) -> int:
        """What it still includes, in the smallest unit; 0 when more was consumed than it has."""
        return UNLIMITED if self.limit is None else max(0, self.limit - self.consumed)

    @property
    def is_as_anew(self) -> bool:
        """Whether coming anew would change nothing: it has its amount, and nothing was consumed since it last did."""
        return self.carried == self.consumed == self.earlier

    @property
    def is_gone(self) -> bool:
        """Whether it has left for good."""
        return self.kept and not self.paused

    def stated(self) -> Contribution:
        """The contribution as events tell it."""
        return Contribution(
            provision_id=self.provision_id,
            limit=self.limit,
            soft_limit=self.soft_limit,
            hard_limit=self.hard_limit,
            carried=self.carried,
            consumed=self.consumed,
            kept=self.kept,
            recurs=self.recurs,
            paused=self.paused,
        )

    def pay(self, quantity: int, preserved: int) -> None:
        """Pay overage that was owed; preserved: the part of it from earlier periods."""
        self.consumed += quantity
        self.paid += quantity - preserved
        self.paid_preserved += preserved

    def come_anew(self, turn: int) -> None:
        """What was consumed so far was for the time before."""
        self.earlier, self.recurred_since = self.consumed, turn
        self.paid_earlier, self.paid = self.paid_earlier + self.paid, 0
        self.paid_preserved_earlier, self.paid_preserved = self.paid_preserved_earlier + self.paid_preserved, 0

    def begin_anew(self) -> None:
        """A period begins: nothing is consumed."""
        self.consumed = self.earlier = self.recurred_since = 0
        self.paid = self.paid_earlier = self.paid_preserved = self.paid_preserved_earlier = 0
        self.recurs_at_ms = NEVER_MS

    def carry_more(self, quantity: int) -> None:
        """Raise what was carried into the period. What is paused confers it once it is resumed."""
        self.carried += quantity
        if self.kept:
            return
        self.limit = None if self.limit is None else self.limit + quantity
        self.soft_limit = None if self.soft_limit is None else self.soft_limit + quantity
        self.hard_limit = None if self.hard_limit is None else self.hard_limit + quantity


def bucket_of(stated: Contribution) -> Bucket:
    """The bucket of a contribution as an event told it."""
    return Bucket(
        provision_id=stated.provision_id,
        limit=stated.limit,
        soft_limit=stated.soft_limit,
        hard_limit=stated.hard_limit,
        carried=stated.carried,
        consumed=stated.consumed,
        kept=stated.kept,
        recurs=stated.recurs,
        paused=stated.paused,
    )


@dataclass(slots=True)
class Debt:
    """Overage of one period that the key owes until it is paid, forgiven or expired."""

    quantity: int
    #: Whether it is preserved at a reset at which nobody confers the key: as the rule said when it was incurred.
    preserves: bool
    #: When it ends by itself, in epoch milliseconds; NEVER_MS: its period is under way.
    until_ms: int = NEVER_MS
    #: What of it was paid in the period under way, in the smallest unit.
    paid: int = 0


@dataclass(slots=True)
class Rest:
    """What a contribution had left when a period ended, and how much of that it carried over. In the smallest unit."""

    provision_id: str
    consumed: int
    #: Less than nothing where more was consumed than it included in the end.
    left: int
    carried: int
    #: The least and the most that it carries over.
    least: int = 0
    most: int = 0
    #: It was in force when the period ended: what lapsed is there for usage that arrives late.
    in_force: bool = True
    #: The turn of the pool at which it last came anew in the period; 0: it did not.
    recurred_since: int = 0
    #: What was consumed since then.
    recent: int = 0

    @property
    def lapsed(self) -> int:
        """What nobody has any more."""
        return max(0, self.left - self.carried)

    def carry_only(self, quantity: int) -> None:
        """So much is carried over, whatever comes back."""
        self.carried = self.least = self.most = quantity

    @property
    def carries(self) -> int:
        """What it would carry over now."""
        return 0 if self.left >= UNLIMITED else min(self.most, max(self.least, self.left))


@dataclass(slots=True)
class ClosedPeriod:
    """A period that is over, while usage that arrives late still counts in it."""

    start_ms: int
    end_ms: int
    until_ms: int
    limit: int
    consumed: int
    elsewhere: int
    #: The part of it that was preserved overage of before.
    began_with: int
    #: What nobody bore of it, forgiven or not, and how much of that may be: the hard limit less what is included.
    overage: int
    overage_max: int
    #: What of it was forgiven by hand while the period was under way.
    forgiven: int
    bearer: str
    was_exceeded: bool
    #: Whether its overage was preserved, and until when that is owed.
    preserves: bool
    owed_until_ms: int
    #: The turns of the pool at which it began, and was over.
    since: int
    over_since: int
    rests: list[Rest] = field(default_factory=list)
    #: What an override still admitted when it ended, less than nothing if it admitted less than was included; None: there was no
    #: override. And what it had admitted.
    admits: int | None = None
    admitted: int = 0

    @property
    def charged(self) -> int:
        """What neither credits nor a payer bore."""
        return self.consumed - self.elsewhere

    @property
    def overage_left(self) -> int:
        """How much more may be overage."""
        return max(0, self.overage_max - max(0, self.overage - self.forgiven))

    @property
    def used(self) -> int:
        """What of that was used in it: not what it began with."""
        return self.charged - self.began_with

    @property
    def included_left(self) -> int:
        """What late usage can still have: what had lapsed. What was carried over is the next period's."""
        if self.admits is not None:
            return max(0, self.admits)
        return min(UNLIMITED, sum(rest.lapsed for rest in self.rests if rest.in_force))

    def rest_of(self, provision_id: str) -> Rest | None:
        """What a contribution had left."""
        return next((rest for rest in self.rests if rest.provision_id == provision_id), None)

    def carry_no_more(self) -> None:
        """What comes back is not carried over any more: the period under way is not the one that followed."""
        for rest in self.rests:
            rest.carry_only(rest.carried)

    def bear(self, part: UsagePart) -> None:
        """Count an included part, or give it back (negative); one that has lapsed to nobody, because it came anew since."""
        quantity = part["quantity"]
        if self.admits is not None:
            self.admits -= quantity
        rest = None if part["admitted"] else self.rest_of(part["provision_id"])
        if rest is None:
            self.admitted += quantity
            return
        rest.consumed += quantity
        if part["lapsed"]:
            return
        rest.recent += quantity
        if rest.left < UNLIMITED:
            rest.left -= quantity


def going_on(bucket: Bucket, held: Bucket | None, taken_over: list[Bucket], at_ms: int) -> Bucket:
    """A contribution as it is stated anew, with what it went through in the period.

    taken_over: contributions that are not there any more; a newcomer that has their consumption goes on as they did.
    """
    if held is not None:
        bucket.earlier, bucket.recurred_since = held.earlier, held.recurred_since
        if bucket.recurs == held.recurs or held.recurs_at_ms <= at_ms:
            bucket.recurs_at_ms = held.recurs_at_ms if bucket.recurs else NEVER_MS
    elif bucket.recurs and bucket.consumed:
        bucket.earlier = min(bucket.carried, bucket.consumed, sum(gone.earlier for gone in taken_over))
        bucket.recurred_since = max((gone.recurred_since for gone in taken_over), default=0)
        if any(gone.recurs_at_ms <= at_ms for gone in taken_over):
            bucket.recurs_at_ms = at_ms  # It comes anew with those it follows; from then on by itself.
    _take_payments(bucket, [held] if held is not None else taken_over if bucket.consumed else [])
    if bucket.recurs is None and not bucket.is_gone:  # It is one for the whole period from now on.
        bucket.earlier = bucket.recurred_since = 0
        bucket.paid, bucket.paid_earlier = bucket.paid + bucket.paid_earlier, 0
        bucket.paid_preserved, bucket.paid_preserved_earlier = bucket.paid_preserved + bucket.paid_preserved_earlier, 0
    return bucket


def bear_for_all(buckets: list[Bucket], before: list[Bucket]) -> None:
    """Where contributions do not add up the first bears everything, what others paid too."""
    for at, bucket in enumerate(buckets):
        _take_payments(bucket, before if at == 0 else [])


def _take_payments(bucket: Bucket, before: list[Bucket]) -> None:
    bucket.paid = sum(each.paid for each in before)
    bucket.paid_earlier = sum(each.paid_earlier for each in before)
    bucket.paid_preserved = sum(each.paid_preserved for each in before)
    bucket.paid_preserved_earlier = sum(each.paid_preserved_earlier for each in before)
