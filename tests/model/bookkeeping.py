"""The second model: the book of one key of one pool, kept in plain dicts and lists, the slow and obvious way.

It follows docs/rules and shares no code with the domain. Whatever two readings of a rule could disagree on is one named function.
A contribution is a dict: pid, amount, hard, carried, used (since it last came anew), earlier (before that), anew (how often it did),
state (in force, paused, kept). A debt is a dict: quantity, end (of the period in which it was incurred; None: the one under way), until (when it ends itself), rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from math import inf
from typing import Any

from tests.model.times import NEVER, bounds

#: A contribution, a debt, a payment, a closed period, a part of a line: plain dicts, so that they print as they are.
Plain = dict[str, Any]


def left(contribution: Plain) -> Any:
    """What a contribution still has: nothing once it is kept, and never less than nothing (rules of sums, 3 and 5)."""
    if contribution["state"] == "kept":
        return 0
    if contribution["amount"] is None:
        return inf
    return max(0, contribution["amount"] + contribution["carried"] - contribution["used"])


class Book:
    """One key of one pool."""

    def __init__(self, key: str, kind: str, stacking: str, period: str | None, *, anchored: bool) -> None:
        self.key, self.kind, self.stacking, self.period, self.anchored = key, kind, stacking, period, anchored
        self.zone, self.anchor = "UTC", None
        self.by_hand: datetime | None = None  # Counted from here since a reset that kept no anchor.
        self.start = self.end = NEVER
        self.number = 0
        #: Counts recurrences: what was recorded before one, and what after it.
        self.turn = 0
        self.contributions: dict[str, Plain] = {}
        self.debts: list[Plain] = []
        self.payments: list[Plain] = []
        self.closed: list[Plain] = []
        self.value: Plain | None = None
        #: Whether usage may name it, which is no matter of units: the domain says so. What the contribution that ranked first last said of overage, and of grace in seconds.
        self.is_known, self.word, self.grace = True, "forgive", 0
        #: Held by reservations: all that nobody pays for, and what of it was included when it was reserved.
        self.reserved = self.held = 0
        self.consumed = self.elsewhere = self.by_override = self.forgiven = 0
        #: What was owed when the period began: its count begins with that.
        self.begun = 0

    # --- What there is ---------------------------------------------------------------------------------------------------

    @property
    def in_force(self) -> list[Plain]:
        """Contributions in force, in burn order."""
        return sorted((c for c in self.contributions.values() if c["state"] == "in force"), key=lambda c: c["burns"])

    @property
    def owed(self) -> int:
        return sum(debt["quantity"] for debt in self.debts)

    @property
    def charged(self) -> int:
        return self.consumed - self.elsewhere

    def room(self) -> Any:
        """What is included and not consumed, whoever holds it."""
        if self.value is None:
            return 0
        if self.value["override"]:
            return max(0, (inf if self.value["amount"] is None else self.value["amount"]) - self.charged)
        return sum(left(c) for c in self.in_force)

    def remaining(self) -> Any:
        """What is included and left beside reservations (sums, 1)."""
        return max(0, self.room() - self.reserved)

    def fits(self, overage: int) -> bool:
        """Whether strict usage of which so much is overage stays under the hard limit, with what is held above what is included (sums, 10)."""
        if not overage:
            return True
        bound = 0 if self.value is None else self.value["bound"]
        return self.owed + max(0, self.reserved - self.room()) + overage <= bound

    def burn(self, quantity: int) -> list[Plain]:
        """Let contributions bear an included quantity in burn order; what only an override admits it bears itself (sums, 2)."""
        parts, free = [], inf
        if (
            self.value is not None and self.value["override"]
        ):  # What is reserved of them stays for those who reserved it.
            free = max(0, sum(left(c) for c in self.in_force) - self.reserved)
        for contribution in self.in_force:
            part = min(quantity, left(contribution), free)
            if part:
                free -= part
                contribution["used"] += part
                parts.append(part_of("included", part, contribution, turn=self.turn))
                quantity -= part
        if quantity:
            assert self.value is not None
            assert self.value["override"], "more was included than there is"
            self.by_override += quantity
            parts.append(part_of("override", quantity, turn=self.turn))
        return parts

    def owe(self, quantity: int, rule: str, end: datetime | None = None, until: datetime = NEVER) -> None:
        """Nobody bears it: it is owed by the key, kept per period in which it was incurred."""
        same = [d for d in self.debts if d["end"] == end]
        if same and same[-1]["rule"] == rule:
            same[-1]["quantity"] += quantity
        elif quantity:
            self.debts.append({"quantity": quantity, "end": end, "until": until, "rule": rule})
            self.debts.sort(key=lambda debt: debt["end"] or NEVER)  # Oldest first; the period under way is the newest.

    def pay(self) -> None:
        """What is owed is paid by contributions in force, as far as no reservation holds what they have left (sums, 4)."""
        payable = max(0, sum(left(c) for c in self.in_force) - self.held)
        for debt in self.debts:
            for contribution in self.in_force:
                part = min(debt["quantity"], left(contribution), payable)
                if part:
                    debt["quantity"] -= part
                    contribution["used"] += part
                    payable -= part
                    paid = {"end": debt["end"], "pid": contribution["pid"], "quantity": part, "turn": self.turn}
                    self.payments.append(paid)
        self.debts = [debt for debt in self.debts if debt["quantity"]]

    def forgive(self, debt: Plain, quantity: int) -> None:
        """Forgive so much of a debt; what came from another period leaves the count, what was used in this one stays (sums, 9)."""
        debt["quantity"] -= quantity
        if debt["end"] is None:
            self.forgiven += quantity
        else:
            self.consumed -= quantity
            self.begun -= quantity
        self.debts = [debt for debt in self.debts if debt["quantity"]]

    def expire(self, at: datetime) -> bool:
        """Debts end 12 months after the end of their period (sums, 9); whether one did."""
        over = [debt for debt in self.debts if debt["until"] <= at]
        for debt in over:
            self.forgive(debt, debt["quantity"])
        return bool(over)

    # --- Time ------------------------------------------------------------------------------------------------------------

    def bounds_at(self, at: datetime) -> tuple[datetime, datetime]:
        return bounds(self.period, at, self.zone, self.by_hand or (self.anchor if self.anchored else None))

    def enter(self, at: datetime) -> None:
        """Count the period of an instant."""
        self.start, self.end = self.bounds_at(at)

    def next_due(self, after: datetime) -> datetime:
        """The next instant after one at which something happens to this key."""
        ends = [debt["until"] for debt in self.debts]
        return min(
            [self.end, *ends, *(self._comes_anew_at(c, after) for c in self.contributions.values())], default=NEVER
        )

    def _comes_anew_at(self, contribution: Plain, after: datetime) -> datetime:
        if contribution["recurs"] is None or contribution["state"] == "kept":
            return NEVER
        boundary = bounds(contribution["recurs"], max(after, self.start), self.zone, self.start)[1]
        return boundary if boundary < self.end else NEVER

    def recur(self, at: datetime) -> bool:
        """What is left lapses whole, with what was carried in; the amount comes anew. Nothing is forgiven (sums, 7)."""
        has_recurred = False
        for contribution in self.contributions.values():
            recurs = contribution["recurs"]
            if recurs is None or contribution["state"] == "kept" or not self.start < at < self.end:
                continue
            if bounds(recurs, at, self.zone, self.start)[0] == at:
                contribution["earlier"] += contribution["used"]
                contribution["used"] = contribution["carried"] = 0
                contribution["anew"] += 1
                contribution["since"] = self.turn + 1
                has_recurred = True
        self.turn += has_recurred
        return has_recurred

    # --- Taking back in the period under way -----------------------------------------------------------------------------

    def take_back(self, part: Plain, quantity: int) -> None:
        """So much of a part of a line returns to whoever bore it; the count shrinks by as much."""
        self.consumed -= quantity
        if part["bearer"] == "overage":
            quantity = self._owe_less(quantity)
            quantity = self.pay_back(None, quantity)
            quantity = self._forgive_less(quantity)
        elif part["bearer"] == "override":
            quantity = self._override_less(quantity)
        for contribution in self._return_to(part["pid"]):
            quantity = self._use_less(contribution, quantity, is_recent=part["turn"] >= contribution["since"])
        self._rest_back(quantity)

    def correct_down(self, quantity: int) -> None:
        """Where no line is named overage is taken back first, then from whoever burns last; an override burns after contributions."""
        self.consumed -= quantity
        quantity = self.pay_back(None, self._owe_less(quantity))
        quantity = self._override_less(self._forgive_less(quantity))
        for contribution in self._return_to(None):
            quantity = self._use_less(contribution, quantity, is_recent=True)
        self._rest_back(quantity)

    def _use_less(self, contribution: Plain, quantity: int, *, is_recent: bool) -> int:
        """Give back what was used of a contribution; what it paid of overage is no usage of it."""
        paid = {"used": 0, "earlier": 0}
        for payment in self.payments:
            if self.successor_of(payment["pid"]) == contribution["pid"]:
                paid["used" if payment["turn"] >= contribution["since"] else "earlier"] += payment["quantity"]
        own = min(quantity, sum(max(0, contribution[count] - paid[count]) for count in paid))
        return quantity - own + give_back(contribution, own, is_recent=is_recent, but=paid)

    def _rest_back(self, quantity: int) -> None:
        """What an override admitted, what is owed, what was paid of it, what was forgiven: nobody else bears anything."""
        quantity = self._owe_less(self._override_less(quantity))
        quantity = self._forgive_less(self.pay_back(None, quantity))
        for debt in self.debts:
            less = min(quantity, debt["quantity"])
            debt["quantity"] -= less
            quantity -= less
        self.debts = [debt for debt in self.debts if debt["quantity"]]
        assert quantity == 0, "more was taken back than anybody bore"

    def _return_to(self, pid: str | None) -> list[Plain]:
        """The one itself, or who took it over, then whoever burns last."""
        return returning(self.contributions.values(), self.successor_of(pid))

    def successor_of(self, pid: str | None) -> str | None:
        """Who has the consumption of a contribution now."""
        while pid is not None and pid not in self.contributions:
            pid = next((c["pid"] for c in self.contributions.values() if pid in c["after"]), None)
        return pid

    def heir_of(self, pid: str) -> Plain | None:
        """The contribution that has the consumption of another now."""
        own = self.successor_of(pid)
        return None if own is None else self.contributions.get(own)

    def _owe_less(self, quantity: int) -> int:
        for debt in reversed(self.debts):  # The last that was incurred first.
            if debt["end"] is None:
                less = min(quantity, debt["quantity"])
                debt["quantity"] -= less
                quantity -= less
        self.debts = [debt for debt in self.debts if debt["quantity"]]
        return quantity

    def pay_back(self, end: datetime | None, quantity: int) -> int:
        """Overage of a period that was paid comes back to who paid it, the last in burn order first; of what was owed from
        before it makes no difference of which period.
        """
        quantity_of_it = min(quantity, sum(p["quantity"] for p in self.payments if p["end"] == end))
        rest, quantity = quantity - quantity_of_it, quantity_of_it
        order = {c["pid"]: at for at, c in enumerate(self._return_to(None))}
        alike = [p for p in reversed(self.payments) if (p["end"] is None) == (end is None)]  # The last payment first.
        for payment in sorted(alike, key=lambda p: order.get(self.successor_of(p["pid"]), len(order))):
            contribution = self.heir_of(payment["pid"])
            if contribution is not None:
                less = min(quantity, payment["quantity"])
                less -= give_back(contribution, less, is_recent=payment["turn"] >= contribution["since"])
                self._take_payment(payment, end, less)
                quantity -= less
        return rest + quantity

    def _take_payment(self, payment: Plain, end: datetime | None, quantity: int) -> None:
        """Take so much of a payment away; where it was for another period, others paid so much less for this one."""
        payment["quantity"] -= quantity
        owed_less = quantity if payment["end"] != end else 0
        for other in [p for p in self.payments if p["end"] == end and p is not payment]:
            moved = min(owed_less, other["quantity"])
            if moved:
                other["quantity"] -= moved
                self.payments.append({**other, "end": payment["end"], "quantity": moved})
                owed_less -= moved

    def _forgive_less(self, quantity: int) -> int:
        less = min(quantity, self.forgiven)
        self.forgiven -= less
        return quantity - less

    def _override_less(self, quantity: int) -> int:
        less = min(quantity, self.by_override)
        self.by_override -= less
        return quantity - less

    def check(self) -> None:
        """Double entry of the model itself: what was consumed is borne by somebody, once."""
        borne = sum(c["used"] + c["earlier"] for c in self.contributions.values())
        borne += self.by_override + self.elsewhere + self.owed + self.forgiven
        assert borne == self.consumed, f"{self.key}: {borne} borne of {self.consumed}: {vars(self)}"


def returning(contributions: Iterable[Plain], own: str | None) -> list[Plain]:
    """The one itself, or who took it over, then whoever burns last; what has left stands behind all who burn."""
    ordered = sorted(contributions, key=lambda c: (c["state"] == "kept", c["burns"]), reverse=True)
    return sorted(ordered, key=lambda c: own is None or own not in {c["pid"], *c["after"]})


def part_of(bearer: str, quantity: int, contribution: Plain | None = None, **more: Any) -> Plain:
    """A part of a line: who bears how much of it; `turn`: what recurred since knows nothing of it."""
    pid = None if contribution is None else contribution["pid"]
    return {"bearer": bearer, "quantity": quantity, "charge": 0, "pid": pid, "turn": 0, **more}


def give_back(contribution: Plain, quantity: int, *, is_recent: bool = True, but: Plain | None = None) -> int:
    """Give a quantity back to a contribution; what it bore before it last came anew would have lapsed. The rest is returned.

    but: what stays of each count. What has left for good adds no more than what is consumed of it, carried in or not.
    """
    for count in ("used", "earlier") if is_recent else ("earlier", "used"):
        less = min(quantity, max(0, contribution[count] - (but or {}).get(count, 0)))
        contribution[count] -= less
        quantity -= less
    if contribution["state"] == "kept":
        contribution["carried"] = min(contribution["carried"], contribution["used"])
    return quantity
