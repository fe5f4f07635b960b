"""What happens because time passes, stamped with the instant it was due (DESIGN 3.2)."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import from_ms
from entitlements.domain.pool_events import GrantExpired, ProvisionEnded, ProvisionStarted, QuotaReset
from entitlements.domain.pools import ResourcePool
from entitlements.domain.restack import restack


def let_due_happen(pool: ResourcePool, now_ms: int) -> None:
    """Let everything due up to and at an instant happen, in the order of time.

    At one instant quotas reset first, then provisions end, then others start, so that a successor finds its ladder free
    and a new period is counted against what holds in it. Every step makes the next due instant later: it ends.
    """
    while pool.due_ms <= now_ms:
        due_ms = pool.due_ms
        _happen_at(pool, due_ms, from_ms(max(due_ms, pool.clock_ms)))
        assert pool.due_ms > due_ms, "what was due is due again"


def _happen_at(pool: ResourcePool, due_ms: int, at: datetime) -> None:
    for entitlement in list(pool.entitlements.values()):
        if entitlement.resets_at_ms <= due_ms:
            pool.happen(
                QuotaReset,
                at,
                resource_key=entitlement.resource_key,
                period_start=from_ms(entitlement.period_start_ms),
                period_end=from_ms(entitlement.period_end_ms),
                consumed=entitlement.consumed,
            )
    due = [provision for provision in pool.provisions.values() if provision.due_ms() <= due_ms]
    for provision in due:
        if provision.status != "scheduled":
            if provision.provision_id in pool.grants:
                pool.happen(GrantExpired, at, grant_id=provision.provision_id)
            pool.happen(ProvisionEnded, at, provision_id=provision.provision_id, reason="expired", actor="")
    for provision in due:
        if provision.status == "scheduled":
            pool.happen(ProvisionStarted, at, provision_id=provision.provision_id)
    if due:
        restack(pool, at)
    pool.find_due()
