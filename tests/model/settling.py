"""Who contributes to a key, and what is in force of it: settled anew after whatever changes provisions, defaults or overrides."""

from __future__ import annotations

from math import inf
from typing import Any

from tests.model.bookkeeping import Book, Plain, left
from tests.model.times import NEVER

#: The one contribution of a key that does not add up: whoever makes the value bears everything.
POT = "the value"


def settle(book: Book, terms: list[Plain], provisions: dict[str, Plain], override: Plain | None, status: str) -> None:
    """`terms`: what provisions and the default say of the key, in force or paused; `override`: the newest of the whole pool."""
    if book.stacking == "sum":
        _join_and_leave(book, terms, provisions)
    else:
        _make_the_value(book, terms)
    book.value = _value(book, [t for t in terms if t["state"] == "in force"], override, status)
    ruling = ranks_first(terms)
    if ruling is not None:
        book.word = ruling["rule"].get("overage_at_reset", "forgive")
        book.grace = ruling["rule"].get("grace_for", 0)


def ranks_first(terms: list[Plain]) -> Plain | None:
    """The highest rung, then the newest; a default is below every provision."""
    return max(terms, key=lambda t: t["ranks"], default=None)


def _join_and_leave(book: Book, terms: list[Plain], provisions: dict[str, Plain]) -> None:
    present = {t["pid"]: t for t in terms}
    newcomers = [
        t for t in sorted(terms, key=lambda t: t["burns"])
        if t["pid"] and (t["pid"] not in book.contributions or book.contributions[t["pid"]]["state"] == "kept")
    ]  # fmt: skip
    for pid in list(book.contributions):
        gone = provisions.get(pid)
        if pid in present or gone is None or gone["status"] != "ended":
            continue
        taker = next((t for t in newcomers if succeeds(provisions[t["pid"]], gone, book)), None)
        if taker is not None:
            _take_over(book, taker, book.contributions.pop(pid))
    for pid, contribution in book.contributions.items():
        if pid not in present and contribution["state"] != "kept":
            _leave(contribution)
    for term in terms:
        _state(book.contributions.setdefault(term["pid"], _new(term["pid"])), term)


def succeeds(newcomer: Plain, gone: Plain, book: Book) -> bool:
    """The next on the same ladder, or a subscription of the same set; of credits that never reset a renewal brings new ones.

    Who was there beside the one that ended is no successor, also where it confers the key only since.
    """
    if newcomer["started"] < gone["ended"]:
        return False
    is_bought_anew = book.kind == "credit" and book.period is None and gone["ends_at"] is not None
    if is_bought_anew and newcomer["starts_at"] >= gone["ends_at"]:
        return False
    if gone["ladder"] is not None or newcomer["ladder"] is not None:
        return gone["ladder"] == newcomer["ladder"]
    return gone["source"] == newcomer["source"] == "subscription" and gone["set"] == newcomer["set"]


def _new(pid: str) -> Plain:
    return {
        "pid": pid,
        "carried": 0,
        "used": 0,
        "earlier": 0,
        "anew": 0,
        "since": 0,
        "after": [],
        "state": "in force",
        "amount": 0,
    }


def _state(contribution: Plain, term: Plain) -> None:
    """Say anew what a contribution adds; what it bears it keeps (sums, 3)."""
    if contribution.get("recurs") and not term["rule"].get("recurs"):
        _recurs_no_more(contribution)
    contribution |= {
        "state": term["state"], "burns": term["burns"], "recurs": term["rule"].get("recurs"),
        "amount": times(term, "amount"), "hard": times(term, "hard_limit"),
    }  # fmt: skip


def _recurs_no_more(contribution: Plain) -> None:
    """Without a recurrence the amount is for the whole period: all that was consumed in it counts against that."""
    contribution["used"] += contribution["earlier"]
    contribution["earlier"] = contribution["since"] = 0


