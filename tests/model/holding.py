"""Reservations of the second model: held, committed, extended, given back."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tests.model.bookkeeping import Book, Plain, left
from tests.model.office import Office
from tests.model.using import REMEMBERED, affordable, covered, refused, remember, take


def reserve_usage(office: Office, step: Plain) -> str | None:
    """Hold a quantity as strict usage would have it: included first, then credits, then spending."""
    if step["reservation"] in office.reservations:
        return None
    book, quantity = office.books[step["key"]], step["quantity"]
    cover = covered(office, book, quantity)
    refusal = refused(office, book, step.get("workspace", ""), step.get("subject", ""), quantity, cover["overage"])
    if refusal is not None:
        return refusal
    price = office.demand[book.key]["price"] if cover["demand"] else 0
    office.met["a reservation"] += 1
    office.reservations[step["reservation"]] = {
        **cover, "key": book.key, "units": cover["credits"] * cover["rate"], "spending": cover["demand"] * price, "price": price,
        "workspace": step.get("workspace", ""), "subject": step.get("subject", ""), "expires_at": step["expires_at"],
    }  # fmt: skip
    return None


def extend_reservation(office: Office, step: Plain) -> None:
    office.reservations[step["reservation"]]["expires_at"] = step["expires_at"]


def release_reservation(office: Office, step: Plain) -> None:
    del office.reservations[step["reservation"]]


def commit_reservation(office: Office, step: Plain) -> str | None:
    """Use what was held. So much as is held is always taken; what is above it must fit, or is reported."""
    known = office.lines.get(step.get("usage") or None)
    if known is not None and known["at"] > office.now - REMEMBERED:
        asked = (step["reservation"], step["quantity"], step["mode"])
        return None if known.get("commit") == asked else "idempotency_key_reused"
    held = office.reservations[step["reservation"]]
    book, excess = office.books[held["key"]], step["quantity"] - held["quantity"]
    who = held["workspace"], held["subject"]
    if excess > 0 and step["mode"] == "strict":
        more = _overage_of(office, step, step["quantity"]) - _overage_of(office, step, held["quantity"])
        refusal = refused(office, book, *who, excess, more)
        if refusal is not None:
            return refusal
    del office.reservations[step["reservation"]]
    office.count_held()
    cover = _covered_of_held(office, book, held, step["quantity"])
    excess = min(excess, step["quantity"] - cover["quantity"]) if excess > 0 else excess
    if any(cover[bearer] < min(held[bearer], step["quantity"]) for bearer in ("included", "credits")):
        office.met["a commit of what is not there any more"] += 1
    parts = take(office, book, cover)
    if excess > 0:
        # As one line they are drawn: included, credits, spending; then what nobody bears.
        drawn = parts + take(office, book, covered(office, book, excess))
        parts = sorted(
            drawn, key=lambda part: ("included", "override", "credit", "on_demand", "overage").index(part["bearer"])
        )
    elif excess < 0 and step.get("keep_rest"):
        office.reservations[step["reservation"]] = _rest(office, held, cover, -excess)
    office.met["a commit"] += 1
    office.draw(*who, book.key, step["quantity"])
    body = [book.key, step["quantity"], step["mode"], *who, office.now]
    commit = (step["reservation"], step["quantity"], step["mode"])
    remember(office, step.get("usage") or None, body, parts, book.number, commit=commit)
    return None


def _overage_of(office: Office, step: Plain, quantity: int) -> Any:
    """What would be overage of such a commit, were it reported: tried on a copy."""
    tried = deepcopy(office)
    book = tried.books[tried.reservations[step["reservation"]]["key"]]
    before = book.owed
    commit_reservation(tried, step | {"quantity": quantity, "mode": "report", "usage": None})
    return book.owed - before


def _covered_of_held(office: Office, book: Book, held: Plain, quantity: int) -> Plain:
    """Included as far as it was when it was reserved and is still there, then credits of the key on which it was
    reserved, as far as others do not hold them, then the spending that it holds (16).

    What is above what is held has these credits too while the key still draws on them; the rest of it is covered as it is now.
    """
    value = book.value or {"credit_key": None, "rate": 0}
    held_part, included = min(quantity, held["quantity"]), min(quantity, included_of_a_commit(book, held))
    goes_on = (value["credit_key"] or "", value["rate"]) == (held["credit_key"], held["rate"])
    rest = max(0, (quantity if goes_on else held_part) - included)
    by_credits = min(rest, credits_of_a_commit(office.books.get(held["credit_key"]), held))
    rest = max(0, held_part - included - by_credits)
    demand = min(rest, held["demand"], spending_of_a_commit(office, book, held))
    # Of what is above, that is left which is neither included nor paid by these credits.
    covered_part = max(held_part, included + by_credits)
    return {
        "quantity": covered_part, "included": included, "credits": by_credits, "credit_key": held["credit_key"],
        "rate": held["rate"], "demand": demand, "overage": rest - demand,
    }  # fmt: skip


def spending_of_a_commit(office: Office, book: Book, held: Plain) -> Any:
    """For how much the spending that it holds is still allowed: not while nobody confers the key, nor above a cap that was lowered since."""
    demand = office.demand.get(book.key)
    if book.value is None or demand is None or not demand["enabled"]:
        return 0
    if demand["cap"] is None:
        return held["demand"]
    others = sum(r["spending"] for r in office.reservations.values() if r["key"] == book.key and r is not held)
    return max(0, demand["cap"] - demand["spent"] - others) // demand["price"]


def credits_of_a_commit(balance: Book | None, held: Plain) -> Any:
    """For how much the balance is enough beside what others hold; of several that hold what has lapsed the first has what is left."""
    if balance is None or not held["rate"]:
        return 0
    there = sum(left(c) for c in balance.in_force)
    return max(affordable(balance, held["rate"]), min(held["units"], there) // held["rate"])


def included_of_a_commit(book: Book, held: Plain) -> Any:
    """What was included when it was reserved, while contributions or an override have it still, whoever else holds it; or what is free now."""
    there = sum(left(c) for c in book.in_force)
    if book.value is not None and book.value["override"]:
        there = max(there, book.room())
    return max(book.remaining(), min(held["included"], there))


def _rest(office: Office, held: Plain, cover: Plain, kept: int) -> Plain:
    """What stays held after a part was committed: of each bearer what it holds still, in the order in which they are drawn."""
    rest, bearers = kept, {}
    for bearer in ("included", "credits", "demand", "overage"):
        bearers[bearer] = min(rest, max(0, held[bearer] - cover[bearer]))
        rest -= bearers[bearer]
    bearers["overage"] += rest
    units, price = bearers["credits"] * held["rate"], office.demand.get(held["key"], {"price": 0})["price"]
    spending = bearers["demand"] * price
    return held | bearers | {"quantity": kept, "units": units, "spending": spending}


HOLDING: dict[str, Any] = {
    "ReserveUsage": reserve_usage, "ExtendReservation": extend_reservation, "ReleaseReservation": release_reservation,
    "CommitReservation": commit_reservation,
}  # fmt: skip
