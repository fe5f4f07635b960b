"""Example objects: rules, lines and one builder per command. For tests, documentation and experiments.

Every builder gives a command that the examples before it make possible; any field can be said otherwise. Nothing here is
random: ids and instants are the same each time, and everything happens at NOON unless the log says otherwise.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from entitlements.domain import commands as asks
from entitlements.domain.aggregate import to_ms
from entitlements.domain.values import (
    Constraints,
    KeyTerms,
    LadderRung,
    PeriodName,
    Rule,
    Stacking,
    UsageGroup,
    UsageLine,
    UsageMode,
    UsageTracking,
)

#: A Monday in the middle of nothing: no period begins or ends at it.
NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOON_MS: Final = to_ms(NOON)

POOL: Final = "acme-pool"
WORKSPACE: Final = "acme-berlin"
LADDER: Final = "plans"


def feature(resource_key: str = "premium_analytics") -> Rule:
    """A feature one has or has not."""
    return Rule(resource_key=resource_key, rule_type="boolean", stacking="any")


def quota(
    resource_key: str = "api_calls",
    amount: int | None = 100,
    *,
    period: PeriodName = "day",
    stacking: Stacking = "sum",
    **more: Any,
) -> Rule:
    """Consumption per period, in the smallest unit; more: soft_limit, hard_limit, per_unit."""
    return Rule(resource_key=resource_key, rule_type="quota", amount=amount, period=period, stacking=stacking, **more)


def limit(resource_key: str = "seats", amount: int | None = 5, *, stacking: Stacking = "sum", **more: Any) -> Rule:
    """A cap on what is held at once, in the smallest unit; more: soft_limit, hard_limit, per_unit."""
    return Rule(resource_key=resource_key, rule_type="limit", amount=amount, stacking=stacking, **more)


def line(
    resource_key: str = "api_calls",
    quantity: int = 1,
    mode: UsageMode = "strict",
    *,
    occurred_at: datetime | None = None,
    workspace_id: str = "",
    usage_id: str = "",
    subject_id: str = "",
) -> UsageLine:
    """One line of usage; without occurred_at it happens at the instant of the decision."""
    return {
        "resource_key": resource_key,
        "quantity": quantity,
        "mode": mode,
        "occurred_at": 0 if occurred_at is None else to_ms(occurred_at),
        "workspace_id": workspace_id,
        "usage_id": usage_id,
        "subject_id": subject_id,
    }


def of_pool(more: dict[str, Any]) -> dict[str, Any]:
    """The facts that every command to the example pool has."""
    return {"command_id": "a-command", "actor": "alice", "pool_id": POOL} | more


def define_resource_key(resource_key: str = "api_calls", **more: Any) -> asks.DefineResourceKey:
    """Bring a key into the namespace."""
    facts: dict[str, Any] = {
        "command_id": "a-command",
        "actor": "alice",
        "name": "API calls",
        "data_type": "integer",
        "unit": "call",
    }
    return asks.DefineResourceKey(resource_key=resource_key, **(facts | more))


def key_terms(**more: Any) -> KeyTerms:
    """What the definition document of premium_analytics says, beyond that it is a feature."""
    facts: dict[str, Any] = {
        "entitlement_type": "boolean",
        "default_value": 0,
        "inherits_from": ["basic_analytics"],
        "override_policy": "always_allow",
        "usage_tracking": UsageTracking(enabled=True, reset_period="month", soft_limit=1000, hard_limit=1200),
        "constraints": Constraints(
            geographic_restrictions=["EU", "US"],
            start_date=datetime(2024, 1, 1, tzinfo=UTC),
            end_date=datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC),
        ),
    }
    return KeyTerms(**(facts | more))


def define_entitlement_set(set_id: str = "free", *rules: Rule, **more: Any) -> asks.DefineEntitlementSet:
    """Define a set; without rules the free plan's quota."""
    facts: dict[str, Any] = {
        "command_id": "a-command",
        "actor": "alice",
        "name": set_id.title(),
        "ladder": LADDER,
        "rung": 1,
        "rules": list(rules) or [quota()],
    }
    return asks.DefineEntitlementSet(set_id=set_id, **(facts | more))


def define_ladder(ladder: str = LADDER, **more: Any) -> asks.DefineLadder:
    """Define the ladder of the plans."""
    rungs = [LadderRung(rung=1, name="Free"), LadderRung(rung=2, name="Pro")]
    facts: dict[str, Any] = {"command_id": "a-command", "actor": "alice", "name": "Plans", "rungs": rungs}
    return asks.DefineLadder(ladder=ladder, **(facts | more))