def _leave(contribution: Plain) -> None:
    """What is left goes, and what of carried is unconsumed; what it bore stays (sums, 5)."""
    contribution["carried"] = min(contribution["carried"], contribution["used"])
    contribution["state"] = "kept"


def _take_over(book: Book, taker: Plain, gone: Plain) -> None:
    """A successor takes over what was consumed and what was carried in (sums, 5)."""
    contribution = book.contributions.setdefault(taker["pid"], _new(taker["pid"]))
    if not taker["rule"].get("recurs"):
        _recurs_no_more(gone)
    for count in ("used", "earlier", "carried"):
        contribution[count] += gone[count]
    contribution["anew"], contribution["since"] = (max(contribution[n], gone[n]) for n in ("anew", "since"))
    contribution["after"] += [gone["pid"], *gone["after"]]


def times(term: Plain, amount: str) -> Any:
    """An amount of a rule, times the quantity where it is per unit."""
    number = term["rule"].get(amount)
    return None if number is None else number * term["times"]


def _make_the_value(book: Book, terms: list[Plain]) -> None:
    """By max, min and override one contribution makes the value and bears what its predecessor bore."""
    pot = book.contributions.setdefault(POT, _new(POT) | {"recurs": None, "burns": (0,), "hard": None, "state": "kept"})
    in_force = sorted((t for t in terms if t["state"] == "in force"), key=lambda t: t["burns"])
    if not in_force:
        pot["state"] = "kept"
        return

    def size(term: Plain) -> Any:
        return inf if times(term, "amount") is None else times(term, "amount")

    if book.stacking == "override":
        winner = ranks_first(in_force)
    else:
        winner = max(in_force, key=size) if book.stacking == "max" else min(in_force, key=size)
    assert winner is not None
    pot |= {"state": "in force", "amount": times(winner, "amount"), "who": winner["pid"]}


def _value(book: Book, terms: list[Plain], override: Plain | None, status: str) -> Plain | None:
    """What is in force: none where nobody confers, or an override denies."""
    ruling = ranks_first(terms)
    if status != "open" or (override is not None and not override["allowed"]) or (override is None and ruling is None):
        return None
    rule = {} if ruling is None else ruling["rule"]
    value = {
        "override": False,
        "amount": None,
        "credit_key": rule.get("credit_key"),
        "rate": rule.get("credit_rate", 0),
    }
    if override is not None:
        amount, hard = override["amount"], override["hard_limit"]
        return value | {
            "override": True,
            "amount": amount,
            "bound": 0 if hard is None or amount is None else hard - amount,
        }
    return value | {"bound": _bound(book, terms, ruling)}


def _bound(book: Book, terms: list[Plain], ruling: Plain | None) -> Any:
    """How much may be owed: of the stated hard limits what is above the amounts of those that state one (sums, 10)."""
    stating = [t for t in terms if times(t, "hard_limit") is not None]
    if book.stacking == "sum":
        return sum(times(t, "hard_limit") - times(t, "amount") for t in stating)
    counting = [ruling] if book.stacking == "override" else terms
    numbers = [t for t in counting if t is not None and times(t, "amount") is not None]
    if not numbers or (len(numbers) < len(counting) and book.stacking != "min"):
        return 0  # Unlimited: there is no overage.
    chosen = min if book.stacking == "min" else max
    hards = [times(t, "hard_limit") if t in stating else times(t, "amount") for t in numbers]
    return max(0, chosen(hards) - chosen(times(t, "amount") for t in numbers))


def burns_at(provision: Plain | None, number: int) -> tuple[Any, ...]:
    """Burn order: priority, then the earliest to end, then the oldest."""
    if provision is None:
        return 0, NEVER, number
    return provision["priority"], provision["ends_at"] or NEVER, number


def all_left(book: Book) -> dict[str, Any]:
    """What each contribution has left, in force or not."""
    return {c["pid"]: left(c) for c in book.contributions.values()}
