"""A contribution and what was consumed of it, and a period that is over: the parts of an entitlement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from entitlements.domain.aggregate import NEVER_MS
from entitlements.domain.values import Contribution, PeriodName

#: Stands for unlimited where numbers are compared; above every quantity that can add up.
UNLIMITED: Final = 2**62


@dataclass(slots=True)
class Bucket:
    """A contribution and what was consumed of it. They stand in burn order."""

    provision_id: str
    limit: int | None
    soft_limit: int | None = None
    hard_limit: int | None = None
    carried: int = 0
    consumed: int = 0
    kept: bool = False
    recurs: PeriodName | None = None
    #: When it comes anew, if anything of it was consumed since it last did. Epoch milliseconds.
    recurs_at_ms: int = NEVER_MS
    #: What was consumed before it last came anew, and the turn of the pool at which it did.
    earlier: int = 0
    recurred_since: int = 0

    @property
    def left(self) -> int:
        """What it still includes, in the smallest unit; 0 when more was consumed than it has."""
        return UNLIMITED if self.limit is None else max(0, self.limit - self.consumed)

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
        )


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
    )


@dataclass(slots=True)
class ClosedPeriod:
    """A period that is over, while usage that arrives late still counts in it."""

    start_ms: int
    end_ms: int
    until_ms: int
    limit: int
    hard_limit: int
    consumed: int
    elsewhere: int
    bearer: str
    was_exceeded: bool
    #: The turns of the pool at which it began, and was over.
    since: int
    over_since: int


def going_on(bucket: Bucket, held: Bucket | None) -> Bucket:
    """A contribution as it is stated anew, with what it went through in the period."""
    if held is not None:
        bucket.earlier, bucket.recurred_since = held.earlier, held.recurred_since
        bucket.recurs_at_ms = held.recurs_at_ms if bucket.recurs or bucket.kept else NEVER_MS
    elif bucket.recurs:  # All that a newcomer carries is what those before it gave before they last came anew.
        bucket.earlier = min(bucket.carried, bucket.consumed)
    return bucket
