"""Resets of the second model, and the periods that they close: what moves on, what is forgiven, what late usage can still have."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import inf
from typing import Any

from tests.model.bookkeeping import Book, Plain, give_back, left, part_of, returning
from tests.model.settling import ranks_first, times
from tests.model.times import twelve_months_after


def carried_out(term: Plain, rest: Any) -> Any:
    """What a contribution carries over of what is left: at least, at most, times the quantity where it is per unit (sums, 8)."""
    if rest == inf:
        return 0
    least, most = times(term, "rollover_min") or 0, times(term, "rollover_max") or 0
    return min(most, max(least, rest))


def reset(book: Book, terms: list[Plain], at: datetime, by_hand: str | None = None) -> None:
    """Close the period at an instant; `by_hand`: what a reset by hand says of overage."""
    ruling = ranks_first(terms)
    word = by_hand or (None if ruling is None else ruling["rule"].get("overage_at_reset", "forgive"))
    rests = {c["pid"]: left(c) for c in book.contributions.values()}
    out = {t["pid"]: carried_out(t, rests.get(t["pid"], 0)) for t in terms} if book.stacking == "sum" else {}
    _remember(book, terms, word or book.word, out, at)
    for debt in list(book.debts):
        _end(book, debt, at)
        if (word or debt["rule"]) == "forgive":
            book.debts.remove(debt)
        else:
            debt["rule"] = "preserve"  # Once preserved it waits while nobody confers the key.
    _begin(book, out)


def another_period(book: Book, terms: list[Plain], at: datetime) -> None:
    """A key that gets another period counts anew; debts go over by the rule under which they were incurred (sums, 12).

    The old one is closed as by a reset, and open for late usage while its grace lasts; nothing is carried over, nor later.
    """
    _remember(book, [], book.word, {}, at)
    for debt in list(book.debts):
        _end(book, debt, at)
        if debt["rule"] == "forgive":
            book.debts.remove(debt)
    _begin(book, {})


def _end(book: Book, debt: Plain, at: datetime) -> None:
    """What was incurred in the period that ends is owed for 12 months from now, by the calendar of now."""
    if debt["end"] is None:
        debt |= {"end": at, "until": twelve_months_after(at, book.zone)}


def _begin(book: Book, carried: dict[str, Any]) -> None:
    """The next period: nothing consumed but what is owed, which it begins with."""
    book.contributions = {pid: c for pid, c in book.contributions.items() if c["state"] != "kept"}
    for pid, contribution in book.contributions.items():
        contribution |= {"used": 0, "earlier": 0, "anew": 0, "since": 0, "carried": carried.get(pid, 0), "after": []}
    book.payments, book.by_override, book.elsewhere, book.forgiven = [], 0, 0, 0
    book.consumed = book.begun = book.owed
    book.number += 1


def _remember(book: Book, terms: list[Plain], word: str, out: Plain, at: datetime) -> None:
    """Keep the period open for late usage while its grace lasts, by the terms it ended with (closed periods, 13 and 15)."""
    if not book.grace or at == book.start:
        return  # Nothing can have occurred in a period of no length.
    amount = None
    if book.value is not None and book.value["override"]:
        amount = inf if book.value["amount"] is None else book.value["amount"]
    book.closed.append({
        "number": book.number, "owed until": twelve_months_after(at, book.zone), "start": book.start, "end": at, "until": at + timedelta(seconds=book.grace), "word": word,
        "consumed": book.consumed, "elsewhere": book.elsewhere, "begun": book.begun, "forgiven": book.forgiven, "override": book.by_override,
        "overage": sum(debt["quantity"] for debt in book.debts if debt["end"] is None),
        "bound": 0 if book.value is None else book.value["bound"], "amount": amount, "value": book.value is not None,
        "contributions": {pid: dict(c) for pid, c in book.contributions.items()},
        "out": {pid: out.get(pid, 0) for pid in book.contributions}, "terms": {t["pid"]: t for t in terms},
    })  # fmt: skip


def closed_at(book: Book, occurred: datetime, now: datetime) -> Plain | None:
    """The closed period that an instant lies in, while its grace lasts."""
    return next((p for p in book.closed if p["start"] <= occurred < p["end"] and now < p["until"]), None)


def late_room(period: Plain) -> Any:
    """What late usage can have as included: what had lapsed at the reset, and nothing of what was carried over."""
    if not period["value"]:
        return 0
    if period["amount"] is not None:
        charged = period["consumed"] - period["elsewhere"]
        return max(0, period["amount"] - charged - sum(period["out"].values()))
    return sum(_lapsed(period, c) for c in period["contributions"].values())


def _lapsed(period: Plain, contribution: Plain) -> Any:
    if contribution["state"] != "in force":
        return 0
    return max(0, left(contribution) - period["out"][contribution["pid"]])


def use_late(book: Book, period: Plain, quantity: int) -> list[Plain]:
    """Count late usage in its period: what had lapsed first, the rest is its overage, owed in the present where preserved."""
    parts, included = [], min(quantity, late_room(period))
    overage = quantity - included
    for contribution in sorted(period["contributions"].values(), key=lambda c: c["burns"]):
        part = min(included, _lapsed(period, contribution))
        if part:
            contribution["used"] += part
            parts.append(part_of("included", part, contribution, turn=book.turn))
            included -= part
    if included:
        period["override"] += included
        parts.append(part_of("override", included, turn=book.turn))
    period["consumed"] += quantity
    if overage:
        period["overage"] += overage
        parts.append(part_of("overage", overage, turn=book.turn))
        if period["word"] == "preserve":
            book.owe(overage, period["word"], period["end"], period["owed until"])
            book.consumed += overage
            book.begun += overage  # It was used before this period.
    return parts


def take_back_late(book: Book, period: Plain, part: Plain, quantity: int) -> None:
    """A reversal pays the overage of its period first; the rest is left again of whoever bore it (closed periods, 14)."""
    period["consumed"] -= quantity
    less = min(quantity, period["overage"])
    period["overage"] -= less
    quantity -= less
    if period["word"] == "preserve":
        _owe_less(book, period, less)
    quantity = _less(period, "forgiven", quantity)
    if part["pid"] is None:  # Of nobody in particular: an override burns last.
        quantity = _less(period, "override", quantity)
    for contribution in returning(period["contributions"].values(), part["pid"]):
        rest = give_back(contribution, quantity, is_recent=part["turn"] >= contribution["since"])
        if rest < quantity:
            _carry_more(book, period, contribution)
        quantity = rest
    _less(period, "override", quantity)


def _less(period: Plain, count: str, quantity: int) -> int:
    less = min(quantity, period[count])
    period[count] -= less
    return quantity - less


def _owe_less(book: Book, period: Plain, quantity: int) -> None:
    """Its debt in the present shrinks; where it was paid in the period under way it comes back to who paid."""
    there = quantity
    for debt in [debt for debt in book.debts if debt["end"] == period["end"]]:
        less = min(quantity, debt["quantity"])
        debt["quantity"] -= less
        quantity -= less
    book.debts = [debt for debt in book.debts if debt["quantity"]]
    less = there - book.pay_back(period["end"], quantity)
    book.consumed -= less
    book.begun -= less


def _carry_more(book: Book, period: Plain, contribution: Plain) -> None:
    """With what is left of a period grows what was carried over, while the period that followed directly is under way."""
    pid = contribution["pid"]
    term, present = period["terms"].get(pid), book.heir_of(pid)
    if term is None or present is None or present["state"] == "kept" or present["anew"]:
        return
    if period["number"] + 1 == book.number:
        difference = max(0, carried_out(term, left(contribution)) - period["out"][pid])
        period["out"][pid] += difference
        present["carried"] += difference
