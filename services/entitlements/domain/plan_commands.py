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
    """Move a ladder of the pool to another plan, now or when what runs there ends."""

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
    """Try a plan until an instant, and go on with another rung of its ladder then."""

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
    """Buy more or less of a provision."""

    provision_id: str
    quantity: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ReviseProvision(PoolCommand):
    """Give a provision a newer version of its set."""

    provision_id: str
    set_version: int
    rules: list[Rule]
    reason: str = ""
    looked_up: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ChangeDefaults(PoolCommand):
    """Say what the pool has of a key to which nothing contributes."""

    rules: list[Rule]


@dataclass(frozen=True, kw_only=True)
class ChangeCalendar(PoolCommand):
    """Change the time zone or the billing anchor by which periods are counted."""

    time_zone: str = "UTC"
    anchor_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ForgiveOverage(PoolCommand):
    """Forgive overage that is owed, the oldest first."""

    resource_key: str
    #: In the smallest unit; None: all that is owed.
    amount: int | None = None
    reason: str


@dataclass(frozen=True, kw_only=True)
class ResetUsage(PoolCommand):
    """Start a period of a quota anew before its end; without keeping the anchor, periods are counted from now on."""

    resource_key: str
    keep_anchor: bool = True
    overage_at_reset: OverageAtReset | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class SetOverride(PoolCommand):
    """Say by hand what the pool, or one of its workspaces, has of a key. It outranks stacking."""

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
    """Take an override back."""

    override_id: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ConfigureOnDemand(PoolCommand):
    """Allow, price, cap or stop consumption above what is included."""

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
    """Cap what a workspace, or one subject in it, can draw of a key in a period; no amount lifts the cap."""

    workspace_id: str
    subject_id: str = ""
    resource_key: str
    amount: int | None = None
    period: PeriodName | None = None