def open_pool(**more: Any) -> asks.OpenPool:
    """Open the example pool."""
    facts = {"organization_id": "acme", "billing_account_id": "acme-account", "name": "Acme"}
    return asks.OpenPool(**(of_pool(facts) | more))


def suspend_pool(**more: Any) -> asks.SuspendPool:
    """Suspend the example pool."""
    return asks.SuspendPool(**(of_pool({"reason": "unpaid"}) | more))


def resume_pool(**more: Any) -> asks.ResumePool:
    """Resume the example pool."""
    return asks.ResumePool(**(of_pool({"reason": "paid"}) | more))


def close_pool(**more: Any) -> asks.ClosePool:
    """Close the example pool."""
    return asks.ClosePool(**(of_pool({"reason": "gone"}) | more))


def provision_pool(provision_id: str = "subscription-1", *rules: Rule, **more: Any) -> asks.ProvisionPool:
    """Provision the example pool; without rules with 100 API calls a day."""
    facts: dict[str, Any] = {
        "source": "subscription",
        "source_id": f"billing-{provision_id}",
        "set_id": "free",
        "set_version": 1,
        "rules": list(rules) or [quota()],
    }
    return asks.ProvisionPool(provision_id=provision_id, **(of_pool(facts) | more))


def suspend_provision(provision_id: str = "subscription-1", **more: Any) -> asks.SuspendProvision:
    """Suspend a provision."""
    return asks.SuspendProvision(provision_id=provision_id, **(of_pool({"reason": "unpaid"}) | more))


def resume_provision(provision_id: str = "subscription-1", **more: Any) -> asks.ResumeProvision:
    """Resume a provision."""
    return asks.ResumeProvision(provision_id=provision_id, **(of_pool({"reason": "paid"}) | more))


def end_provision(provision_id: str = "subscription-1", **more: Any) -> asks.EndProvision:
    """End a provision: at once, or at the instant that is given."""
    when = "at" if more.get("ends_at") is not None else "now"
    return asks.EndProvision(provision_id=provision_id, **(of_pool({"reason": "cancelled", "when": when}) | more))


def uncancel_provision(provision_id: str = "subscription-1", **more: Any) -> asks.UncancelProvision:
    """Withdraw the end that was scheduled for a provision."""
    return asks.UncancelProvision(provision_id=provision_id, **(of_pool({"reason": "stays"}) | more))


def issue_grant(grant_id: str = "grant-1", *rules: Rule, **more: Any) -> asks.IssueGrant:
    """Give the example pool something; without rules 100 API calls a day."""
    facts: dict[str, Any] = {
        "reason": "sorry for the outage",
        "set_id": "goodwill",
        "set_version": 1,
        "rules": list(rules) or [quota()],
    }
    return asks.IssueGrant(grant_id=grant_id, **(of_pool(facts) | more))


def revoke_grant(grant_id: str = "grant-1", **more: Any) -> asks.RevokeGrant:
    """Take a grant back."""
    return asks.RevokeGrant(grant_id=grant_id, **(of_pool({"reason": "a mistake"}) | more))


def assign_workspace(workspace_id: str = WORKSPACE, **more: Any) -> asks.AssignWorkspace:
    """Let a workspace use the example pool."""
    return asks.AssignWorkspace(workspace_id=workspace_id, **(of_pool({"role": "primary"}) | more))


def unassign_workspace(workspace_id: str = WORKSPACE, **more: Any) -> asks.UnassignWorkspace:
    """Stop a workspace from using the example pool."""
    return asks.UnassignWorkspace(workspace_id=workspace_id, **(of_pool({"reason": "moved"}) | more))


def record_usage(*lines: UsageLine, **more: Any) -> asks.RecordUsage:
    """Record lines of usage of the example pool; without lines one strict API call."""
    return asks.RecordUsage(**(of_pool({"lines": list(lines) or [line()]}) | more))


def record_usage_batch(*lines: UsageLine, pool_id: str = POOL, **more: Any) -> asks.RecordUsageBatch:
    """A batch of usage with the lines of one pool; more: source and sequence, or all groups."""
    group: UsageGroup = {"pool_id": pool_id, "lines": list(lines) or [line()]}
    return asks.RecordUsageBatch(**({"command_id": "a-command", "actor": "alice", "groups": [group]} | more))


def release_usage(resource_key: str = "seats", quantity: int = 1, **more: Any) -> asks.ReleaseUsage:
    """Give back what is held."""
    return asks.ReleaseUsage(resource_key=resource_key, quantity=quantity, **of_pool(more))


def advance_clock(**more: Any) -> asks.AdvanceClock:
    """Let what is due happen."""
    return asks.AdvanceClock(**of_pool(more))
