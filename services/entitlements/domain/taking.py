"""How recorded usage, and what corrects it, is counted in the period under way. Corrections: taking_back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from entitlements.domain.aggregate import NEVER_MS
from entitlements.domain.rolling import schedule_roll
from entitlements.domain.values import RecordedLine, Share, UsagePart, UsageTotal, part_of

if TYPE_CHECKING:
    from entitlements.domain.buckets import Bucket, ClosedPeriod
    from entitlements.domain.entitlement import Entitlement
    from entitlements.domain.pools import ResourcePool


def enter_period_of(entitlement: Entitlement, total: UsageTotal, turn: int) -> None:
    """Move to the period that an event speaks of; without one to all of time since the last reset by hand."""
    start_ms, end_ms = total["period_start"], total["period_end"]
    if start_ms is None or end_ms is None:
        entitlement.enter(entitlement.closed_until_ms, NEVER_MS, turn)
    else:
        entitlement.enter(start_ms, end_ms, turn)


def take_line(pool: ResourcePool, line: RecordedLine) -> None:
    """Take a recorded line into the state. The period it counts in has been entered before."""
    details, quantity = line["details"], line["quantity"]
    entitlement = pool.entitlements[line["resource_key"]]
    counted_in = 0
    if line["late"]:
        counted_in = details["counted_in"] if details is not None and details["counted_in"] else -1
        if counted_in >= 0:
            _take_late(pool, entitlement, entitlement.closed[counted_in], line)
            pool.due_ms = min(pool.due_ms, pool.due_of(entitlement))
    else:
        _count(pool, entitlement, line)
        if entitlement.is_narrowed:
            subject_id = details["subject_id"] if details is not None else ""
            draw_on_caps(pool, entitlement, line["workspace_id"], subject_id, quantity, line["recorded_at"])
        if entitlement.is_recurring:
            schedule_recurrences(entitlement, line["recorded_at"])
        entitlement.refresh()
        pool.due_ms = min(pool.due_ms, pool.due_of(entitlement))
    if line["usage_id"]:
        pool.remember_usage(line, counted_in)


def is_usual(entitlement: Entitlement, quantity: int) -> bool:
    """Whether usage that the contribution which burns bears whole changes nothing but two counts: then `count_usual` does what
    `take_line` would.
    """
    return 0 < entitlement.consumed < entitlement.consumed + quantity <= entitlement.usual_until


def count_usual(entitlement: Entitlement, quantity: int) -> str:
    """Count usage that is_usual; the provision that bears it."""
    burning = entitlement.burning
    assert burning is not None, "with no contribution nothing is usual"
    burning.consumed += quantity
    entitlement.consumed += quantity
    return burning.provision_id


def _count(pool: ResourcePool, entitlement: Entitlement, line: RecordedLine) -> None:
    details, quantity = line["details"], line["quantity"]
    if entitlement.entitlement_type == "limit":
        entitlement.hold(quantity)
        return
    entitlement.consumed += quantity
    if details is not None and details["parts"]:
        take_parts(pool, entitlement, details["parts"])
    else:
        entitlement.bear(line["provision_id"], quantity - line["overage"])
        if line["overage"]:
            entitlement.incurred += line["overage"]
            entitlement.owe(line["overage"])


def _take_late(pool: ResourcePool, entitlement: Entitlement, closed: ClosedPeriod, line: RecordedLine) -> None:
    details, overage = line["details"], line["overage"]
    closed.consumed += line["quantity"]
    closed.overage += overage
    parts = details["parts"] if details is not None else []
    for part in parts:
        if part["bearer"] == "included":
            closed.bear(part)
    if not parts:
        closed.bear(part_of("included", line["provision_id"], line["quantity"] - overage))
    if overage and closed.preserves:
        entitlement.owe_late(closed, overage)
        entitlement.refresh()
        schedule_roll(pool, entitlement, line["recorded_at"])


def take_parts(pool: ResourcePool, entitlement: Entitlement, parts: list[UsagePart]) -> None:
    """Count who bears what in the period under way, or bears it no more where parts are negative."""
    for part in parts:
        quantity, charge = part["quantity"], part["charge"]
        if part["bearer"] == "included":
            entitlement.bear(part["provision_id"], quantity, admitted=part["admitted"])
            if part["lapsed"]:
                _lapse(entitlement, part["provision_id"], quantity)
        elif part["bearer"] == "overage":
            _take_overage(entitlement, part)
        elif part["bearer"] == "credit":
            draw_credits(pool, part)
            entitlement.elsewhere += quantity
            if not part["repriced"]:
                entitlement.credit_quantity += quantity
                entitlement.credit_units += charge
        elif part["bearer"] == "on_demand":
            on_demand = pool.on_demand[entitlement.resource_key]
            on_demand.spent += charge
            entitlement.elsewhere += quantity
            if not part["repriced"]:
                on_demand.quantity += quantity
                on_demand.charged += charge
            if charge < 0:  # What is not reached any more is told anew.
                on_demand.alerted = on_demand.reached


def _take_overage(entitlement: Entitlement, part: UsagePart) -> None:
    """Overage is owed, or not any more; or (with a provision) it was taken back though a contribution had paid it."""
    entitlement.incurred = max(0, entitlement.incurred + part["quantity"])
    if not part["paid"]:
        entitlement.owe(part["quantity"])
        return
    bucket, quantity = entitlement.bucket_of(part["provision_id"]), -part["quantity"]
    assert bucket is not None, "who does not contribute has paid nothing"
    give_payment_back(entitlement, bucket, part)
    for debt in reversed(entitlement.debts):
        back = min(quantity, debt.paid)
        debt.paid, quantity = debt.paid - back, quantity - back
    entitlement.debts = [debt for debt in entitlement.debts if debt.quantity or debt.paid]


def give_payment_back(entitlement: Entitlement, bucket: Bucket, part: UsagePart, *, is_preserved: bool = False) -> None:
    """A contribution has what it paid again; not what would have lapsed when it came anew."""
    quantity = part["quantity"]
    bucket.consumed += quantity
    if is_preserved and part["lapsed"]:
        bucket.paid_preserved_earlier += quantity
    elif is_preserved:
        bucket.paid_preserved += quantity
    elif part["lapsed"]:
        bucket.paid_earlier += quantity
    else:
        bucket.paid += quantity
    if part["lapsed"]:
        _lapse(entitlement, bucket.provision_id, quantity)


def draw_credits(pool: ResourcePool, part: UsagePart) -> None:
    """Draw on credits, or give them back; those of a period that is over are not given back."""
    if part["lapsed"]:
        return
    credit = pool.entitlements[part["credit_key"]]
    credit.consumed += part["charge"]
    credit.bear(part["provision_id"], part["charge"], admitted=part["admitted"])
    if part["charge"] < 0:
        credit.was_warned = credit.was_warned and credit.consumed >= credit.soft_limit
    credit.refresh()
    pool.due_ms = min(pool.due_ms, pool.due_of(credit))


def _lapse(entitlement: Entitlement, provision_id: str, quantity: int) -> None:
    """What returns to a contribution that has come anew since is not included once more: it would have lapsed then."""
    bucket = entitlement.bucket_of(provision_id)
    if bucket is not None:
        bucket.earlier += quantity
        bucket.carry_more(quantity)


def take_payment(entitlement: Entitlement, shares: Sequence[Share]) -> None:
    """Contributions paid what was owed, the oldest first: it is included from now on."""
    preserved = entitlement.preserved
    for share in shares:
        bucket = entitlement.bucket_of(share.provision_id)
        assert bucket is not None, "who does not contribute pays nothing"
        of_before = min(preserved, share.quantity)
        bucket.pay(share.quantity, of_before)
        preserved -= of_before
    entitlement.settle(sum(share.quantity for share in shares), is_paid=True)
    entitlement.refresh()


def draw_on_caps(
    pool: ResourcePool, entitlement: Entitlement, workspace_id: str, subject_id: str, quantity: int, at_ms: int
) -> None:
    """Count what a member draws, or holds, under its caps; what is given back (negative) is there again."""
    for cap in pool.caps_of(workspace_id, subject_id, entitlement.resource_key):
        if not cap.is_current(entitlement, at_ms):
            cap.period_start_ms, cap.period_end_ms = pool.cap_period(cap, entitlement, at_ms)
            cap.consumed, cap.since = 0, pool.turn
        cap.consumed = max(0, cap.consumed + quantity)


def schedule_recurrences(entitlement: Entitlement, at_ms: int) -> None:
    """What comes anew inside the period does so at the next of its boundaries, if that would change anything: something was
    consumed, or what was carried in lapses.
    """
    for bucket in entitlement.buckets:
        if bucket.recurs and not bucket.is_as_anew and bucket.recurs_at_ms == NEVER_MS:
            due_ms = entitlement.recurrence_at(bucket.recurs, at_ms)[1]
            bucket.recurs_at_ms = due_ms if due_ms < entitlement.period_at(at_ms)[1] else NEVER_MS
