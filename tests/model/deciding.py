"""The second model's decisions: a step of a history, accepted (None) or refused (the code), line by line for usage; and corrections."""

from __future__ import annotations

from tests.model import closing
from tests.model.bookkeeping import Book, Plain, part_of
from tests.model.holding import HOLDING
from tests.model.office import Office
from tests.model.plans import PLANS
from tests.model.using import REMEMBERED, covered, record_usage, take

#: Refusals that say something about units; whatever else refuses a command is not this model's matter.
CODES = frozenset({
    "quota_exceeded", "period_is_closed", "not_entitled", "provision_suspended", "pool_is_suspended", "member_cap_reached", "more_than_was_used",
    "unknown_usage", "idempotency_key_reused",
})  # fmt: skip


def decide(office: Office, step: Plain) -> list[str | None]:
    """What becomes of a step: of usage per line, of any other command once. The office has advanced to its instant."""
    verdicts = DECISIONS[step["do"]](office, step)
    office.settle()
    office.pay()
    office.order += 1
    return verdicts if isinstance(verdicts, list) else [verdicts]


def reverse_usage(office: Office, step: Plain) -> str | None:
    known = office.lines.get(step["usage"])
    if known is None or not known["parts"] or known["at"] <= office.now - REMEMBERED:
        return "unknown_usage"
    book, there = office.books[known["key"]], sum(part["quantity"] for part in known["parts"])
    quantity = step.get("part") or there
    if quantity > there:
        return "more_than_was_used"
    period = _period_of(office, book, known["counted_in"])
    if period is None and known["counted_in"] != book.number:
        return "period_is_closed"
    counted = book.charged - book.begun
    if period is not None:
        counted = period["consumed"] - period["elsewhere"] - period["begun"]
    if sum(taken for part, taken in _last_first(known["parts"], quantity) if part["charge"] == 0) > counted:
        return "more_than_was_used"
    office.met["a reversal" + ("" if period is None else " in a closed period")] += 1
    for part, taken in _last_first(known["parts"], quantity):
        _take_back(office, book, period, part, taken)
        part["quantity"] -= taken
    known["parts"] = [part for part in known["parts"] if part["quantity"]]
    if known["workspace"] and not known["late"]:
        _draw_back(office, known, quantity)
    return None


def _period_of(office: Office, book: Book, number: int) -> Plain | None:
    return next((p for p in book.closed if p["number"] == number and office.now < p["until"]), None)


def _last_first(parts: list[Plain], quantity: int) -> list[tuple[Plain, int]]:
    found = []
    for part in reversed(parts):
        taken = min(quantity, part["quantity"])
        quantity -= taken
        if taken:
            found.append((part, taken))
    return found


def _take_back(office: Office, book: Book, period: Plain | None, part: Plain, quantity: int) -> None:
    if part["bearer"] in {"credit", "on_demand"}:
        charge = part["charge"] * quantity // part["quantity"]
        part["charge"] -= charge
        if period is None:
            book.consumed -= quantity
            book.elsewhere -= quantity
        else:
            period["consumed"] -= quantity
            period["elsewhere"] -= quantity
        if part["bearer"] == "on_demand":
            office.demand[book.key]["spent"] -= charge if period is None else 0
        elif office.books[part["credit_key"]].number == part["credit_number"]:
            balance = office.books[part["credit_key"]]
            for drawn, units in _last_first(part["drawn"], charge):
                # What a correction of the balance took back already does not come back once more.
                balance.take_back(drawn, min(units, balance.charged - balance.begun))
                drawn["quantity"] -= units
    elif period is None:
        book.take_back(part, quantity)
    else:
        closing.take_back_late(book, period, part, quantity)


def _draw_back(office: Office, known: Plain, quantity: int) -> None:
    for _, cap in office.caps_of(known["workspace"], known["subject"], known["key"]):
        if known["order"] > cap["order"] and known["at"] >= cap["start"]:
            cap["drawn"] = max(0, cap["drawn"] - quantity)


def correct_usage(office: Office, step: Plain) -> str | None:
    """Correct a total: up as reported usage is borne; down overage first, then from whoever burns last."""
    book, adjustment = office.books[step["key"]], step["adjustment"]
    occurred = step.get("occurred_at") or office.now
    period = None
    if occurred < book.start:
        period = closing.closed_at(book, occurred, office.now)
        if period is None:
            return "period_is_closed"
    # What a period began with is no usage of it.
    counted = book.charged - book.begun
    if period is not None:
        counted = period["consumed"] - period["elsewhere"] - period["begun"]
    if -adjustment > counted:
        return "more_than_was_used"
    office.met["a correction" + ("" if period is None else " in a closed period")] += 1
    if adjustment > 0 and period is None:
        take(office, book, covered(office, book, adjustment))
    elif adjustment > 0:
        closing.use_late(book, period, adjustment)
    elif period is None:
        book.correct_down(-adjustment)
    else:
        closing.take_back_late(book, period, part_of("overage", 0, turn=book.turn), -adjustment)
    return None


DECISIONS = (
    PLANS | HOLDING | {"RecordUsage": record_usage, "ReverseUsage": reverse_usage, "CorrectUsage": correct_usage}
)
