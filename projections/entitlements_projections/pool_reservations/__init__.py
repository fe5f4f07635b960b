"""Reservations of pools: one row for each, while it is held and after."""

from __future__ import annotations

from typing import ClassVar, Final

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent

_NOTHING_HELD: Final = {"held": 0, "paid": 0, "credit_units": 0, "spending": 0}


def _reserved(event: Event, _: Row | None) -> Row:
    fields = (
        "resource_key", "quantity", "paid", "credit_key", "credit_units", "spending", "workspace_id", "subject_id", "lease", "expires_at",
    )  # fmt: skip
    held = {"status": "held", "held": event["quantity"], "committed": 0, "over_at": None}
    return {field: event[field] for field in fields} | held | {"reserved_at": event["timestamp"]}


def _known(row: Row | None) -> Row:
    assert row is not None, "an event of a reservation that was never made"
    return row


def _extended(event: Event, row: Row | None) -> Row:
    return _known(row) | {"expires_at": event["expires_at"]}


def _committed(event: Event, row: Row | None) -> Row:
    is_over = event["kept"] == 0
    return _known(row) | {
        "status": "committed" if is_over else "held",
        "held": event["kept"],
        "paid": event["kept_paid"],
        "credit_units": event["kept_credit_units"],
        "spending": event["kept_spending"],
        "committed": _known(row)["committed"] + event["quantity"],
        "over_at": event["timestamp"] if is_over else None,
    }


def _released(event: Event, row: Row | None) -> Row:
    return _known(row) | _NOTHING_HELD | {"status": "released", "over_at": event["timestamp"]}


def _expired(event: Event, row: Row | None) -> Row:
    return _known(row) | _NOTHING_HELD | {"status": "expired", "over_at": event["timestamp"]}


class PoolReservations(FoldedByEvent):
    """Reservations of pools: one row for each, while it is held and after."""

    folder = "pool_reservations"
    staged = ("pool_reservations",)
    key = ("pool_id", "reservation_id")
    parts = ("reservation_id",)
    columns = (
        "pool_id", "reservation_id", "resource_key", "status", "quantity", "held", "paid", "committed", "credit_key", "credit_units", "spending", "workspace_id", "subject_id", "lease", "reserved_at", "expires_at", "over_at", "version",
    )  # fmt: skip
    folds: ClassVar = {
        "UsageReserved": _reserved,
        "ReservationExtended": _extended,
        "ReservationCommitted": _committed,
        "ReservationReleased": _released,
        "ReservationExpired": _expired,
    }
    events = frozenset(folds)
