"""One pool of the second model: what is provisioned, held, overridden and capped, and what time brings about."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from tests.model import closing, settling
from tests.model.bookkeeping import Book, Plain
from tests.model.times import NEVER, bounds


class Office:
    """The books of one pool, and everything that they follow from. Fields are those of scenario files."""

    def __init__(
        self, sets: dict[str, Plain], defaults: list[Plain], zone: str, anchor: datetime | None, at: datetime
    ) -> None:
        self.sets, self.zone, self.anchor, self.now = sets, zone, anchor, at
        self.defaults = {rule["key"]: rule for rule in defaults}
        self.status = "open"
        self.books: dict[str, Book] = {}
        self.provisions: dict[str, Plain] = {}
        self.overrides: dict[str, Plain] = {}
        self.reservations: dict[str, Plain] = {}
        self.demand: dict[str, Plain] = {}
        self.caps: dict[tuple[str, str, str], Plain] = {}
        self.turn = 0
        self.members: set[str] = set()
        #: Lines under their usage ids, every line that was counted, and how many there were under an idempotency key.
        self.lines: dict[Any, Plain] = {}
        self.recorded: list[Any] = []
        self.keys: dict[Any, Plain] = {}
        #: How much was decided: what came first.
        self.order = 0
        #: How often each rule was exercised.
        self.met: Counter[str] = Counter()
        self.settle()

    # --- Who contributes -------------------------------------------------------------------------------------------------

    def terms(self, key: str) -> list[Plain]:
        """What provisions and the default say of a key, in force or paused."""
        found = []
        for number, provision in enumerate(self.provisions.values()):
            rule = next((rule for rule in provision["rules"] if rule["key"] == key), None)
            if rule is not None and provision["status"] in {"active", "suspended"}:
                is_paused = provision["status"] == "suspended" or self.status != "open"
                found.append({
                    "pid": provision["provision"], "rule": rule, "state": "paused" if is_paused else "in force",
                    "times": provision["quantity"] if rule.get("per_unit") else 1,
                    "burns": settling.burns_at(provision, number),
                    "ranks": (-1 if provision["rung"] is None else provision["rung"], number),
                })  # fmt: skip
        if key in self.defaults and not self._is_conferred(found):
            state = "in force" if self.status == "open" else "paused"
            burns, ranks = settling.burns_at(None, -1), (-2, -1)
            found.append(
                {"pid": "", "rule": self.defaults[key], "state": state, "times": 1, "burns": burns, "ranks": ranks}
            )
        return found

    def _is_conferred(self, terms: list[Plain]) -> bool:
        """Whether some provision contributes, so that a default does not; one that is paused leaves the default in its place."""
        return any(self.provisions[t["pid"]]["status"] == "active" for t in terms)

    def settle(self) -> None:
        """Let every book take what contributes now."""
        self.count_held()
        self._note_turns()
        rules = [rule for p in self.provisions.values() if p["status"] != "scheduled" for rule in p["rules"]]
        for rule in [*rules, *self.defaults.values()]:
            if rule["key"] not in self.books:
                self._open_book(rule)
        for key, book in self.books.items():
            terms = self.terms(key)
            ruling = settling.ranks_first([t for t in terms if t["state"] == "in force"])
            if ruling is not None and ruling["rule"].get("period") != book.period:
                self._another_period(book, ruling["rule"], terms)
            if ruling is not None:
                book.stacking = ruling["rule"].get("stacking", "sum")
            # What is paused and has another period waits with it until it is resumed.
            terms = [t for t in terms if t["rule"].get("period") == book.period]
            override = next((o for o in reversed(self.overrides.values()) if o["key"] == key), None)
            heirs = sum(len(c["after"]) for c in book.contributions.values())
            settling.settle(book, terms, self.provisions, override, self.status)
            self.met["a successor takes over"] += sum(len(c["after"]) for c in book.contributions.values()) > heirs

    def _note_turns(self) -> None:
        """When each provision started and ended, by turn: at one instant ends come before starts."""
        self.turn += 1
        for provision in self.provisions.values():
            if provision["status"] == "ended":
                provision.setdefault("ended", (self.turn, 0))
            elif provision["status"] != "scheduled":
                provision.setdefault("started", (self.turn, 1))

    def _open_book(self, rule: Plain) -> None:
        book = Book(
            rule["key"],
            rule["type"],
            rule.get("stacking", "sum"),
            rule.get("period"),
            anchored=rule.get("anchored", False),
        )
        book.zone, book.anchor = self.zone, self.anchor
        book.enter(self.now)
        self.books[rule["key"]] = book

    def _another_period(self, book: Book, rule: Plain, terms: list[Plain]) -> None:
        self.met["another period"] += 1
        closing.another_period(book, terms, self.now)
        self._begin_anew(book)
        book.contributions.clear()
        book.period, book.anchored = rule.get("period"), rule.get("anchored", False)
        book.enter(self.now)
        book.start = self.now  # What was before lies in periods that are closed.

    def count_held(self) -> None:
        """Tell every book what reservations hold of it: of what is included, and as overage."""
        held = self.reservations.values()
        for book in self.books.values():
            units = sum(r["units"] for r in held if r["credit_key"] == book.key)
            book.held = units + sum(r["included"] for r in held if r["key"] == book.key)
            book.reserved = book.held + sum(r["overage"] for r in held if r["key"] == book.key)

    def pay(self) -> None:
        """After every command and every step of time what is owed is paid, as far as there is something left."""
        self.count_held()
        for book in self.books.values():
            before = book.owed
            book.pay()
            if before != book.owed:
                self.met["overage is paid"] += 1
            book.check()

    # --- Time ------------------------------------------------------------------------------------------------------------

    def advance(self, now: datetime) -> None:
        """Let everything that is due up to an instant happen, in the order of time."""
        while (due := self._next_due()) <= now:
            self._happen(due)
        self.now = max(self.now, now)

    def _next_due(self) -> datetime:
        """The next instant after now at which something is due."""
        dues = [book.next_due(self.now) for book in self.books.values()]
        dues += [held["expires_at"] for held in self.reservations.values()]
        dues += [o["expires_at"] for o in self.overrides.values() if o["expires_at"] is not None]
        for provision in self.provisions.values():
            if provision["status"] == "scheduled":
                dues.append(provision["starts_at"])
            elif provision["status"] != "ended" and provision["ends_at"] is not None:
                dues.append(provision["ends_at"])
        return min(dues, default=NEVER)

    def _happen(self, at: datetime) -> None:
        """At one instant: debts expire, resets, reservations and overrides expire, ends, starts, recurrences, paying (sums, 11)."""
        self.now = at
        for book in self.books.values():
            self.met["a debt expires"] += book.expire(at)
            if book.end == at:
                self.reset(book, at)
        if self._expire_and_turn(at):
            self.settle()
        for book in self.books.values():
            self.met["a recurrence"] += book.recur(at)
        self.pay()

    def _expire_and_turn(self, at: datetime) -> bool:
        """Reservations and overrides expire, provisions end, then others start; whether anything did."""
        held, overrides = len(self.reservations), len(self.overrides)
        self.reservations = {name: r for name, r in self.reservations.items() if r["expires_at"] > at}
        self.overrides = {n: o for n, o in self.overrides.items() if o["expires_at"] is None or o["expires_at"] > at}
        changed = held != len(self.reservations) or overrides != len(self.overrides)
        for turned, end in (("ended", "ends_at"), ("active", "starts_at")):
            for provision in self.provisions.values():
                is_due = provision["status"] in ({"active", "suspended"} if turned == "ended" else {"scheduled"})
                if is_due and provision[end] is not None and provision[end] <= at:
                    provision["status"], changed = turned, True
        return changed

    def reset(self, book: Book, at: datetime, by_hand: str | None = None) -> None:
        """Close the period of a key and begin the next."""
        self._note_reset(book)
        terms = [t for t in self.terms(book.key) if t["rule"].get("period") == book.period]
        closing.reset(book, terms, at, by_hand)
        self.met["something is carried over"] += any(c["carried"] for c in book.contributions.values())
        book.enter(at)
        book.start = at
        self._begin_anew(book)

    def _begin_anew(self, book: Book) -> None:
        """What a payer spends and members draw begins anew with the period of the key."""
        if book.key in self.demand:
            self.demand[book.key]["spent"] = 0
        for (_, _, key), cap in self.caps.items():
            if key == book.key and cap["period"] is None:
                cap["drawn"], cap["start"] = 0, self.now

    def _note_reset(self, book: Book) -> None:
        self.met["reset"] += 1
        if any(c["state"] == "paused" for c in book.contributions.values()):
            self.met["reset inside a pause"] += 1
        if book.owed:
            self.met["reset with something owed"] += 1
        if book.value is not None and book.value["override"]:
            self.met["reset inside an override"] += 1

    # --- Members ---------------------------------------------------------------------------------------------------------

    def caps_of(self, workspace: str, subject: str, key: str) -> list[tuple[str, Plain]]:
        """The caps under which a member draws, each begun anew where its own period is over."""
        found = []
        for who in dict.fromkeys(("", subject)):
            cap = self.caps.get((workspace, who, key)) if workspace else None
            if cap is not None:
                if cap["period"] is not None and self.now >= cap["end"]:
                    cap["start"], cap["end"] = bounds(cap["period"], self.now, self.zone, None)
                    cap["drawn"] = 0
                found.append((who, cap))
        return found

    def may_draw(self, workspace: str, subject: str, key: str, quantity: int) -> bool:
        """Whether a member is under its caps; what is reserved counts as drawn."""
        for who, cap in self.caps_of(workspace, subject, key):
            held = sum(
                r["quantity"] for r in self.reservations.values()
                if (r["key"], r["workspace"]) == (key, workspace) and who in {"", r["subject"]}
            )  # fmt: skip
            if cap["drawn"] + held + quantity > cap["amount"]:
                self.met["a cap refuses"] += 1
                return False
        return True

    def draw(self, workspace: str, subject: str, key: str, quantity: int) -> None:
        for _, cap in self.caps_of(workspace, subject, key):
            cap["drawn"] = max(0, cap["drawn"] + quantity)
