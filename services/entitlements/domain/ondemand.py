"""On-demand: consumption above what is included, allowed up to a spending cap and charged to a named payer."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from entitlements.domain.aggregate import from_ms, to_ms
from entitlements.domain.errors import InvalidCommand, InvalidId, KeyIsNotMetered, PoolIsClosed, UnknownKey
from entitlements.domain.plan_commands import ConfigureOnDemand
from entitlements.domain.plan_events import OnDemandConfigured, SpendingAlerted
from entitlements.domain.pools import OnDemand, ResourcePool
from entitlements.domain.rules import RATE_MAX
from entitlements.domain.values import QUANTITY_MAX, is_id

ALL: Final = 100
CURRENCY_CHARACTERS: Final = 3


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
    """Allow, price, cap or stop consumption above what is included. What was spent stays spent."""
    if pool.is_closed:
        raise PoolIsClosed
    entitlement = pool.entitlements.get(command.resource_key)
    if entitlement is None:
        raise UnknownKey(command.resource_key)
    if entitlement.entitlement_type != "quota":
        raise KeyIsNotMetered(f"{command.resource_key} is not a quota")
    _check(command)
    known = pool.on_demand.get(command.resource_key)
    if known is not None and _says(known) == _says(command):
        return
    pool.happen(
        OnDemandConfigured,
        now,
        resource_key=command.resource_key,
        enabled=command.enabled,
        payer=command.payer,
        currency=command.currency,
        unit_price=command.unit_price,
        price_per=command.price_per,
        spending_cap=command.spending_cap,
        alert_at=command.alert_at,
        actor=command.actor,
    )
    if command.enabled and pool.on_demand[command.resource_key].spent:
        alert_spending(pool, command.resource_key, to_ms(now))  # Nothing more may be spent that would tell it.


def _check(command: ConfigureOnDemand) -> None:
    if not is_id(command.payer, 0):
        raise InvalidId(f"payer has {len(command.payer)} characters or contains NUL")
    if command.currency and not (len(command.currency) == CURRENCY_CHARACTERS and command.currency.isalpha()):
        raise InvalidCommand("a currency must be a three-letter code, such as EUR")
    if not (0 <= command.unit_price <= RATE_MAX and 0 < command.price_per <= RATE_MAX):
        raise InvalidCommand(f"a price must be 0 to {RATE_MAX} minor units per 1 to {RATE_MAX}")
    if command.spending_cap is not None and not 0 <= command.spending_cap <= QUANTITY_MAX:
        raise InvalidCommand("a spending cap must be 0 to 2^53 minor units")
    if command.alert_at != sorted(set(command.alert_at)) or not all(0 < percent <= ALL for percent in command.alert_at):
        raise InvalidCommand("alerts must be ascending percentages from 1 to 100")
    if command.alert_at and command.spending_cap is None:
        raise InvalidCommand("alerts need a spending cap")


def _says(config: OnDemand | ConfigureOnDemand) -> tuple[object, ...]:
    money = config.currency, config.unit_price, config.price_per, config.spending_cap, config.alert_at
    return config.enabled, config.payer, *money
