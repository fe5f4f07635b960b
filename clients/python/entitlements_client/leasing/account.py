"""The arithmetic of one lease: what may be drawn now, and what has to be done next. No clock, no input or output.

A lease is made of holdings, each a reservation. Of each holding
    0 <= drawn <= quantity    and    0 <= committed <= quantity
and over all of them
    the sum of max(0, drawn - committed) <= unsettled_max.

A unit that is not committed yet may be drawn only before `usable_until`, when its reservation cannot have expired: the instant before it
was asked for, plus its term, less a margin. A committed unit is ours for good.
"""

from __future__ import annotations

from collections.abc import Callable

from entitlements_client.leasing.terms import (
    NEVER,
    QUANTITY_MAX,
    Commit,
    Extend,
    Holding,
    LeaseTerms,
    Need,
    Release,
    Reserve,
)


class Account:
    """One customer's lease on one key. Not safe for threads: leases.py locks it."""

    def __init__(self, terms: LeaseTerms, new_id: Callable[[], str]) -> None:
        self.terms = terms
        self.holdings: list[Holding] = []
        #: Holdings of which nothing is left to be done; emptied by leases.py.
        self.over: list[Holding] = []
        #: The quantities that wait to be drawn; kept by leases.py.
        self.waiting: tuple[int, ...] = ()
        self.is_closing = False
        self._new_id = new_id
        #: No more than this is asked for at once: less was left when more was asked for.
        self._size = QUANTITY_MAX
        self._drawn_at = -NEVER
        self._pending: Reserve | None = None
        self._refused_until = -NEVER
        self.refusal = ""

    @property
    def demand(self) -> int:
        """How much waits to be drawn."""
        return sum(self.waiting)

    @property
    def is_asking(self) -> bool:
        """Whether something was asked for and may be held by now."""
        return self._pending is not None

    # --- What may be drawn ---

    def draw(self, quantity: int, now: float) -> bool:
        """Take units out, whole or not at all. What is counted already goes first."""
        if self.is_closing:
            return False
        room, left = self.terms.unsettled - self.unsettled, quantity
        plan: list[tuple[Holding, int]] = []
        for holding in self.holdings:
            counted = max(0, holding.committed - holding.drawn)
            fresh = 0
            if now < holding.usable_until and not holding.final:
                fresh = min(holding.quantity - max(holding.drawn, holding.committed), room)
            part = min(left, counted + fresh)
            if part > 0:
                plan.append((holding, part))
                left -= part
                room -= max(0, part - counted)
            if not left:
                break
        if left:
            return False
        for holding, part in plan:
            was_settled = not holding.unsettled
            holding.drawn += part
            self._drawn_at = now
            if holding.unsettled and was_settled:
                holding.unsettled_since = now
            holding.note(holding)
        return True

    def give_back(self, quantity: int) -> int:
        """Units that were drawn and not used may be drawn again; gives how many that are."""
        left = quantity
        for holding in reversed(self.holdings):
            part = min(left, holding.drawn)
            holding.drawn -= part
            left -= part
            if part:
                holding.note(holding)
        return quantity - left

    @property
    def unsettled(self) -> int:
        """Handed out, and not counted by the service as far as we know."""
        return sum(holding.unsettled for holding in self.holdings)

    def is_low(self, now: float) -> bool:
        """Whether what was just drawn may have made something necessary."""
        return 2 * self.unsettled >= self.terms.unsettled or 2 * self.unused(now) < self.terms.quantity

    def still_refused(self, quantity: int, now: float) -> bool:
        """Whether the service has refused just now to lease more, and what is held already will not do."""
        return now < self._refused_until and quantity > self.unused(now)

    def unused(self, now: float) -> int:
        """What is held and not drawn: that which may still be drawn, now or after committing."""
        return sum(
            holding.quantity - holding.drawn
            if now < holding.usable_until
            else max(0, holding.committed - holding.drawn)
            for holding in self.holdings
        )

    # --- What has to be done ---

    def need(self, now: float) -> Need | None:
        """The next thing to be done with the service; None: nothing now."""
        for holding in [holding for holding in self.holdings if self._is_over(holding)]:
            self.holdings.remove(holding)
            self.over.append(holding)
        for holding in self.holdings:
            found = self._need_of(holding, now)
            if found is not None:
                return found
        return self._reserve(now)

    def _is_over(self, holding: Holding) -> bool:
        if holding.unsettled or holding.committing:
            return False
        return holding.is_settled and (holding.drawn >= holding.committed or self.is_closing)

    def _need_of(self, holding: Holding, now: float) -> Need | None:
        if holding.committing:
            return Commit(holding, holding.committing, holding.final)
        ended = self.is_closing or now >= holding.usable_until or self._is_idle(holding, now)
        if ended and holding.quantity > holding.committed:
            return Commit(holding, holding.unsettled, True) if holding.unsettled else Release(holding)
        ahead = self._ahead(holding)
        if holding.unsettled + ahead and self._settles_now(holding, ahead, now):
            quantity = holding.unsettled + ahead
            return Commit(holding, quantity, holding.committed + quantity >= holding.quantity)
        if not ended and now >= self._renew_at(holding) and holding.quantity > max(holding.drawn, holding.committed):
            return Extend(holding)
        return None

    def _ahead(self, holding: Holding) -> int:
        """How much is to be counted before it can be handed out: what waits, and may not be drawn unsettled."""
        counted = sum(max(0, other.committed - other.drawn) for other in self.holdings)
        wanted = self.demand - self.terms.unsettled - counted
        return max(0, min(wanted, holding.quantity - max(holding.drawn, holding.committed)))

    def _settles_now(self, holding: Holding, ahead: int, now: float) -> bool:
        if ahead or self.demand or holding.drawn >= holding.quantity:
            return True
        is_much = 2 * self.unsettled >= self.terms.unsettled
        return is_much or now - holding.unsettled_since >= self.terms.settle_every

    def _renew_at(self, holding: Holding) -> float:
        return holding.renewed_at + (holding.usable_until - holding.renewed_at) / 2

    def _is_idle(self, holding: Holding, now: float) -> bool:
        """Nothing was drawn from it since it was renewed, and it would have to be renewed again."""
        return now >= self._renew_at(holding) and self._drawn_at < holding.renewed_at and not self.demand

    def _reserve(self, now: float) -> Need | None:
        if self._pending is not None and now < self._pending.asked_at + self.terms.term:
            return self._pending
        self._pending = None
        if self.is_closing or now < self._refused_until:
            return None
        is_in_use, unused = 2 * (now - self._drawn_at) < self.terms.term - self.terms.margin, self.unused(now)
        if not (self.demand > unused or (is_in_use and 2 * unused < self.terms.quantity)):
            return None
        quantity = min(self._size, max(self.terms.quantity, self.demand) - unused)
        if quantity > 0:
            self._pending = Reserve(self._new_id(), quantity, now)
        return self._pending

    def wakes_at(self) -> float:
        """When something has to be done next if nobody draws meanwhile."""
        found = [NEVER]
        for holding in self.holdings:
            if holding.quantity > max(holding.drawn, holding.committed):
                found.append(min(self._renew_at(holding), holding.usable_until))
            if holding.unsettled:
                found.append(holding.unsettled_since + self.terms.settle_every)
        if self.demand:
            found.append(self._refused_until)
        return min(found)

    # --- What came of it ---

    def reserved(self, asked: Reserve, reservation_id: str, pool_id: str, quantity: int) -> Holding:
        """A reservation was made."""
        usable_until = asked.asked_at + self.terms.term - self.terms.margin
        holding = Holding(reservation_id, pool_id, quantity, usable_until, asked.asked_at)
        self._pending, self.refusal = None, ""
        self._size = min(QUANTITY_MAX, 2 * self._size)
        self.holdings.append(holding)
        return holding

    def refused(self, code: str, remaining: int | None, until: float) -> None:
        """A reservation was refused. Less is asked for, if something may be left; else nothing until an instant."""
        assert self._pending is not None
        asked, self._pending = self._pending.quantity, None
        self._size = min(remaining, asked - 1) if remaining is not None else asked // 2
        if code != "quota_exceeded" or self._size < min(self.waiting, default=1):
            self._size, self.refusal, self._refused_until = QUANTITY_MAX, code, until

    def commits(self, wish: Commit) -> None:
        """A commit is about to be sent: from now on it may have happened."""
        holding = wish.holding
        if not holding.committing:
            holding.sequence += 1
            holding.committing, holding.final = wish.quantity, wish.final
            holding.note(holding)

    def committed(self, holding: Holding, now: float) -> None:
        """The commit under way has happened. If it was final nothing is left of the holding."""
        holding.committed += holding.committing
        holding.committing = 0
        if holding.final:
            holding.quantity = holding.committed
        holding.unsettled_since = now if holding.unsettled else NEVER
        holding.note(holding)

    def extended(self, holding: Holding, asked_at: float) -> None:
        """It is held for a term from when that was asked for."""
        holding.usable_until, holding.renewed_at = asked_at + self.terms.term - self.terms.margin, asked_at

    def forget(self) -> None:
        """Nothing is ours: what a forked child knows of its parent's lease."""
        self.holdings, self.over, self.waiting, self._pending = [], [], (), None

    def gone(self, holding: Holding, reported: int = 0) -> None:
        """It is held no longer: what is not committed cannot be drawn any more. reported: so much was counted in another way."""
        holding.usable_until, holding.committing = -NEVER, 0
        holding.committed += reported
        if not holding.unsettled:
            holding.quantity = holding.committed
        holding.note(holding)
