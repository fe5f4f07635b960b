"""How recorded usage, and what corrects it, is taken into the state: the one place where consumption moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from entitlements.domain.aggregate import NEVER_MS
from entitlements.domain.periods import Calendar, period_bounds
from entitlements.domain.pool_parts import RememberedPart
from entitlements.domain.values import RecordedLine, UsagePart, UsageTotal

if TYPE_CHECKING:
    from entitlements.domain.entitlement import Entitlement
    from entitlements.domain.pools import ResourcePool
    from entitlements.domain.usage_events import UsageCorrected


def enter_period_of(entitlement: Entitlement, total: UsageTotal, turn: int) -> None:
    """Move to the period that an event speaks of; without one to all of time."""
    start_ms, end_ms = total["period_start"], total["period_end"]
    if start_ms is None or end_ms is None:
        entitlement.enter(0, NEVER_MS, turn)
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
            entitlement.closed[counted_in].consumed += quantity
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


def take_parts(pool: ResourcePool, entitlement: Entitlement, parts: list[UsagePart]) -> None:
    """Count who bears what in the period under way, or bears it no more where parts are negative."""
    for part in parts:
        quantity, charge = part["quantity"], part["charge"]
        if part["bearer"] == "included":
            entitlement.bear(part["provision_id"], quantity)
            if part["lapsed"]:
                _lapse(entitlement, part["provision_id"], quantity)
        elif part["bearer"] == "credit":
            _draw_credits(pool, part)
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


def _draw_credits(pool: ResourcePool, part: UsagePart) -> None:
    """Draw on credits, or give them back; those of a period that is over are not given back."""
    if part["lapsed"]:
        return
    credit = pool.entitlements[part["credit_key"]]
    credit.consumed += part["charge"]
    credit.bear(part["provision_id"], part["charge"])
    if part["charge"] < 0:
        credit.was_warned = credit.was_warned and credit.consumed >= credit.soft_limit
    credit.refresh()
    pool.due_ms = min(pool.due_ms, pool.due_of(credit))


def _lapse(entitlement: Entitlement, provision_id: str, quantity: int) -> None:
    """What returns to a contribution that has come anew since is not included once more: it would have lapsed then."""
    bucket = entitlement.bucket_of(provision_id)
    if bucket is not None:
        bucket.carried += quantity
        bucket.earlier += quantity
        if bucket.kept:
            return  # It adds what is consumed of it, and no more than it had; it came anew without having more.
        bucket.limit = None if bucket.limit is None else bucket.limit + quantity
        bucket.soft_limit = None if bucket.soft_limit is None else bucket.soft_limit + quantity
        bucket.hard_limit = None if bucket.hard_limit is None else bucket.hard_limit + quantity


def take_correction(pool: ResourcePool, corrected: UsageCorrected) -> None:
    """Take a correction into the state: each part returns to, or is borne by, whom it names."""
    entitlement = pool.entitlements[corrected.resource_key]
    for total in corrected.credits:
        enter_period_of(pool.entitlements[total["resource_key"]], total, pool.turn)
    known = pool.usage_ids.get(corrected.corrects)
    if corrected.counted_in:
        closed = entitlement.closed[corrected.counted_in]
        closed.consumed += corrected.adjustment
        for part in corrected.parts:
            if part["bearer"] in ("credit", "on_demand"):
                closed.elsewhere += part["quantity"]
            if part["bearer"] == "credit":
                _draw_credits(pool, part)
    else:
        enter_period_of(entitlement, corrected.total, pool.turn)
        entitlement.consumed += corrected.adjustment
        take_parts(pool, entitlement, corrected.parts)
        entitlement.was_warned = entitlement.was_warned and entitlement.consumed >= entitlement.soft_limit
        for cap in pool.caps_of(corrected.workspace_id, corrected.subject_id, corrected.resource_key):
            if known is not None and known.turn >= cap.since and known.recorded_at >= cap.period_start_ms:
                cap.consumed = max(0, cap.consumed + corrected.adjustment)
        entitlement.refresh()
    if known is not None and corrected.adjustment < 0:
        pool.usage_ids[corrected.corrects] = known._replace(parts=_without(known.parts, -corrected.adjustment))


def _without(parts: Sequence[RememberedPart], quantity: int) -> tuple[RememberedPart, ...]:
    """What is left of remembered parts after so much was taken back, the last first."""
    left: list[RememberedPart] = []
    if quantity == sum(part.quantity for part in parts):
        return ()
    for part in reversed(parts):
        taken = min(quantity, part.quantity)
        quantity -= taken
        if taken < part.quantity or part.quantity == 0:
            rest = part.charge - (part.charge * taken // part.quantity if part.quantity else 0)
            left.append(part._replace(quantity=part.quantity - taken, charge=rest))
    return tuple(reversed(left))


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
    """Something was consumed: what comes anew inside the period does so at the next of its boundaries."""
    for bucket in entitlement.buckets:
        if bucket.recurs and not bucket.kept and bucket.recurs_at_ms == NEVER_MS and bucket.consumed > bucket.earlier:
            calendar = Calendar(entitlement.calendar.time_zone, entitlement.period_start_ms)
            due_ms = period_bounds(bucket.recurs, at_ms, calendar)[1]
            bucket.recurs_at_ms = due_ms if due_ms < entitlement.period_end_ms else NEVER_MS
