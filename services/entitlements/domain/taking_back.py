"""How what corrects recorded usage is taken into the state: each part returns to, or is borne by, whom it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from entitlements.domain.closed_periods import remembered_closed
from entitlements.domain.pool_parts import RememberedPart, last_first
from entitlements.domain.ranking import heir_of
from entitlements.domain.taking import draw_credits, enter_period_of, give_payment_back, take_parts

if TYPE_CHECKING:
    from entitlements.domain.buckets import ClosedPeriod
    from entitlements.domain.entitlement import Entitlement
    from entitlements.domain.pools import ResourcePool
    from entitlements.domain.usage_events import UsageCorrected


def take_correction(pool: ResourcePool, corrected: UsageCorrected) -> None:
    """Take a correction into the state: each part returns to, or is borne by, whom it names."""
    entitlement = pool.entitlements[corrected.resource_key]
    for total in corrected.others:
        enter_period_of(pool.entitlements[total["resource_key"]], total, pool.turn)
    known = pool.usage_ids.get(corrected.corrects)
    if corrected.counted_in:
        _take_in_closed(pool, entitlement, corrected)
    else:
        enter_period_of(entitlement, corrected.total, pool.turn)
        entitlement.consumed += corrected.adjustment
        take_parts(pool, entitlement, corrected.parts)
        entitlement.was_warned = entitlement.was_warned and entitlement.consumed >= entitlement.soft_limit
        entitlement.refresh()
    # A cap may have a longer period than its key; late usage was not counted under it.
    is_drawn = known is not None and known.counted_in == 0
    for cap in pool.caps_of(corrected.workspace_id, corrected.subject_id, corrected.resource_key) if is_drawn else ():
        if known is not None and known.turn >= cap.since and known.recorded_at >= cap.period_start_ms:
            cap.consumed = max(0, cap.consumed + corrected.adjustment)
    if known is not None and corrected.adjustment < 0:
        pool.usage_ids.bear_anew(corrected.corrects, _without(known.parts, -corrected.adjustment))


def _take_in_closed(pool: ResourcePool, entitlement: Entitlement, corrected: UsageCorrected) -> None:
    start_ms, end_ms = corrected.total["period_start"], corrected.total["period_end"]
    assert start_ms is not None
    assert end_ms is not None, "a closed period has an end"
    closed = remembered_closed(pool, entitlement, start_ms, end_ms)
    closed.consumed += corrected.adjustment
    for part in corrected.parts:
        if part["bearer"] == "included":
            closed.bear(part)
        elif part["bearer"] == "overage":
            closed.overage += part["quantity"]
            if part["quantity"] > 0 and closed.preserves:
                entitlement.owe_late(closed, part["quantity"])
        else:
            closed.elsewhere += part["quantity"]
        if part["bearer"] == "credit":
            draw_credits(pool, part)
    _come_back(pool, entitlement, closed, corrected)


def _come_back(pool: ResourcePool, entitlement: Entitlement, closed: ClosedPeriod, corrected: UsageCorrected) -> None:
    """What a correction of a closed period changes in the one under way: preserved overage is not owed, or comes back to who
    paid it; and more is carried over.
    """
    for part in corrected.present:
        entitlement.consumed += part["quantity"]
        entitlement.began_with += part["quantity"]
        for debt in [debt for debt in entitlement.debts if debt.until_ms == closed.owed_until_ms]:
            if part["paid"]:
                debt.paid += part["quantity"]
            else:
                debt.quantity += part["quantity"]
        bucket = entitlement.bucket_of(part["provision_id"]) if part["paid"] else None
        if bucket is not None:
            give_payment_back(entitlement, bucket, part, is_preserved=True)
    entitlement.debts = [debt for debt in entitlement.debts if debt.quantity or debt.paid]
    for share in corrected.raised:
        rest, bucket = closed.rest_of(share.provision_id), heir_of(pool, entitlement, closed, share.provision_id)
        if rest is not None:
            rest.carried += share.quantity
        if bucket is not None:
            bucket.carried += share.quantity  # What it adds is stacked anew then.
    entitlement.refresh()


def _without(parts: Sequence[RememberedPart], quantity: int) -> tuple[RememberedPart, ...]:
    """What is left of remembered parts after so much was taken back, the last first."""
    left = [
        part._replace(quantity=part.quantity - taken, charge=part.charge - charge)
        for part, taken, charge in last_first(parts, quantity)
        if taken < part.quantity or charge < part.charge
    ]
    return tuple(reversed(left))
