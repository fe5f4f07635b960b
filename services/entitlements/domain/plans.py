"""Decisions about plans: upgrade, downgrade, trial, quantity, revision. Each is one decision and one explainable set of events."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.cancellations import end_of_billing_period
from entitlements.domain.commands import ProvisionPool
from entitlements.domain.errors import (
    InvalidCommand,
    LadderIsEmpty,
    NoBillingPeriod,
    PoolIsClosed,
    ProvisionAlreadyExists,
    ProvisionIsOver,
)
from entitlements.domain.owing import remember_idle_periods_of_all
from entitlements.domain.plan_commands import (
    ChangeDefaults,
    ChangePlan,
    ChangeQuantity,
    ReviseProvision,
    StartTrial,
)
from entitlements.domain.plan_events import DefaultsChanged, ProvisionQuantityChanged, ProvisionRevised
from entitlements.domain.pool_events import ProvisionEnded, ProvisionEndScheduled
from entitlements.domain.pools import Provision, ResourcePool
from entitlements.domain.provisions import check_new, find, is_known, schedule
from entitlements.domain.restack import restack
from entitlements.domain.rules import (
    check_amounts,
    check_defaults_beside,
    check_rules,
    check_rules_agree,
    check_rules_beside,
)


def change_plan(pool: ResourcePool, command: ChangePlan, now: datetime) -> None:
    """Move a ladder to another plan: at once, or when what runs there ends or its billing period does.

    Whatever was planned to follow there is dropped for it. What was consumed stays consumed: the next plan takes it over.
    """
    if pool.is_closed:
        raise PoolIsClosed
    present = next((p for p in pool.provisions.values() if p.ladder == command.ladder and _runs(p)), None)
    known = pool.provisions.get(command.provision_id)
    if known is not None and is_known(pool, _provision_of(command, known.starts_at)):
        return
    if present is None:
        raise LadderIsEmpty(command.ladder)
    starts_at = now if command.when == "now" else _end_of(pool, present, now)
    coming = _provision_of(command, starts_at)
    followers = [p for p in pool.provisions.values() if p.ladder == command.ladder and p.status == "scheduled"]
    leaving = {follower.provision_id for follower in followers} | {present.provision_id}
    check_new(pool, coming, now, leaving)
    for follower in followers:
        _replace(pool, follower, command, now)
    if command.when == "now":
        _replace(pool, present, command, now)
    elif present.ends_at != starts_at:
        pool.happen(
            ProvisionEndScheduled,
            now,
            provision_id=present.provision_id,
            ends_at=starts_at,
            planned_ends_at=present.planned_ends_at,
            reason=command.reason,
            actor=command.actor,
        )
    schedule(pool, coming, now)
    if command.when != "now":
        restack(pool, now)  # What ends sooner burns sooner.


def _runs(provision: Provision) -> bool:
    return provision.status in ("active", "suspended")


def _replace(pool: ResourcePool, provision: Provision, command: ChangePlan, now: datetime) -> None:
    pool.happen(
        ProvisionEnded,
        now,
        provision_id=provision.provision_id,
        reason="replaced",
        note=command.reason,
        actor=command.actor,
    )


def _end_of(pool: ResourcePool, present: Provision, now: datetime) -> datetime:
    """The end of what runs: as it is planned, else of its billing period."""
    if present.ends_at is not None:
        return present.ends_at
    if present.billing_period is None:
        raise NoBillingPeriod(present.provision_id)
    return end_of_billing_period(pool, present, now)


def _provision_of(command: ChangePlan, starts_at: datetime) -> ProvisionPool:
    return ProvisionPool(
        command_id=command.command_id,
        actor=command.actor,
        pool_id=command.pool_id,
        provision_id=command.provision_id,
        source=command.source,
        source_id=command.source_id,
        billing_account_id=command.billing_account_id,
        set_id=command.set_id,
        set_version=command.set_version,
        ladder=command.ladder,
        rung=command.rung,
        quantity=command.quantity,
        rules=command.rules,
        starts_at=starts_at,
        ends_at=command.ends_at,
        priority=command.priority,
        follows=command.follows,
        billing_period=command.billing_period,
    )


def start_trial(pool: ResourcePool, command: StartTrial, now: datetime) -> None:
    """Begin a trial that ends in another rung of its ladder: both are scheduled in one decision."""
    if pool.is_closed:
        raise PoolIsClosed
    trial, following = _trial_of(command), _following_of(command)
    known = [provision for provision in (trial, following) if is_known(pool, provision)]
    if len(known) == 2:
        return
    if known:
        raise ProvisionAlreadyExists(known[0].provision_id)
    if trial.provision_id == following.provision_id:
        raise InvalidCommand("the trial and the plan after it need different ids")
    check_new(pool, trial, now, room=2)
    check_new(pool, following, now, room=2)
    check_rules_agree(following.rules, trial.rules)
    schedule(pool, trial, now)
    schedule(pool, following, now)


def _trial_of(command: StartTrial) -> ProvisionPool:
    return ProvisionPool(
        command_id=command.command_id,
        actor=command.actor,
        pool_id=command.pool_id,
        provision_id=command.provision_id,
        source="subscription",
        set_id=command.set_id,
        set_version=command.set_version,
        ladder=command.ladder,
        rung=command.rung,
        rules=command.rules,
        ends_at=command.ends_at,
    )


def _following_of(command: StartTrial) -> ProvisionPool:
    return ProvisionPool(
        command_id=command.command_id,
        actor=command.actor,
        pool_id=command.pool_id,
        provision_id=command.then_provision_id,
        source=command.then_source,
        source_id=command.then_source_id,
        billing_account_id=command.then_billing_account_id,
        set_id=command.then_set_id,
        set_version=command.then_set_version,
        ladder=command.ladder,
        rung=command.then_rung,
        quantity=command.then_quantity,
        rules=command.then_rules,
        starts_at=command.ends_at,
    )


def change_quantity(pool: ResourcePool, command: ChangeQuantity, now: datetime) -> None:
    """Buy more or less of a provision; what was consumed of it stays consumed."""
    provision = find(pool, command.provision_id)
    if provision.is_over:
        raise ProvisionIsOver(command.provision_id)
    if provision.quantity == command.quantity:
        return
    check_amounts(provision.rules, command.quantity)
    remember_idle_periods_of_all(pool, now)
    pool.happen(
        ProvisionQuantityChanged,
        now,
        provision_id=command.provision_id,
        quantity=command.quantity,
        reason=command.reason,
        actor=command.actor,
    )
    restack(pool, now)


def revise_provision(pool: ResourcePool, command: ReviseProvision, now: datetime) -> None:
    """Give a provision a newer version of its set; the present one again is harmless, an older one is no news."""
    provision = find(pool, command.provision_id)
    if provision.is_over:
        raise ProvisionIsOver(command.provision_id)
    if provision.set_version == command.set_version and provision.rules == command.rules:
        return
    if command.set_version <= provision.set_version:
        raise InvalidCommand(f"{command.provision_id} already has version {provision.set_version} of its set")
    check_rules(command.rules)
    check_amounts(command.rules, provision.quantity)
    check_rules_beside(pool, command.rules, {command.provision_id})
    remember_idle_periods_of_all(pool, now)
    pool.happen(
        ProvisionRevised,
        now,
        provision_id=command.provision_id,
        set_version=command.set_version,
        rules=command.rules,
        reason=command.reason,
        actor=command.actor,
    )
    restack(pool, now)


def change_defaults(pool: ResourcePool, command: ChangeDefaults, now: datetime) -> None:
    """Say what the pool has of keys to which nothing contributes."""
    if pool.is_closed:
        raise PoolIsClosed
    check_rules(command.rules, empty=True)
    if list(pool.defaults.values()) == command.rules:
        return
    check_defaults_beside(pool, command.rules)
    remember_idle_periods_of_all(pool, now)
    pool.happen(DefaultsChanged, now, rules=command.rules, actor=command.actor)
    restack(pool, now)
