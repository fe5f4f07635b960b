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
    """How leases are taken. Quantities in the smallest unit, durations in seconds.

    quantity        held and not used at most: what others cannot have meanwhile (worst_unused)
    term            for so long it is held without being extended; what a lost client held is free again after it
    margin          so long before its end nothing is drawn from it: the difference of clocks, and the time to commit
    unsettled_max   handed out and not counted by the service at most. Only when that can neither be told before the term is over, nor
                    by the journal, could a strict limit be passed by so much. 0: every unit is counted before it is handed out.
                    None: a tenth of the quantity
    settle_every    what was drawn is counted by the service after so long at the latest
    folder          where the journal is kept: what a killed process had drawn is settled by the next one there. None: no journal
    """

    quantity: int = 100
    term: int = 60
    margin: float = 5.0
    unsettled_max: int | None = None
    settle_every: float = 1.0
    folder: str | None = None

    def __post_init__(self) -> None:
        if not (self.quantity >= 1 and 0 < self.margin < self.term and (self.unsettled_max or 0) >= 0):
            raise ValueError("a lease has a quantity, and a term that is longer than its margin")

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
