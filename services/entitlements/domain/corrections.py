"""Decisions about corrections: take recorded usage back, exactly, or correct a total. Compensating events, never edits.

What is taken back returns to whoever bore it. Within the grace of a closed period it changes that period; usage of a period that is
closed for good is not corrected: its total stands, as late usage changes it no more either.
"""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import from_ms, to_ms
from entitlements.domain.cover import cover
from entitlements.domain.entitlement import ClosedPeriod, Entitlement
from entitlements.domain.errors import (
    InvalidCommand,
    InvalidInstant,
    InvalidQuantity,
    KeyIsNotHeld,
    KeyIsNotMetered,
    MoreThanWasUsed,
    PeriodIsClosed,
    PoolIsClosed,
    UnknownKey,
    UnknownUsage,
)
from entitlements.domain.pools import IDEMPOTENCY_WINDOW_MS, RememberedLine, ResourcePool
from entitlements.domain.usage import CLOCK_SKEW_MS_MAX, exceed
from entitlements.domain.usage_commands import CorrectUsage, ReverseUsage
from entitlements.domain.usage_events import ExceededWithdrawn, UsageCorrected
from entitlements.domain.values import QUANTITY_MAX, UsagePart, UsageTotal


def reverse_usage(pool: ResourcePool, command: ReverseUsage, now: datetime) -> None:
    """Take recorded usage back to the contributions, credits and payers it came from; the last that was drawn returns first."""
    if pool.is_closed:
        raise PoolIsClosed
    if not command.reason.strip():
        raise InvalidCommand("a correction names its reason")
    known = pool.usage_ids.get(command.usage_id)
    if known is None or not known.parts or known.recorded_at <= to_ms(now) - IDEMPOTENCY_WINDOW_MS:
        raise UnknownUsage(command.usage_id)
    left = sum(part[3] for part in known.parts)
    quantity = command.part or left
    if not 0 < quantity <= left:
        raise MoreThanWasUsed(f"{left} are left of {command.usage_id}")
    resource_key, workspace_id = known.body[0], known.body[3]
    entitlement = pool.entitlements[resource_key]
    if entitlement.entitlement_type == "limit":
        raise KeyIsNotHeld(f"{resource_key} is held: give it back by ReleaseUsage")
    closed = _period_of(entitlement, known, now)
    _happen(
        pool,
        entitlement,
        now,
        closed,
        adjustment=-quantity,
        parts=_taken_back(known, quantity),
        corrects=command.usage_id,
        occurred_at=from_ms(known.body[4]),
        workspace_id=workspace_id,
        subject_id=known.subject_id,
        reason=command.reason,
        actor=command.actor,
    )


def _period_of(entitlement: Entitlement, known: RememberedLine, now: datetime) -> ClosedPeriod | None:
    """The closed period that a line counted in; None: the one under way."""
    if known.counted_in >= 0 and known.counted_in == entitlement.period_start_ms and entitlement.period_end_ms:
        return None
    closed, now_ms = entitlement.closed, to_ms(now)
    if closed is not None and known.counted_in == closed.start_ms and now_ms < closed.until_ms:
        return closed
    raise PeriodIsClosed("its total stands")


def _taken_back(known: RememberedLine, quantity: int) -> list[UsagePart]:
    """The parts that return: negative, the last that was drawn first; of a charge its share, all of it with the last unit."""
    parts: list[UsagePart] = []
    is_all = quantity == sum(part[3] for part in known.parts)
    for bearer, provision_id, payer, held, charge in reversed(known.parts):
        taken = min(quantity, held)
        if taken or is_all:
            returned = charge if taken == held else charge * taken // held
            parts.append(
                {
                    "bearer": bearer,
                    "provision_id": provision_id,
                    "payer": payer,
                    "quantity": -taken,
                    "charge": -returned,
                }
            )
            quantity -= taken
    return parts


