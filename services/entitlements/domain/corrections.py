"""Decisions about corrections: take recorded usage back, exactly, or correct a total. Compensating events, never edits.

What is taken back returns to whoever bore it. Within the grace of a closed period it changes that period; usage of a period that is
closed for good is not corrected: its total is final, as late usage changes it no more either.
"""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import from_ms, to_ms
from entitlements.domain.buckets import UNLIMITED, ClosedPeriod
from entitlements.domain.closed_periods import closed_within_grace
from entitlements.domain.cover import cover
from entitlements.domain.entitlement import Entitlement, overage_of, paid
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
from entitlements.domain.late_usage import included_late
from entitlements.domain.lines import CLOCK_SKEW_MS_MAX, check_countable
from entitlements.domain.pools import RememberedLine, ResourcePool
from entitlements.domain.restack import restack
from entitlements.domain.returns import closed_parts_back, parts_corrected_down, returned_parts, what_comes_back
from entitlements.domain.thresholds import exceed, tell_payers, warn
from entitlements.domain.usage_commands import CorrectUsage, ReverseUsage
from entitlements.domain.usage_events import ExceededWithdrawn, UsageCorrected
from entitlements.domain.values import QUANTITY_MAX, Share, UsagePart, UsageTotal, part_of


def reverse_usage(pool: ResourcePool, command: ReverseUsage, now: datetime) -> None:
    """Take recorded usage back to the contributions, credits and payers it came from; the last that was drawn returns first."""
    if pool.is_closed:
        raise PoolIsClosed
    _check_reason(command.reason)
    pool.seal()
    known = _find(pool, command.usage_id, now)
    if known is None:
        raise UnknownUsage(command.usage_id)
    _take_back(pool, known, command, command.usage_id, command.part, now)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidCommand("a correction needs a reason")


def _find(pool: ResourcePool, usage_id: str, now: datetime) -> RememberedLine | None:
    known = pool.usage_ids.get(usage_id)
    if known is None or not known.parts or not pool.is_remembered(known.recorded_at, to_ms(now)):
        return None
    return known


def _take_back(
    pool: ResourcePool,
    known: RememberedLine,
    command: ReverseUsage | CorrectUsage,
    usage_id: str,
    part: int,
    now: datetime,
) -> None:
    left = sum(borne.quantity for borne in known.parts)
    quantity = part or left
    if not 0 < quantity <= left:
        raise MoreThanWasUsed(f"{left} remaining of {usage_id}")
    resource_key, workspace_id = known.body[0], known.body[3]
    entitlement = pool.entitlements[resource_key]
    if entitlement.entitlement_type == "limit":
        raise KeyIsNotHeld(f"{resource_key} is a limit: use ReleaseUsage")
    closed = _period_of(pool, entitlement, known, now)
    parts = returned_parts(pool, known, quantity, closed, to_ms(now))
    charged = entitlement.used if closed is None else closed.used
    if quantity + paid(parts) > charged:
        raise MoreThanWasUsed(f"{charged} remaining of the included usage; the rest was reversed by a correction")
    _happen(
        pool,
        entitlement,
        now,
        closed,
        adjustment=-quantity,
        parts=parts,
        corrects=usage_id,
        occurred_at=from_ms(known.body[4]),
        workspace_id=workspace_id,
        subject_id=known.subject_id,
        reason=command.reason,
        actor=command.actor,
    )


def _period_of(
    pool: ResourcePool, entitlement: Entitlement, known: RememberedLine, now: datetime
) -> ClosedPeriod | None:
    """The closed period that a line counted in; None: the one under way."""
    now_ms, turn = to_ms(now), known.turn
    if known.counted_in == 0 and entitlement.is_under_way(turn, now_ms):
        return None
    for closed in entitlement.closed.values():
        is_late = known.counted_in == closed.start_ms and turn >= closed.over_since
        is_of_it = known.counted_in == 0 and closed.since <= turn < closed.over_since
        if is_late or is_of_it:
            if now_ms < closed.until_ms:
                return closed
            break
    else:
        idle = closed_within_grace(pool, entitlement, known.recorded_at, now_ms) if known.counted_in == 0 else None
        # At its first instant a reset may have come between.
        if idle is not None and idle.used == 0 and idle.start_ms < known.recorded_at:
            raise MoreThanWasUsed("a correction already reversed all usage of the period")
    raise PeriodIsClosed("its total is final")


def correct_usage(pool: ResourcePool, command: CorrectUsage, now: datetime) -> None:
    """Correct the total of a period up or down. Up it is borne as reported usage is; down it is taken from overage, then from
    whoever burns last. What credits or a payer bore is taken back by its line only, so that money returns exactly: naming a
    line that is remembered is the same as reversing that part of it.
    """
    if pool.is_closed:
        raise PoolIsClosed
    entitlement, occurred_at = _what_is_corrected(pool, command), command.occurred_at or now
    if to_ms(occurred_at) > to_ms(now) + CLOCK_SKEW_MS_MAX:
        raise InvalidInstant(f"occurred_at is {occurred_at.isoformat()}")
    pool.seal()
    known = _find(pool, command.corrects, now)
    if known is not None and command.adjustment < 0:
        if known.body[0] != command.resource_key:
            raise InvalidCommand(f"{command.corrects} is usage of {known.body[0]}")
        _take_back(pool, known, command, command.corrects, -command.adjustment, now)
        return
    closed = _period_at(pool, entitlement, occurred_at, now)
    charged = entitlement.used if closed is None else closed.used
    if command.adjustment < 0 and -command.adjustment > charged:
        raise MoreThanWasUsed(f"{charged} were counted apart from credits and on-demand")
    if command.adjustment > 0:
        check_countable(entitlement, command.adjustment)
    _happen(
        pool,
        entitlement,
        now,
        closed,
        adjustment=command.adjustment,
        parts=_parts_of_total(pool, entitlement, closed, command.adjustment),
        corrects=command.corrects,
        occurred_at=occurred_at,
        workspace_id="",
        subject_id="",
        reason=command.reason,
        actor=command.actor,
    )


