"""When caps of members begin anew, whether anything was drawn under them or not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.periods import Calendar, period_bounds
from entitlements_projections.database import Row


def of_cap(
    drawn_until: datetime | None, period: str | None, at: datetime, time_zone: str, of_key: datetime | None
) -> datetime | None:
    """When a cap begins anew; None: never.

    drawn_until: the end of the period under way, if something was drawn in it. period: the cap's own, counted by the calendar of a
    time zone; without one it begins anew with its key.
    """
    if drawn_until is not None or period is None:
        return drawn_until or of_key
    end_ms = period_bounds(period, to_ms(at), Calendar(time_zone))[1]
    return from_ms(end_ms) if end_ms < NEVER_MS else None


def with_resets(caps: Iterable[Row], entitlements: Iterable[Row]) -> list[Row]:
    """The caps of a pool, each with `resets_at`. entitlements: what the pool has of their keys."""
    of_keys = {row["resource_key"]: row["resets_at"] for row in entitlements}
    found = []
    for cap in caps:
        period, at, time_zone = cap.pop("own_period"), cap.pop("at"), cap.pop("time_zone")
        found.append(
            cap | {"resets_at": of_cap(cap["resets_at"], period, at, time_zone, of_keys.get(cap["resource_key"]))}
        )
    return found
