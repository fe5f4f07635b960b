"""The second model's decisions about usage: who bears a line, whether strict usage fits, what is late."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import inf
from typing import Any

from tests.model import closing
from tests.model.bookkeeping import Book, Plain, part_of
from tests.model.office import Office

#: For so long a usage id is remembered.
REMEMBERED = timedelta(hours=24)


def record_usage(office: Office, step: Plain) -> list[str | None] | str:
    """Each line by itself. Under one key one line more or less, or other ids, are another body, and the whole command is refused.

    One line whose id is the key is remembered as that line alone, and nothing else is ever done under its id.
    """
    key, lines = step.get("idempotency_key"), step["lines"]
    ids = [line.get("usage") for line in lines]
    known = office.keys.get(key)
    if known is not None and known["at"] <= office.now - REMEMBERED:
        known = None
    is_alone = key in office.lines and office.lines[key]["at"] > office.now - REMEMBERED
    names_its_line = ids in ([None], [key])
    if (known is not None and known["ids"] != ids) or (known is None and is_alone and not names_its_line):
        return "idempotency_key_reused"
    verdicts, before = [], len(office.recorded)
    for number, line in enumerate(lines):
        # No caller can write the id of a further line.
        name = line.get("usage") or (None if key is None else key if number == 0 else ("derived", key, number))
        verdicts.append(_record(office, line, name))
        office.pay()
    if key is not None and known is None and not names_its_line and len(office.recorded) > before:
        office.keys[key] = {"ids": ids, "at": office.now}
    return verdicts


def _record(office: Office, line: Plain, name: Any) -> str | None:
    book, now = office.books.get(line["key"]), office.now
    occurred = line.get("occurred_at") or now
    body = [line["key"], line["quantity"], line["mode"], line["workspace"], line["subject"]]
    known = office.lines.get(name)
    if known is not None and known["at"] > now - REMEMBERED:
        said = [*body, line.get("occurred_at") or known["at"]]
        office.met["a line is repeated"] += 1
        return None if said == known["body"] and not known.get("commit") else "idempotency_key_reused"
    if book is None or not book.is_known:
        return "unknown_key"
    if occurred < book.start:
        verdict, counted_in, parts = _use_late(office, book, line, occurred)
    else:
        verdict, counted_in, parts = _use(office, book, line)
    if verdict is None:
        remember(office, name, [*body, occurred], parts, counted_in)
    return verdict


def remember(office: Office, name: Any, body: list[Any], parts: list[Plain], counted_in: int, **more: Any) -> None:
    """Keep a line under its usage id, so that it is counted once and can be taken back."""
    office.order += 1
    office.recorded.append(body)
    if name is not None:
        key, _, _, workspace, subject, _ = body
        is_late = counted_in != office.books[key].number
        of = {"key": key, "workspace": workspace, "subject": subject, "order": office.order, "late": is_late}
        office.lines[name] = {"body": body, "at": office.now, "parts": parts, "counted_in": counted_in, **of, **more}


def _use(office: Office, book: Book, line: Plain) -> tuple[str | None, int, list[Plain]]:
    quantity = line["quantity"]
    cover = covered(office, book, quantity)
    if line["mode"] == "strict":
        refusal = refused(office, book, line["workspace"], line["subject"], quantity, cover["overage"])
        if refusal is not None:
            return refusal, 0, []
    parts = take(office, book, cover)
    office.draw(line["workspace"], line["subject"], book.key, quantity)
    return None, book.number, parts


def refused(office: Office, book: Book, workspace: str, subject: str, quantity: int, overage: int) -> str | None:
    if office.status == "suspended":
        return "pool_is_suspended"
    if book.value is None:
        return why_not_entitled(office, book)
    if not office.may_draw(workspace, subject, book.key, quantity):
        return "member_cap_reached"
    if not book.fits(overage):
        office.met["strict usage is refused"] += 1
        return "quota_exceeded"
    return None


def why_not_entitled(office: Office, book: Book) -> str:
    """Nobody confers the key; a suspended provision would, where no override denies it."""
    denied = any(o["key"] == book.key and not o["allowed"] for o in office.overrides.values())
    suspended = any(t["state"] == "paused" and t["pid"] for t in office.terms(book.key))
    return "provision_suspended" if suspended and not denied else "not_entitled"


def covered(office: Office, book: Book, quantity: int) -> Plain:
    """Who would bear a quantity now: included, then credits, then on-demand, then nobody (sums, 2)."""
    value = book.value or {"credit_key": None, "rate": 0}
    included = min(quantity, book.remaining())
    rest, credit_key = quantity - included, value["credit_key"] or ""
    by_credits = min(rest, affordable(office.books.get(credit_key), value["rate"]))
    demand = min(rest - by_credits, _spendable(office, book.key)) if book.value is not None else 0
    return {
        "quantity": quantity, "included": included, "credits": by_credits, "credit_key": credit_key, "rate": value["rate"],
        "demand": demand, "overage": rest - by_credits - demand,
    }  # fmt: skip


def affordable(credits: Book | None, rate: int) -> Any:
    """The quantity for which a balance is enough."""
    balance = 0 if credits is None else credits.remaining()
    return balance if balance in {0, inf} else balance // rate


def _spendable(office: Office, key: str) -> Any:
    demand = office.demand.get(key)
    if demand is None or not demand["enabled"]:
        return 0
    if demand["cap"] is None:
        return inf
    held = sum(r["spending"] for r in office.reservations.values() if r["key"] == key)
    return max(0, demand["cap"] - demand["spent"] - held) // demand["price"]


def take(office: Office, book: Book, cover: Plain) -> list[Plain]:
    """Count a covered quantity on everybody who bears some of it."""
    parts = book.burn(cover["included"])
    if cover["credits"]:
        balance = office.books[cover["credit_key"]]
        units = cover["credits"] * cover["rate"]
        charged = balance.burn(units)
        balance.consumed += units
        drawn = {"credit_key": balance.key, "credit_number": balance.number, "drawn": charged}
        parts.append(part_of("credit", cover["credits"], charge=units, **drawn))
        office.met["credits are drawn"] += 1
    if cover["demand"]:
        charge = cover["demand"] * office.demand[book.key]["price"]
        office.demand[book.key]["spent"] += charge
        parts.append(part_of("on_demand", cover["demand"], charge=charge))
        office.met["on-demand pays"] += 1
    if cover["overage"]:
        book.owe(cover["overage"], book.word)
        parts.append(part_of("overage", cover["overage"], turn=book.turn))
        office.met["overage"] += 1
    book.consumed += cover["quantity"]
    book.elsewhere += cover["credits"] + cover["demand"]
    return parts


def _use_late(office: Office, book: Book, line: Plain, occurred: datetime) -> tuple[str | None, int, list[Plain]]:
    """Usage of a period that is over counts there while its grace lasts, else it is recorded and changes nothing."""
    period, is_strict = closing.closed_at(book, occurred, office.now), line["mode"] == "strict"
    office.met["late usage" + ("" if period else " out of grace")] += 1
    if is_strict and office.status == "suspended":
        return "pool_is_suspended", 0, []
    if period is None:
        return ("period_is_closed", 0, []) if is_strict else (None, -1, [part_of("nobody", line["quantity"])])
    if is_strict:
        if book.value is None:
            return why_not_entitled(office, book), 0, []
        if office.caps_of(line["workspace"], line["subject"], book.key):
            return "period_is_closed", 0, []
        overage = line["quantity"] - min(line["quantity"], closing.late_room(period))
        if overage and period["overage"] + overage > period["bound"]:
            return "quota_exceeded", 0, []
    return None, period["number"], closing.use_late(book, period, line["quantity"])
