"""The second model's decisions about plans, pauses, overrides, resets, payers and members.

Whatever the domain refuses for another reason than units (an id that is taken, a ladder that is occupied, rules that conflict) does not
come here: the model is asked only what the domain did not refuse so.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.model.bookkeeping import Plain
from tests.model.office import Office
from tests.model.times import EVER, NEVER, bounds


def provision_pool(office: Office, step: Plain) -> None:
    """A provision of a set; it starts at once if its time has come."""
    name = step.get("provision") or step["grant"]
    if name in office.provisions:
        return  # The same again; anything else was refused.
    source = "grant" if step["do"] == "IssueGrant" else step.get("source", "subscription")
    _schedule(office, name, step, step.get("starts_at") or office.now, source)


def _schedule(office: Office, name: str, step: Plain, starts_at: datetime, source: str) -> None:
    of = office.sets[step["set"]]
    ladder, rung = (None, None) if source == "grant" else (of.get("ladder"), of.get("rung"))
    office.provisions[name] = {
        "provision": name, "set": step["set"], "source": source, "rules": of["rules"], "ladder": ladder, "rung": rung,
        "quantity": step.get("quantity", 1), "priority": step.get("priority", 0), "starts_at": starts_at,
        "ends_at": step.get("ends_at"), "planned": step.get("ends_at"), "status": "active" if starts_at <= office.now else "scheduled",
    }  # fmt: skip


def change_plan(office: Office, step: Plain) -> None:
    """The next plan of a ladder, now or when what runs there ends; it takes over what was consumed."""
    if step["provision"] in office.provisions:
        return
    ladder = office.sets[step["set"]]["ladder"]
    of_ladder = [p for p in office.provisions.values() if p["ladder"] == ladder]
    present = next(p for p in of_ladder if p["status"] in {"active", "suspended"})
    starts_at = office.now if step.get("when", "now") == "now" else present["ends_at"]
    for provision in of_ladder:
        if provision["status"] == "scheduled" or (provision is present and starts_at == office.now):
            provision["status"] = "ended"
    office.met["the plan is changed"] += 1
    _schedule(office, step["provision"], step, starts_at, "subscription")


def end_provision(office: Office, step: Plain) -> None:
    provision = office.provisions[step.get("provision") or step["grant"]]
    ends_at = step.get("ends_at")
    if ends_at is not None and ends_at > office.now:
        provision["ends_at"] = ends_at
    else:
        provision["status"] = "ended"


def uncancel_provision(office: Office, step: Plain) -> None:
    """A cancellation is withdrawn: the provision has the end again that it has of its own."""
    provision = office.provisions[step["provision"]]
    ends_at, planned = provision["ends_at"], provision["planned"]
    if ends_at is not None and (planned is None or ends_at < planned):
        provision["ends_at"] = planned


def suspend_provision(office: Office, step: Plain) -> None:
    if office.provisions[step["provision"]]["status"] == "active":
        office.provisions[step["provision"]]["status"] = "suspended"
        office.met["a pause"] += 1


def resume_provision(office: Office, step: Plain) -> None:
    if office.provisions[step["provision"]]["status"] == "suspended":
        office.provisions[step["provision"]]["status"] = "active"


def suspend_pool(office: Office, step: Plain) -> None:
    office.status = "suspended"


def resume_pool(office: Office, step: Plain) -> None:
    office.status = "open"


def change_quantity(office: Office, step: Plain) -> None:
    office.met["the quantity is changed"] += 1
    office.provisions[step["provision"]]["quantity"] = step["quantity"]


def revise_provision(office: Office, step: Plain) -> None:
    office.met["a revision"] += 1
    office.provisions[step["provision"]]["rules"] = office.sets[step["set"]]["rules"]


def change_defaults(office: Office, step: Plain) -> None:
    office.met["another default"] += 1
    office.defaults = {rule["key"]: rule for rule in step["rules"]}


def change_calendar(office: Office, step: Plain) -> None:
    """A period under way keeps its start and ends at the first boundary of the new calendar, of keys and of caps."""
    if (office.zone, office.anchor) == (step["time_zone"], step.get("anchor_at")):
        return
    office.met["another calendar"] += 1
    office.zone, office.anchor = step["time_zone"], step.get("anchor_at")
    for book in office.books.values():
        book.zone, book.anchor = office.zone, office.anchor
        book.end = book.bounds_at(office.now)[1]
    for cap in office.caps.values():
        if cap["period"] is not None and office.now < cap["end"]:
            cap["end"] = bounds(cap["period"], office.now, office.zone, None)[1]


def reset_usage(office: Office, step: Plain) -> None:
    """End the period now; the next ends when this would have, or periods are counted from now on."""
    book, end = office.books[step["key"]], office.books[step["key"]].end
    office.met["a reset by hand"] += 1
    if not step.get("keep_anchor", True):
        book.by_hand = office.now
    office.reset(book, office.now, step.get("overage_at_reset"))
    if step.get("keep_anchor", True):
        book.end = end


def set_override(office: Office, step: Plain) -> None:
    """An administrator's value; the newest of a key holds."""
    if step["override"] in office.overrides:
        return
    amount, hard = step.get("amount"), step.get("hard_limit")
    office.overrides[step["override"]] = {
        "key": step["key"], "allowed": step.get("allowed", True), "amount": amount, "hard_limit": hard,
        "expires_at": step.get("expires_at"),
    }  # fmt: skip
    office.met["an override" if step.get("allowed", True) else "a denying override"] += 1


