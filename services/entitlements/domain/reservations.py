"""Decisions about reservations: hold a quantity, extend it, commit part or all or more of it, give it back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from entitlements.domain.aggregate import to_ms
from entitlements.domain.cover import Cover, affordable, cover, cover_of_reserved, fits
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import (
    CustomerIsNotAssigned,
    IdempotencyKeyReused,
    InvalidInstant,
    KeyIsNotMetered,
    MemberCapIsReached,
    PoolIsClosed,
    PoolIsSuspended,
    QuotaIsExceeded,
    ReservationAlreadyExists,
    TooManyReservations,
    UnknownKey,
    UnknownReservation,
)
from entitlements.domain.lines import check_countable
from entitlements.domain.members import what_narrows
from entitlements.domain.owing import pay_what_is_owed
from entitlements.domain.pools import Reservation, ResourcePool
from entitlements.domain.suspension import why_not_entitled
from entitlements.domain.usage import record
from entitlements.domain.usage_commands import (
    CommitReservation,
    ExtendReservation,
    ReleaseReservation,
    ReserveUsage,
)
from entitlements.domain.usage_events import (
    ReservationCommitted,
    ReservationExtended,
    ReservationReleased,
    UsageReserved,
)
from entitlements.domain.values import EffectiveValue, UsageLine

#: Outstanding reservations of one workspace on one pool.
RESERVATIONS_MAX: Final = 1_000
#: How long something may be held without being extended.
HELD_FOR_MAX: Final = timedelta(days=30)


def reserve_usage(pool: ResourcePool, command: ReserveUsage, now: datetime) -> None:
    """Hold a quantity: included first, then credits, then spending. It counts against strict usage until it is let go."""
    if pool.is_closed:
        raise PoolIsClosed
    known = pool.reservations.get(command.reservation_id)
    if known is not None:
        if _asked_so(known, command):
            return
        raise ReservationAlreadyExists(command.reservation_id)
    entitlement = _metered(pool, command.resource_key)
    expires_at = _expiry(command, now)
    if command.workspace_id and command.workspace_id not in pool.assignments:
        raise CustomerIsNotAssigned(command.workspace_id)
    value = _require_entitled(pool, entitlement, command.workspace_id)
    held = sum(reservation.workspace_id == command.workspace_id for reservation in pool.reservations.values())
    if held >= RESERVATIONS_MAX:
        raise TooManyReservations
    check_countable(entitlement, command.quantity)
    found = cover(pool, entitlement, command.quantity, alone=True)
    _check_room(pool, entitlement, command, found, now)
    pool.happen(
        UsageReserved,
        now,
        reservation_id=command.reservation_id,
        resource_key=command.resource_key,
        quantity=command.quantity,
        included=found.included,
        paid=command.quantity - found.included - found.overage,
        on_demand=found.borne_by("on_demand"),
        credit_key=value.credit_key or "",
        credit_units=found.credit_units,
        credit_rate=value.credit_rate,
        credit_per=value.credit_per,
        spending=found.charge,
        workspace_id=command.workspace_id,
        subject_id=command.subject_id,
        lease=command.lease,
        expires_at=expires_at,
        actor=command.actor,
    )


def _metered(pool: ResourcePool, resource_key: str) -> Entitlement:
    entitlement = pool.entitlements.get(resource_key)
    if entitlement is None:
        raise UnknownKey(resource_key)
    if entitlement.entitlement_type == "boolean":
        raise KeyIsNotMetered(resource_key)
    return entitlement


def _expiry(command: ReserveUsage | ExtendReservation, now: datetime) -> datetime:
    if (command.expires_at is None) == (command.held_for == 0):
        raise InvalidInstant("set either expires_at or held_for")
    expires_at = command.expires_at
    if expires_at is None and 0 < command.held_for <= HELD_FOR_MAX.total_seconds():
        expires_at = now + timedelta(seconds=command.held_for)
    if expires_at is None or not now < expires_at <= now + HELD_FOR_MAX:
        raise InvalidInstant(f"a reservation must expire in the future, within {HELD_FOR_MAX.days} days")
    return expires_at


def _check_room(
    pool: ResourcePool, entitlement: Entitlement, command: ReserveUsage, found: Cover, now: datetime
) -> None:
    narrowed = what_narrows(pool, entitlement, command.workspace_id, command.subject_id, command.quantity, to_ms(now))
    if narrowed is not None:
        reason, left = narrowed
        raise reason(f"{left} remaining", left) if reason is MemberCapIsReached else reason(command.resource_key)
    if not fits(entitlement, found):
        left = affordable(pool, entitlement, alone=True)
        raise QuotaIsExceeded(f"{left} remaining", left)


def _asked_so(known: Reservation, command: ReserveUsage) -> bool:
    return (
        known.resource_key == command.resource_key
        and known.quantity == command.quantity
        and known.workspace_id == command.workspace_id
        and known.subject_id == command.subject_id
        and known.lease == command.lease
        # Asked again for so long, it is held as long as it was the first time.
        and command.expires_at in {None, known.expires_at}
        and (not known.held_for_ms or command.held_for * 1_000 in {0, known.held_for_ms})
    )


def find(pool: ResourcePool, reservation_id: str) -> Reservation:
    """The reservation while it is held, or a refusal that names it."""
    reservation = pool.reservations.get(reservation_id)
    if reservation is None:
        raise UnknownReservation(reservation_id)
    return reservation


def extend_reservation(pool: ResourcePool, command: ExtendReservation, now: datetime) -> None:
    """Hold a reservation until another instant. A lease ends with what confers it: whoever draws it down asks nobody else."""
    reservation = find(pool, command.reservation_id)
    if reservation.expires_at == command.expires_at:
        return
    if reservation.lease:
        _require_entitled(pool, pool.entitlements[reservation.resource_key], reservation.workspace_id)
    expires_at = _expiry(command, now)
    pool.happen(
        ReservationExtended,
        now,
        reservation_id=command.reservation_id,
        expires_at=expires_at,
        actor=command.actor,
    )


def commit_reservation(pool: ResourcePool, command: CommitReservation, now: datetime) -> None:
    """Use what was reserved. So much as is held is always taken; what is above it must fit, or is reported."""
    if _is_committed_already(pool, command, to_ms(now)):
        return
    reservation = find(pool, command.reservation_id)
    if pool.is_closed:
        raise PoolIsClosed
    entitlement = pool.entitlements[reservation.resource_key]
    check_countable(entitlement, max(0, command.quantity - reservation.charged))
    excess = command.quantity - reservation.quantity
    if excess > 0 and command.mode == "strict":
        _check_excess(pool, entitlement, reservation, excess, now)
    found = cover_of_reserved(pool, entitlement, command.quantity, reservation)
    kept = max(0, -excess) if command.keep_rest else 0
    pool.happen(
        ReservationCommitted,
        now,
        reservation_id=command.reservation_id,
        quantity=command.quantity,
        kept=kept,
        usage_id=command.usage_id,
        actor=command.actor,
        **_held_of_rest(pool, reservation, found, kept),
    )
    now_ms = to_ms(now)
    entitlement.enter(*entitlement.period_at(now_ms), pool.turn)
    record(pool, entitlement, _line_of(reservation, command, now_ms), found, now_ms, reservation.reservation_id)
    pay_what_is_owed(pool, now)  # What is not held any more, of the key or of its credits, is there for it.


def _held_of_rest(pool: ResourcePool, reservation: Reservation, found: Cover, kept: int) -> dict[str, int]:
    """What stays held for the rest that is kept: of each bearer what it holds and does not take now, in the order in which they are drawn.

    Credits and spending are held anew for it, rounded up by themselves: others do not get what rounding left.
    """
    included = min(kept, max(0, reservation.included - found.included))
    by_credits = reservation.paid - reservation.on_demand - found.borne_by("credit")
    by_credits = min(kept - included, max(0, by_credits))
    on_demand = max(0, reservation.on_demand - found.borne_by("on_demand"))
    on_demand = min(kept - included - by_credits, on_demand)
    config, units = pool.on_demand.get(reservation.resource_key), by_credits * reservation.credit_rate
    return {
        "kept_included": included,
        "kept_paid": by_credits + on_demand,
        "kept_on_demand": on_demand,
        "kept_credit_units": -(-units // reservation.credit_per),
        "kept_spending": 0 if config is None else -(-on_demand * config.unit_price // config.price_per),
    }


def _is_committed_already(pool: ResourcePool, command: CommitReservation, now_ms: int) -> bool:
    known = pool.usage_ids.get(command.usage_id)
    if known is None or not pool.is_remembered(known.recorded_at, now_ms):
        return False
    said = (known.reservation_id, known.body[1], known.body[2])
    if said != (command.reservation_id, command.quantity, command.mode):
        raise IdempotencyKeyReused(command.usage_id)
    return True


def _require_entitled(pool: ResourcePool, entitlement: Entitlement, workspace_id: str) -> EffectiveValue:
    if pool.status == "suspended":
        raise PoolIsSuspended
    if entitlement.value is None:
        raise why_not_entitled(pool, entitlement.resource_key, workspace_id)(entitlement.resource_key)
    return entitlement.value


def _check_excess(
    pool: ResourcePool, entitlement: Entitlement, reservation: Reservation, excess: int, now: datetime
) -> None:
    _require_entitled(pool, entitlement, reservation.workspace_id)
    narrowed = what_narrows(pool, entitlement, reservation.workspace_id, reservation.subject_id, excess, to_ms(now))
    if narrowed is not None:
        reason, left = narrowed
        raise reason(f"{left} remaining after reservations", left)
    if not _fits_beside(pool, entitlement, reservation, excess):
        left = affordable(pool, entitlement)
        raise QuotaIsExceeded(f"{left} remaining after reservations", left)


def _fits_beside(pool: ResourcePool, entitlement: Entitlement, held: Reservation, excess: int) -> bool:
    """Whether what is above a reservation makes no more overage than may be, beside what a commit of just what is held makes."""
    together, alone = (cover_of_reserved(pool, entitlement, q, held) for q in (held.quantity + excess, held.quantity))
    return together.overage - alone.overage <= entitlement.overage_left


def _line_of(reservation: Reservation, command: CommitReservation, now_ms: int) -> UsageLine:
    return {
        "resource_key": reservation.resource_key,
        "quantity": command.quantity,
        "mode": command.mode,
        "occurred_at": now_ms,
        "workspace_id": reservation.workspace_id,
        "usage_id": command.usage_id,
        "subject_id": reservation.subject_id,
    }


def release_reservation(pool: ResourcePool, command: ReleaseReservation, now: datetime) -> None:
    """Release a reservation unused."""
    reservation = find(pool, command.reservation_id)
    pool.happen(
        ReservationReleased,
        now,
        reservation_id=command.reservation_id,
        quantity=reservation.quantity,
        reason=command.reason,
        actor=command.actor,
    )
    pay_what_is_owed(pool, now)
