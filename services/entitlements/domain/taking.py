"""How recorded usage, and what corrects it, is taken into the state: the one place where consumption moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from entitlements.domain.aggregate import NEVER_MS
from entitlements.domain.periods import Calendar, period_bounds
from entitlements.domain.pool_parts import RememberedPart
from entitlements.domain.values import RecordedLine, UsagePart

if TYPE_CHECKING:
    from entitlements.domain.entitlement import Entitlement
    from entitlements.domain.pools import ResourcePool
    from entitlements.domain.usage_events import UsageCorrected


def take_line(pool: ResourcePool, line: RecordedLine) -> None:
    """Take a recorded line into the state. The period it counts in has been entered before."""
    details, quantity = line["details"], line["quantity"]
    entitlement = pool.entitlements[line["resource_key"]]
    counted_in = entitlement.period_start_ms
    if line["late"]:
        counted_in = details["counted_in"] if details is not None and details["counted_in"] else -1
        if counted_in >= 0:
            assert entitlement.closed is not None, "it counts in a period that nobody remembers"
            entitlement.closed.consumed += quantity
    else:
        _count(pool, entitlement, line)
        if entitlement.is_narrowed:
            _draw(pool, entitlement, line)
        if entitlement.is_recurring:
            _schedule_recurrences(entitlement, line["recorded_at"])
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
    """Count who bears what, or bears it no more where parts are negative."""
    for part in parts:
        quantity, charge = part["quantity"], part["charge"]
        if part["bearer"] == "included":
            entitlement.bear(part["provision_id"], quantity)
        elif part["bearer"] == "credit":
            assert entitlement.value is not None
            assert entitlement.value.credit_key is not None
            credit = pool.entitlements[entitlement.value.credit_key]
            credit.consumed += charge
            credit.bear(part["provision_id"], charge)
            credit.refresh()
            entitlement.elsewhere += quantity
            entitlement.credit_quantity += quantity
            entitlement.credit_units += charge
            pool.due_ms = min(pool.due_ms, pool.due_of(credit))
        elif part["bearer"] == "on_demand":
            on_demand = pool.on_demand[entitlement.resource_key]
            on_demand.spent += charge
            on_demand.quantity += quantity
            on_demand.charged += charge
            entitlement.elsewhere += quantity


def take_correction(pool: ResourcePool, corrected: UsageCorrected) -> None:
    """Take a correction into the state: each part returns to, or is borne by, whom it names."""
    entitlement = pool.entitlements[corrected.resource_key]
    if corrected.counted_in:
        closed = entitlement.closed
        assert closed is not None, "it corrects a period that nobody remembers"
        closed.consumed += corrected.adjustment
        closed.elsewhere += sum(p["quantity"] for p in corrected.parts if p["bearer"] in ("credit", "on_demand"))
    else:
        start_ms, end_ms = corrected.total["period_start"], corrected.total["period_end"]
        entitlement.enter(start_ms or 0, NEVER_MS if end_ms is None else end_ms)
        entitlement.consumed += corrected.adjustment
        take_parts(pool, entitlement, corrected.parts)
        entitlement.was_warned = entitlement.was_warned and entitlement.consumed >= entitlement.soft_limit
        for cap in pool.caps_of(corrected.workspace_id, corrected.subject_id, corrected.resource_key):
            cap.consumed = max(0, cap.consumed + corrected.adjustment)
        entitlement.refresh()
    if corrected.corrects in pool.usage_ids and corrected.adjustment < 0:
        known = pool.usage_ids[corrected.corrects]
        pool.usage_ids[corrected.corrects] = known._replace(parts=_without(known.parts, -corrected.adjustment))


def _without(parts: Sequence[RememberedPart], quantity: int) -> tuple[RememberedPart, ...]:
    """What is left of remembered parts after so much was taken back, the last first."""
    left: list[RememberedPart] = []
    if quantity == sum(part[3] for part in parts):
        return ()
    for bearer, provision_id, payer, held, charge in reversed(parts):
        taken = min(quantity, held)
        quantity -= taken
        if taken < held or held == 0:
            left.append((bearer, provision_id, payer, held - taken, charge - (charge * taken // held if held else 0)))
    return tuple(reversed(left))


def _draw(pool: ResourcePool, entitlement: Entitlement, line: RecordedLine) -> None:
    details = line["details"]
    for cap in pool.caps_of(line["workspace_id"], details["subject_id"] if details else "", line["resource_key"]):
        start_ms, end_ms = pool.cap_period(cap, entitlement, line["recorded_at"])
        if (start_ms, end_ms) != (cap.period_start_ms, cap.period_end_ms):
            cap.period_start_ms, cap.period_end_ms, cap.consumed = start_ms, end_ms, 0
        cap.consumed += line["quantity"]


def _schedule_recurrences(entitlement: Entitlement, at_ms: int) -> None:
    """Something was consumed: what comes anew inside the period does so at the next of its boundaries."""
    for bucket in entitlement.buckets:
        if bucket.recurs is not None and not bucket.kept and bucket.recurs_at_ms == NEVER_MS and bucket.consumed:
            calendar = Calendar(entitlement.calendar.time_zone, entitlement.period_start_ms)
            due_ms = period_bounds(bucket.recurs, at_ms, calendar)[1]
            bucket.recurs_at_ms = due_ms if due_ms < entitlement.period_end_ms else NEVER_MS