def correct_usage(pool: ResourcePool, command: CorrectUsage, now: datetime) -> None:
    """Correct the total of a period up or down. Up it is borne as reported usage is; down the last contributions get it back."""
    if pool.is_closed:
        raise PoolIsClosed
    entitlement = pool.entitlements.get(command.resource_key)
    if entitlement is None:
        raise UnknownKey(command.resource_key)
    if entitlement.entitlement_type not in ("quota", "credit"):
        raise KeyIsNotMetered(command.resource_key)
    if not command.reason.strip():
        raise InvalidCommand("a correction names its reason")
    if command.adjustment == 0 or abs(command.adjustment) > QUANTITY_MAX:
        raise InvalidQuantity(str(command.adjustment))
    occurred_at = command.occurred_at or now
    if to_ms(occurred_at) > to_ms(now) + CLOCK_SKEW_MS_MAX:
        raise InvalidInstant(f"it would occur at {occurred_at.isoformat()}")
    closed = _period_at(entitlement, occurred_at, now)
    consumed = entitlement.charged if closed is None else closed.consumed - closed.elsewhere
    if command.adjustment < 0 and -command.adjustment > consumed:
        raise MoreThanWasUsed(f"{consumed} were counted")
    parts: list[UsagePart] = []
    if closed is None:
        entitlement.enter(*entitlement.period_at(to_ms(now)))
        parts = _parts(pool, entitlement, command.adjustment)
    _happen(
        pool,
        entitlement,
        now,
        closed,
        adjustment=command.adjustment,
        parts=parts,
        corrects=command.corrects,
        occurred_at=occurred_at,
        workspace_id="",
        subject_id="",
        reason=command.reason,
        actor=command.actor,
    )


def _period_at(entitlement: Entitlement, occurred_at: datetime, now: datetime) -> ClosedPeriod | None:
    at_ms, now_ms = to_ms(occurred_at), to_ms(now)
    if at_ms >= entitlement.period_at(now_ms)[0]:
        return None
    closed = entitlement.closed
    if closed is not None and closed.start_ms <= at_ms < closed.end_ms and now_ms < closed.until_ms:
        return closed
    raise PeriodIsClosed("its total stands")


def _parts(pool: ResourcePool, entitlement: Entitlement, adjustment: int) -> list[UsagePart]:
    if adjustment > 0:
        found = cover(pool, entitlement, adjustment)
        if found.overage and not found.parts:
            return [_part("overage", "", found.overage)]
        return found.parts
    left, parts = -adjustment, []
    over = max(0, entitlement.charged - sum(bucket.consumed for bucket in entitlement.buckets))
    if over:
        parts.append(_part("overage", "", -min(left, over)))
        left -= min(left, over)
    for bucket in reversed(entitlement.burn_order()):
        taken = min(left, bucket.consumed)
        if taken:
            parts.append(_part("included", bucket.provision_id, -taken))
            left -= taken
    if left:
        parts.append(_part("included", "", -left))
    return parts


def _part(bearer: str, provision_id: str, quantity: int) -> UsagePart:
    return {
        "bearer": bearer,  # type: ignore[typeddict-item]
        "provision_id": provision_id,
        "payer": "",
        "quantity": quantity,
        "charge": 0,
    }


def _happen(
    pool: ResourcePool,
    entitlement: Entitlement,
    now: datetime,
    closed: ClosedPeriod | None,
    *,
    adjustment: int,
    parts: list[UsagePart],
    **facts: object,
) -> None:
    total = entitlement.total if closed is None else entitlement.closed_total
    after = UsageTotal(
        resource_key=total["resource_key"],
        period_start=total["period_start"],
        period_end=total["period_end"],
        consumed=total["consumed"] + adjustment,
        elsewhere=total["elsewhere"] + sum(p["quantity"] for p in parts if p["bearer"] in ("credit", "on_demand")),
    )
    pool.happen(
        UsageCorrected,
        now,
        resource_key=entitlement.resource_key,
        adjustment=adjustment,
        counted_in=0 if closed is None else closed.start_ms,
        parts=parts,
        total=after,
        **facts,
    )
    _tell_thresholds(pool, entitlement, closed, now, adjustment)


def _tell_thresholds(
    pool: ResourcePool, entitlement: Entitlement, closed: ClosedPeriod | None, now: datetime, adjustment: int
) -> None:
    """Who is below the limit again was not exceeded; who is above it by a correction is told like anybody."""
    if closed is None:
        charged, limit, was_exceeded = entitlement.charged, entitlement.limit, entitlement.was_exceeded
        total = entitlement.total
    else:
        charged, limit, was_exceeded = closed.consumed - closed.elsewhere, closed.limit, closed.was_exceeded
        total = entitlement.closed_total
    if was_exceeded and adjustment < 0 and charged < limit:
        start_ms, end_ms = total["period_start"], total["period_end"]
        pool.happen(
            ExceededWithdrawn,
            now,
            resource_key=entitlement.resource_key,
            period_start=None if start_ms is None else from_ms(start_ms),
            period_end=None if end_ms is None else from_ms(end_ms),
            limit=limit,
            consumed=total["consumed"],
        )
    elif closed is None and not was_exceeded and adjustment > 0 and charged > limit:
        exceed(pool, entitlement, to_ms(now), adjustment, "")
