"""Decisions about plans."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.pools import ResourcePool
from entitlements.domain.plan_commands import ChangeDefaults, ChangePlan, ChangeQuantity, ReviseProvision, StartTrial


def change_plan(pool: ResourcePool, command: ChangePlan, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError


def start_trial(pool: ResourcePool, command: StartTrial, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError


def change_quantity(pool: ResourcePool, command: ChangeQuantity, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError


def revise_provision(pool: ResourcePool, command: ReviseProvision, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError


def change_defaults(pool: ResourcePool, command: ChangeDefaults, now: datetime) -> None:
    """To be decided."""
    raise NotImplementedError
