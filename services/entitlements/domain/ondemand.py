"""On-demand: consumption above what is included, allowed up to a spending cap and charged to a named payer."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.aggregate import from_ms
from entitlements.domain.plan_events import SpendingAlerted
from entitlements.domain.plan_commands import ConfigureOnDemand
from entitlements.domain.pools import ResourcePool


def alert_spending(pool: ResourcePool, resource_key: str, now_ms: int) -> None:
    """Tell, once in a period each, which shares of the spending cap are reached."""
    on_demand = pool.on_demand[resource_key]
    cap = on_demand.spending_cap
    if cap is None:
        return
    for percent in sorted(on_demand.alert_at):
        if percent > on_demand.alerted and on_demand.spent * 100 >= cap * percent:
            pool.happen(
                SpendingAlerted,
                from_ms(now_ms),
                resource_key=resource_key,
                percent=percent,
                spent=on_demand.spent,
                spending_cap=cap,
                payer=on_demand.payer or pool.billing_account_id or "",
            )


def configure_on_demand(pool: ResourcePool, command: ConfigureOnDemand, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError
