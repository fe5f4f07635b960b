"""Example commands about a pool's terms and what is held of it, and one of every kind. The others are in examples.py."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from entitlements.domain import plan_commands as terms
from entitlements.domain import usage_commands as holds
from entitlements.domain.commands import Command
from entitlements.domain.values import OwnRule, ParentSet, Rule
from entitlements.examples import (
    LADDER,
    NOON,
    WORKSPACE,
    advance_clock,
    assign_workspace,
    close_pool,
    define_entitlement_set,
    define_ladder,
    define_resource_key,
    end_provision,
    feature,
    issue_grant,
    key_terms,
    limit,
    line,
    of_pool,
    open_pool,
    provision_pool,
    quota,
    record_usage,
    record_usage_batch,
    release_usage,
    resume_pool,
    resume_provision,
    revoke_grant,
    suspend_pool,
    suspend_provision,
    unassign_workspace,
    uncancel_provision,
)
from entitlements.examples_of_governance import one_of_each as one_of_each_of_governance

RESERVATION = "reservation-1"
OVERRIDE = "override-1"


def change_plan(provision_id: str = "subscription-2", *rules: Rule, **more: Any) -> terms.ChangePlan:
    """Move the ladder to another plan."""
    facts: dict[str, Any] = {
        "ladder": LADDER,
        "provision_id": provision_id,
        "source": "subscription",
        "set_id": "pro",
        "set_version": 1,
        "rung": 2,
        "rules": list(rules) or [quota(amount=1_000)],
    }
    return terms.ChangePlan(**of_pool(facts | more))


def start_trial(*rules: Rule, **more: Any) -> terms.StartTrial:
    """Try a plan for two weeks; the free one follows."""
    facts: dict[str, Any] = {
        "ladder": LADDER,
        "provision_id": "trial-1",
        "set_id": "pro",
        "set_version": 1,
        "rung": 2,
        "rules": list(rules) or [quota(amount=1_000)],
        "ends_at": NOON + timedelta(days=14),
        "then_provision_id": "subscription-1",
        "then_source": "subscription",
        "then_set_id": "free",
        "then_set_version": 1,
        "then_rung": 1,
        "then_rules": [quota()],
    }
    return terms.StartTrial(**of_pool(facts | more))


def change_quantity(quantity: int = 2, **more: Any) -> terms.ChangeQuantity:
    """Buy more or less."""
    return terms.ChangeQuantity(**of_pool({"provision_id": "subscription-1", "quantity": quantity} | more))


def revise_provision(*rules: Rule, **more: Any) -> terms.ReviseProvision:
    """Give a provision the second version of its set."""
    facts: dict[str, Any] = {"provision_id": "subscription-1", "set_version": 2, "rules": list(rules) or [quota()]}
    return terms.ReviseProvision(**of_pool(facts | more))


def change_defaults(*rules: Rule, **more: Any) -> terms.ChangeDefaults:
    """Say what there is where nothing contributes."""
    return terms.ChangeDefaults(**of_pool({"rules": list(rules)} | more))


def change_calendar(time_zone: str = "Europe/Berlin", **more: Any) -> terms.ChangeCalendar:
    """Count periods by another time zone."""
    return terms.ChangeCalendar(**of_pool({"time_zone": time_zone} | more))


def forgive_overage(resource_key: str = "api_calls", **more: Any) -> terms.ForgiveOverage:
    """Forgive what is owed."""
    facts = {"resource_key": resource_key, "reason": "a favour", "actor": "jane"}
    return terms.ForgiveOverage(**of_pool(facts | more))


def reset_usage(resource_key: str = "api_calls", **more: Any) -> terms.ResetUsage:
    """Start a period anew."""
    return terms.ResetUsage(**of_pool({"resource_key": resource_key} | more))


def set_override(amount: int | None = 500, **more: Any) -> terms.SetOverride:
    """Say by hand what there is."""
    facts = {"override_id": OVERRIDE, "resource_key": "api_calls", "amount": amount, "reason": "a launch"}
    return terms.SetOverride(**of_pool(facts | more))


def clear_override(override_id: str = OVERRIDE, **more: Any) -> terms.ClearOverride:
    """Take an override back."""
    return terms.ClearOverride(**of_pool({"override_id": override_id} | more))


def configure_on_demand(**more: Any) -> terms.ConfigureOnDemand:
    """Two cents a call beyond what is included, up to ten euros."""
    facts: dict[str, Any] = {
        "resource_key": "api_calls",
        "enabled": True,
        "payer": "acme-billing",
        "currency": "EUR",
        "unit_price": 2,
        "spending_cap": 1_000,
        "alert_at": [50, 100],
    }
    return terms.ConfigureOnDemand(**of_pool(facts | more))


def cap_member(amount: int | None = 10, **more: Any) -> terms.CapMember:
    """Cap a workspace."""
    return terms.CapMember(**of_pool({"workspace_id": WORKSPACE, "resource_key": "api_calls", "amount": amount} | more))


def reserve_usage(quantity: int = 10, **more: Any) -> holds.ReserveUsage:
    """Hold a quantity for an hour."""
    facts: dict[str, Any] = {
        "reservation_id": RESERVATION,
        "resource_key": "api_calls",
        "quantity": quantity,
        "expires_at": NOON + timedelta(hours=1),
    }
    return holds.ReserveUsage(**of_pool(facts | more))


def extend_reservation(**more: Any) -> holds.ExtendReservation:
    """Hold it for two hours."""
    facts = {"reservation_id": RESERVATION, "expires_at": NOON + timedelta(hours=2)}
    return holds.ExtendReservation(**of_pool(facts | more))


def commit_reservation(quantity: int = 10, **more: Any) -> holds.CommitReservation:
    """Use what was reserved."""
    return holds.CommitReservation(**of_pool({"reservation_id": RESERVATION, "quantity": quantity} | more))


def release_reservation(**more: Any) -> holds.ReleaseReservation:
    """Give it back unused."""
    return holds.ReleaseReservation(**of_pool({"reservation_id": RESERVATION} | more))


def allocate_limit(quantity: int = 1, **more: Any) -> holds.AllocateLimit:
    """Take a seat."""
    return holds.AllocateLimit(**of_pool({"resource_key": "seats", "quantity": quantity} | more))


def set_allocation(held: int = 3, **more: Any) -> holds.SetAllocation:
    """Say how many seats are taken."""
    return holds.SetAllocation(**of_pool({"resource_key": "seats", "held": held} | more))


def reverse_usage(usage_id: str = "u-1", **more: Any) -> holds.ReverseUsage:
    """Take a recorded line back."""
    return holds.ReverseUsage(**of_pool({"usage_id": usage_id, "reason": "it failed"} | more))


def correct_usage(adjustment: int = 5, **more: Any) -> holds.CorrectUsage:
    """Correct the total of the period."""
    facts = {"resource_key": "api_calls", "adjustment": adjustment, "reason": "the meter was wrong"}
    return holds.CorrectUsage(**of_pool(facts | more))


def one_of_each() -> list[Command]:
    """One command of every kind."""
    return [
        define_resource_key(data_type="boolean", terms=key_terms()),
        define_entitlement_set(
            extends=[ParentSet(set_id="base", version=1)],
            own_rules=[OwnRule(rule=quota(), stated=["amount"])],
            ladder_rungs=[1, 2],
        ),
        define_ladder(),
        open_pool(),
        suspend_pool(),
        resume_pool(),
        provision_pool("subscription-1", quota(), feature(), limit(), ladder=LADDER, rung=1),
        suspend_provision(),
        resume_provision(),
        end_provision(ends_at=NOON),
        uncancel_provision(),
        issue_grant(),
        revoke_grant(),
        assign_workspace(),
        unassign_workspace(),
        record_usage(line(occurred_at=NOON, usage_id="usage-1"), line("seats", 2, workspace_id=WORKSPACE)),
        record_usage_batch(source="gateway-7", sequence=41),
        release_usage(),
        advance_clock(),
        change_plan(),
        start_trial(),
        change_quantity(),
        revise_provision(),
        change_defaults(quota()),
        change_calendar(anchor_at=NOON),
        reset_usage(),
        forgive_overage(),
        set_override(expires_at=NOON + timedelta(hours=4)),
        clear_override(),
        configure_on_demand(),
        cap_member(),
        reserve_usage(),
        extend_reservation(),
        commit_reservation(),
        release_reservation(),
        allocate_limit(holder_id="alice"),
        set_allocation(),
        reverse_usage(),
        correct_usage(),
        close_pool(),
        *one_of_each_of_governance(),
    ]
