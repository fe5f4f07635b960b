"""Decide a history twice, by the domain and by the second model, and compare after every step; sums and folding beside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import inf
from typing import Any

from tests.model.bookkeeping import Book, left
from tests.model.deciding import CODES
from tests.model.deciding import decide as decide_by_model
from tests.model.office import Office
from tests.model.settling import POT
from tests.model.sums import Sums
from tests.model.telling import History, Plain, command_of, ms, opening
from tests.model.times import NEVER

from entitlements.domain.decide import decide
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import CommandRefused
from entitlements.domain.pools import ResourcePool

#: The domain's word for more than any number.
UNLIMITED = 2**60


class Disagreement(AssertionError):
    """Where the domain and the second model part, or a sum does not hold: the step, and what differs."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(f"step {step}: {what}")
        self.step, self.what = step, what


class Comparison:
    """One history under way, on both sides."""

    def __init__(self, history: History) -> None:
        self.history = history
        opened = decide(None, opening(history), ms(history.begins_at)).aggregate
        assert isinstance(opened, ResourcePool)
        self.pool = opened
        self.office = Office(history.sets, history.defaults, history.zone, history.anchor_at, history.begins_at)
        self.sums = Sums(opened.take_events())
        #: What the model said of the last step.
        self.verdicts: list[str | None] = []
        self.refused_otherwise: Counter[str] = Counter()

    def run(self) -> Counter[str]:
        """Every step on both sides; which rules it met. Raises Disagreement at the first difference."""
        for number, step in enumerate(self.history.steps):
            try:
                self.take(number, step)
            except Disagreement:
                raise
            except AssertionError as error:
                raise Disagreement(number, f"{type(error).__name__}: {error}") from error
        return self.office.met

    def take(self, number: int, step: Plain) -> None:
        command = command_of(step, self.history.sets, number)
        code, lines = None, []
        try:
            answer = decide(self.pool, command, ms(step["at"]))
            if answer.usage is not None:
                lines = _by_line(answer.usage.refused, len(step["lines"]))
        except CommandRefused as refusal:
            code = refusal.code
        events = self.pool.take_events()
        self.office.advance(step["at"])
        for key, book in self.office.books.items():
            book.is_known = key in self.pool.entitlements
        if code is not None and code not in CODES:
            self.refused_otherwise[f"{step['do']} {code}"] += 1
        else:
            self.verdicts = decide_by_model(self.office, step)
            decided = lines if code is None and "lines" in step else [code]
            if decided != self.verdicts:
                raise Disagreement(number, f"{step['do']}: domain {decided}, model {self.verdicts}")
        differences = [
            d
            for key, book in self.office.books.items()
            if key in self.pool.entitlements
            for d in self._differences(key, book)
        ]
        if differences:
            raise Disagreement(number, f"after {step['do']}: " + "; ".join(differences))
        self.sums.take(events, self.pool)

    def _differences(self, key: str, book: Book) -> list[str]:
        held = self.pool.entitlements[key]
        expected, found = of_book(book), of_entitlement(held, ms(self.office.now))
        return [
            f"{key}.{name}: domain {found.get(name)}, model {value}"
            for name, value in expected.items()
            if name in found and found[name] != value
        ]


def _by_line(refused: list[tuple[int, str, int]], lines: int) -> list[str | None]:
    codes = {index: code for index, code, _ in refused}
    return [codes.get(index) for index in range(lines)]


def of_book(book: Book) -> Plain:
    """What is compared of a key, by the model."""
    in_force = {c["pid"]: c for c in book.in_force}
    if POT in in_force:
        in_force = {in_force[POT]["who"]: in_force[POT]}
    return {
        "consumed": book.consumed, "elsewhere": book.elsewhere, "remaining": _number(book.remaining()), "owed": book.owed,
        "left": {pid: _number(left(c)) for pid, c in in_force.items()},
        "carried": {c["pid"]: c["carried"] for c in book.contributions.values() if c["carried"] and _is_compared(c)},
        "resets at": ms(book.end) if book.end.year < 9000 and book.period else None,
        "debts": _by_until((debt["until"] < NEVER and ms(debt["until"]), debt["quantity"]) for debt in book.debts),
    }  # fmt: skip


def _by_until(debts: Iterable[tuple[int, int]]) -> dict[int, int]:
    """What is owed by when that ends itself; 0: not before the end of its period is known."""
    found: Counter[int] = Counter()
    for until, quantity in debts:
        found[until] += quantity
    return {until: quantity for until, quantity in found.items() if quantity}


def of_entitlement(held: Entitlement, now_ms: int) -> Plain:
    """What is compared of a key, by the domain."""
    in_force = [b for b in held.burn_order() if not b.kept]
    end_ms = held.period_at(now_ms)[1]
    return {
        "consumed": held.consumed, "elsewhere": held.elsewhere,
        "remaining": _number(held.included_left), "owed": held.owed,
        "debts": _by_until((debt.until_ms < UNLIMITED and debt.until_ms, debt.quantity) for debt in held.debts),
        "left": {b.provision_id: _number(b.left) for b in in_force},
        "carried": {b.provision_id: b.carried - b.earlier for b in held.burn_order()
            if b.carried > b.earlier and not b.is_gone and (b.provision_id or not b.kept)},
        "resets at": end_ms if end_ms < UNLIMITED and held.period not in {None, "lifetime"} else None,
    }  # fmt: skip


def _is_compared(contribution: Plain) -> bool:
    """What is kept carries nothing; a default that is paused with its pool comes back, or does not, when the pool is resumed."""
    return contribution["state"] == "in force" or (contribution["state"] == "paused" and contribution["pid"] != "")


def _number(amount: Any) -> Any:
    return "unlimited" if amount == inf or amount >= UNLIMITED else amount
