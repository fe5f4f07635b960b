"""How leases are taken, what a lease holds, and what may have to be done with the service about it: values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from entitlements_client.transport.call import key_of

NEVER: Final = float("inf")
#: The largest quantity that can be asked for.
QUANTITY_MAX: Final = 2**53


@dataclass(frozen=True, kw_only=True)
class LeaseTerms:
    """Settings of leases. Quantities in the smallest unit, durations in seconds.

    quantity        most that is held without being used, so unavailable to others (worst_unused)
    term            how long it is held without an extension; what a lost client held is free again afterwards
    margin          a lease is treated as expired this long before its end, for clock skew and the time to commit
    unsettled_max   most that is handed out and not yet committed to the service. A strict limit can be exceeded by at most this much,
                    and only if it is committed neither within the term nor later from the journal. 0: every unit is committed
                    before it is handed out. None: a tenth of the quantity
    settle_every    drawn units are committed to the service after this time at the latest
    folder          folder of the journal, from which the next process settles what a killed one had drawn. None: no journal
    """

    quantity: int = 100
    term: int = 60
    margin: float = 5.0
    unsettled_max: int | None = None
    settle_every: float = 1.0
    folder: str | None = None

    def __post_init__(self) -> None:
        if not (self.quantity >= 1 and 0 < self.margin < self.term and (self.unsettled_max or 0) >= 0):
            raise ValueError("a lease needs a quantity of at least 1 and a term longer than its margin")

    @property
    def unsettled(self) -> int:
        """unsettled_max as a number."""
        return max(1, self.quantity // 10) if self.unsettled_max is None else self.unsettled_max


@dataclass(slots=True, eq=False)
class Holding:
    """One reservation. committing: the part that is being committed by the number `sequence`; it may have happened or not."""

    reservation_id: str
    pool_id: str
    quantity: int
    usable_until: float
    renewed_at: float
    drawn: int = 0
    committed: int = 0
    committing: int = 0
    final: bool = False
    sequence: int = 0
    unsettled_since: float = NEVER
    #: Told whenever one of the numbers changes: the journal.
    note: Callable[[Holding], None] = field(default=lambda _: None, repr=False)

    @property
    def unsettled(self) -> int:
        """Handed out, and not counted by the service as far as we know."""
        return max(0, self.drawn - self.committed)

    @property
    def is_settled(self) -> bool:
        """Nothing of it is left to be done."""
        return self.committed >= self.quantity and not self.committing

    @property
    def idempotency_key(self) -> str:
        """Of the commit under way: the same after a crash."""
        return key_of(self.reservation_id, self.sequence)


@dataclass(frozen=True, slots=True)
class Reserve:
    """Hold so much more. reservation_id, asked_at: those of the first attempt; a repeat is the same request."""

    reservation_id: str
    quantity: int
    asked_at: float


@dataclass(frozen=True, slots=True)
class Commit:
    """Count a part of a holding; final gives the rest of it back."""

    holding: Holding
    quantity: int
    final: bool


@dataclass(frozen=True, slots=True)
class Extend:
    """Hold it for a term more."""

    holding: Holding


@dataclass(frozen=True, slots=True)
class Release:
    """Give a holding back of which nothing is to be counted any more."""

    holding: Holding


Need: TypeAlias = Reserve | Commit | Extend | Release
