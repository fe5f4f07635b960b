"""What the read models know of one key of one pool, as the state that the domain's rules ask.

Only what a strict decision asks of a pool is there: what counts, not whose it is. Contributions, provisions and lines are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from entitlements.domain.aggregate import EPOCH, NEVER_MS, to_ms
from entitlements.domain.buckets import UNLIMITED, Debt
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pool_events import PoolOpened
from entitlements.domain.pools import Cap, OnDemand, Override, Reservation, ResourcePool
from entitlements.domain.values import EffectiveValue

#: A row of the read models, its columns those of the view workspace_entitlements.
Row: TypeAlias = Mapping[str, Any]


def standing_of(row: Row, credit: Row | None, caps: Iterable[Row], override: Row | None) -> ResourcePool:
    """A pool of which only one key is known, the credits that it draws on, and what narrows one member.

    caps: those of the member, of its overrides too. override: the newest one of its workspace that holds.
    """
    pool = ResourcePool.opened_by(
        PoolOpened(
            originator_id=row["pool_id"],
            originator_version=ResourcePool.INITIAL_VERSION,
            timestamp=row["at"],
            command_id="",
            organization_id="",
            billing_account_id=None,
            name="",
            backfill_from=None,
            time_zone=row["time_zone"],
            anchor_at=row["anchor_at"],
            defaults=[],
            actor="",
        )
    )
    pool.status = row["pool_status"]
    for known in (row, credit):
        if known is not None:
            pool.entitlements[known["resource_key"]] = _entitlement(known)
    if row["unit_price"] is not None:
        pool.on_demand[row["resource_key"]] = _on_demand(row)
    _narrow(pool, row["resource_key"], list(caps), override)
    return pool


def _entitlement(row: Row) -> Entitlement:
    entitlement = Entitlement(row["resource_key"], row["entitlement_type"], row["stacking"])
    entitlement.consumed, entitlement.elsewhere = row["consumed"] or 0, row["elsewhere"] or 0
    entitlement.reserved, entitlement.uncounted = row["reserved"] or 0, row["uncounted"] or 0
    entitlement.debts = [Debt(row["owed"], preserves=False)] if row["owed"] else []
    entitlement.credit_quantity, entitlement.credit_units = row["credit_quantity"], row["credit_units"]
    entitlement.is_narrowed = True  # Look at whoever asks.
    if not row["held"]:
        return entitlement
    entitlement.value = EffectiveValue(
        limit=row["effective_limit"],
        soft_limit=row["soft_limit"],
        hard_limit=row["hard_limit"],
        period=row["period"],
        credit_key=row["credit_key"],
        credit_rate=row["credit_rate"],
        credit_per=row["credit_per"],
        override_id=row["pool_override_id"] or "",
    )
    entitlement.limit = UNLIMITED if row["effective_limit"] is None else row["effective_limit"]
    entitlement.hard_limit = UNLIMITED if row["hard_limit"] is None else row["hard_limit"]
    return entitlement


def _on_demand(row: Row) -> OnDemand:
    return OnDemand(
        enabled=row["on_demand"],
        payer=row["payer"],
        currency=row["currency"],
        unit_price=row["unit_price"],
        price_per=row["price_per"],
        spending_cap=row["spending_cap"],
        alert_at=[],
        spent=row["spent"],
        reserved=row["spending_reserved"],
        quantity=row["bought"],
        charged=row["charged"],
    )


def _narrow(pool: ResourcePool, key: str, caps: list[Row], override: Row | None) -> None:
    for cap in caps:
        workspace_id, subject_id = cap["workspace_id"], cap["subject_id"]
        if not cap["override_id"]:
            pool.caps.setdefault(workspace_id, {}).setdefault(subject_id, {})[key] = cap_of(cap)
        # All reservations of the member as one: they count as drawn. Those of the subject are among those of the workspace.
        others = 0 if subject_id else sum(c["reserved"] for c in caps if c["subject_id"])
        pool.reservations[subject_id] = Reservation(
            reservation_id=subject_id,
            resource_key=key,
            quantity=cap["reserved"] - others,
            credit_key="",
            credit_units=0,
            spending=0,
            workspace_id=workspace_id,
            subject_id=subject_id,
            lease=False,
            expires_at=EPOCH,
        )
    if override is not None:
        own = next((cap for cap in caps if cap["override_id"] == override["override_id"]), None)
        pool.overrides[override["override_id"]] = Override(
            override_id=override["override_id"],
            resource_key=key,
            workspace_id=override["workspace_id"],
            allowed=override["allowed"],
            amount=override["amount"],
            soft_limit=override["soft_limit"],
            hard_limit=override["hard_limit"],
            reason=override["reason"],
            expires_at=override["expires_at"],
            actor=override["actor"],
            cap=None if own is None else cap_of(own),
        )


def cap_of(row: Row) -> Cap:
    """A cap with what was drawn under it."""
    return Cap(
        amount=row["amount"],
        period=row["period"],
        consumed=row["drawn"],
        period_start_ms=_ms(row["drawn_from"], 0),
        period_end_ms=_ms(row["drawn_until"], NEVER_MS),
    )


def _ms(at: datetime | None, otherwise: int) -> int:
    return otherwise if at is None else to_ms(at)
