"""What can be asked of a pool's terms: plans, quantities, calendars, overrides, on-demand, caps. As in commands.py, one .avsc each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from entitlements.domain.commands import PoolCommand
from entitlements.domain.values import OverageAtReset, PeriodName, ProvisionSource, Rule

PlanChangeAt = Literal["now", "period_end"]


@dataclass(frozen=True, kw_only=True)
class ChangePlan(PoolCommand):
    """Switch a pool to another plan on a ladder, now or when the current plan ends."""

    ladder: str
    provision_id: str
    source: ProvisionSource
    source_id: str = ""
    billing_account_id: str | None = None
    set_id: str
    set_version: int
    rung: int
    quantity: int = 1
    rules: list[Rule]
    when: PlanChangeAt = "now"
    ends_at: datetime | None = None
    billing_period: PeriodName | None = None
    priority: int = 0
    follows: bool = False
    reason: str = ""
    looked_up: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class StartTrial(PoolCommand):
    """Start a trial of a plan until a given time, then continue on another rung of its ladder."""

    ladder: str
    provision_id: str
    set_id: str
    set_version: int
    rung: int
    rules: list[Rule]
    ends_at: datetime
    then_provision_id: str
    then_source: ProvisionSource
    then_source_id: str = ""
    then_billing_account_id: str | None = None
    then_set_id: str
    then_set_version: int
    then_rung: int
    then_quantity: int = 1
    then_rules: list[Rule]
    looked_up: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ChangeQuantity(PoolCommand):
    """Change the quantity of a provision."""

    provision_id: str
    quantity: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ReviseProvision(PoolCommand):
    """Move a provision to a newer version of its set."""

    provision_id: str
    set_version: int
    rules: list[Rule]
    reason: str = ""
    looked_up: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ChangeDefaults(PoolCommand):
    """Set what the pool has of keys to which no provision contributes."""

    rules: list[Rule]


@dataclass(frozen=True, kw_only=True)
class ChangeCalendar(PoolCommand):
    """Change the time zone or billing anchor of a pool's periods."""

    time_zone: str = "UTC"
    anchor_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ForgiveOverage(PoolCommand):
    """Forgive overage, oldest first."""

    resource_key: str
    #: In the smallest unit; None: all that is owed.
    amount: int | None = None
    reason: str


@dataclass(frozen=True, kw_only=True)
class ResetUsage(PoolCommand):
    """Reset a quota before its period ends. Without keep_anchor, periods are counted from now on."""

    resource_key: str
    keep_anchor: bool = True
    overage_at_reset: OverageAtReset | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class SetOverride(PoolCommand):
    """Override what the pool, or one customer, has of a key. An override outranks stacking."""

    override_id: str
    resource_key: str
    workspace_id: str = ""
    allowed: bool = True
    amount: int | None = None
    soft_limit: int | None = None
    hard_limit: int | None = None
    reason: str
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ClearOverride(PoolCommand):
    """Remove an override."""

    override_id: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ConfigureOnDemand(PoolCommand):
    """Allow or stop on-demand usage above what is included, with its price and spending cap."""

    resource_key: str
    enabled: bool
    payer: str = ""
    currency: str = ""
    unit_price: int = 0
    price_per: int = 1
    spending_cap: int | None = None
    alert_at: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class CapMember(PoolCommand):
    """Cap what a customer, or one subject in it, can use of a key per period; no amount removes the cap."""

    workspace_id: str
    subject_id: str = ""
    resource_key: str
    amount: int | None = None
    period: PeriodName | None = None