def _parts_of_total(
    pool: ResourcePool, entitlement: Entitlement, closed: ClosedPeriod | None, adjustment: int
) -> list[UsagePart]:
    if closed is not None:
        if adjustment < 0:
            return closed_parts_back(pool, closed, [(None, -adjustment)], pool.turn)
        parts = included_late(pool, closed, adjustment)
        overage = adjustment - sum(part["quantity"] for part in parts)
        return [*parts, part_of("overage", "", overage)] if overage else parts
    if adjustment < 0:
        return parts_corrected_down(pool, entitlement, -adjustment)
    found = cover(pool, entitlement, adjustment)
    return found.parts or [part_of("overage", "", found.overage)]


def _what_is_corrected(pool: ResourcePool, command: CorrectUsage) -> Entitlement:
    entitlement = pool.entitlements.get(command.resource_key)
    if entitlement is None:
        raise UnknownKey(command.resource_key)
    if entitlement.entitlement_type not in ("quota", "credit"):
        raise KeyIsNotMetered(command.resource_key)
    _check_reason(command.reason)
    if command.adjustment == 0 or abs(command.adjustment) > QUANTITY_MAX:
        raise InvalidQuantity(str(command.adjustment))
    return entitlement


def _period_at(
    pool: ResourcePool, entitlement: Entitlement, occurred_at: datetime, now: datetime
) -> ClosedPeriod | None:
    at_ms, now_ms = to_ms(occurred_at), to_ms(now)
    if at_ms >= entitlement.period_at(now_ms)[0]:
        return None
    closed = closed_within_grace(pool, entitlement, at_ms, now_ms)
    if closed is not None:
        return closed
    raise PeriodIsClosed("its total is final")


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
    now_ms = to_ms(now)
    others = _credit_totals(pool, parts, now_ms)
    present, raised = list[UsagePart](), list[Share]()
    if closed is None:
        # Of what was forgiven nothing is owed already, and debts of before are no usage of this period.
        owed = max(overage_of(parts), entitlement.preserved - entitlement.owed)
        total = _moved(entitlement.total_at(now_ms), adjustment, paid(parts), owed)
    else:
        total = _moved(entitlement.closed_total(closed), adjustment, paid(parts), 0)
        present, raised = what_comes_back(pool, entitlement, closed, parts, now_ms)
        late = max(0, overage_of(parts)) if closed.preserves else 0
        if present or late:
            back = sum(part["quantity"] for part in present)
            others.append(_moved(entitlement.total_at(now_ms), back + late, 0, overage_of(present) + late))
    pool.happen(
        UsageCorrected,
        now,
        resource_key=entitlement.resource_key,
        adjustment=adjustment,
        counted_in=0 if closed is None else closed.start_ms,
        parts=parts,
        total=total,
        others=others,
        present=present,
        raised=raised,
        **facts,
    )
    restack(
        pool, now
    )  # Of a provision that has left, what is consumed is all that it still adds; and what lapsed is lost.
    _tell_thresholds(pool, entitlement, closed, now, adjustment)
    if closed is None and adjustment > 0:
        tell_payers(pool, entitlement, parts, to_ms(now), "")


def _credit_totals(pool: ResourcePool, parts: list[UsagePart], now_ms: int) -> list[UsageTotal]:
    """What is consumed afterwards of the credits that the parts draw on or return to."""
    moved: dict[str, int] = {}
    for part in parts:
        if part["bearer"] == "credit" and not part["lapsed"]:
            moved[part["credit_key"]] = moved.get(part["credit_key"], 0) + part["charge"]
    return [_moved(pool.entitlements[credit_key].total_at(now_ms), units, 0, 0) for credit_key, units in moved.items()]


def _moved(total: UsageTotal, consumed: int, elsewhere: int, owed: int) -> UsageTotal:
    return {
        **total,
        "consumed": total["consumed"] + consumed,
        "elsewhere": total["elsewhere"] + elsewhere,
        "owed": total["owed"] + owed,
    }


def _tell_thresholds(
    pool: ResourcePool, entitlement: Entitlement, closed: ClosedPeriod | None, now: datetime, adjustment: int
) -> None:
    """Who is below the limit again was not exceeded; who is above it by a correction is told like anybody."""
    if closed is None:
        charged, limit, was_exceeded = entitlement.counted, entitlement.limit, entitlement.was_exceeded
        total = entitlement.total
    else:
        charged, limit, was_exceeded = closed.charged, closed.limit, closed.was_exceeded
        total = entitlement.closed_total(closed)
    if was_exceeded and adjustment < 0 and charged <= limit:
        start_ms, end_ms = total["period_start"], total["period_end"]
        pool.happen(
            ExceededWithdrawn,
            now,
            resource_key=entitlement.resource_key,
            period_start=None if start_ms is None else from_ms(start_ms),
            period_end=None if end_ms is None else from_ms(end_ms),
            limit=None if limit >= UNLIMITED else limit,
            consumed=total["consumed"],
        )
    elif closed is not None and charged > limit and adjustment > 0 and not was_exceeded:
        exceed(pool, entitlement, to_ms(now), adjustment, "", closed)
    elif closed is None and adjustment > 0:
        if entitlement.consumed >= entitlement.soft_limit and not entitlement.was_warned:
            warn(pool, entitlement, to_ms(now), "")
        if charged > limit and not was_exceeded:
            exceed(pool, entitlement, to_ms(now), adjustment, "")