def clear_override(office: Office, step: Plain) -> None:
    del office.overrides[step["override"]]


def configure_on_demand(office: Office, step: Plain) -> None:
    demand = office.demand.setdefault(step["key"], {"spent": 0})
    demand |= {"enabled": step["enabled"], "price": step["unit_price"], "cap": step.get("spending_cap")}


def assign_workspace(office: Office, step: Plain) -> None:
    office.members.add(step["workspace"])


def cap_member(office: Office, step: Plain) -> None:
    """A cap counts from when it was set; another amount of the same period goes on counting, no amount lifts it."""
    member = (step["workspace"], step.get("subject", ""), step["key"])
    known, period = office.caps.get(member), step.get("period")
    if step.get("amount") is None:
        office.caps.pop(member, None)
    elif known is not None and known["period"] == period:
        known["amount"] = step["amount"]
    else:
        start, end = (EVER, NEVER) if period is None else bounds(period, office.now, office.zone, None)
        office.caps[member] = {
            "amount": step["amount"], "period": period, "drawn": 0, "start": start, "end": end, "order": office.order,
        }  # fmt: skip


def forgive_overage(office: Office, step: Plain) -> None:
    """Forgive what is owed, oldest first: all of it, or an amount."""
    book = office.books[step["key"]]
    quantity = step.get("amount") or book.owed
    for debt in list(book.debts):
        part = min(quantity, debt["quantity"])
        if part:
            book.forgive(debt, part)
            office.met["overage is forgiven by hand"] += 1
        quantity -= part


def advance_clock(office: Office, step: Plain) -> None:
    """Whatever is due has happened when it is reached."""


PLANS: dict[str, Any] = {
    "ProvisionPool": provision_pool, "IssueGrant": provision_pool, "ChangePlan": change_plan,
    "EndProvision": end_provision, "RevokeGrant": end_provision, "SuspendProvision": suspend_provision, "UncancelProvision": uncancel_provision,
    "ResumeProvision": resume_provision, "SuspendPool": suspend_pool, "ResumePool": resume_pool,
    "ChangeQuantity": change_quantity, "ReviseProvision": revise_provision, "ChangeDefaults": change_defaults,
    "ChangeCalendar": change_calendar, "ResetUsage": reset_usage, "SetOverride": set_override,
    "ClearOverride": clear_override, "ConfigureOnDemand": configure_on_demand, "AssignWorkspace": assign_workspace,
    "CapMember": cap_member, "ForgiveOverage": forgive_overage, "AdvanceClock": advance_clock,
}  # fmt: skip
