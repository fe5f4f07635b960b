"""Example commands about organizations and campaigns, for tests and benchmarks. As examples.py."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from entitlements.domain import governance_commands as governs
from entitlements.domain.commands import Command
from entitlements.examples import NOON, POOL, WORKSPACE, quota

ORGANIZATION = "organization-1"
UNIT = "unit-1"
CAMPAIGN = "campaign-1"


def _of_organization(more: dict[str, Any]) -> dict[str, Any]:
    return {"command_id": "a-command", "actor": "alice", "organization_id": ORGANIZATION} | more


def _of_campaign(more: dict[str, Any]) -> dict[str, Any]:
    return {"command_id": "a-command", "actor": "alice", "campaign_id": CAMPAIGN} | more


def define_unit(unit_id: str = UNIT, parent_unit_id: str = "", **more: Any) -> governs.DefineUnit:
    """Add a unit, or move it."""
    return governs.DefineUnit(unit_id=unit_id, parent_unit_id=parent_unit_id, **_of_organization(more))


def remove_unit(unit_id: str = UNIT, **more: Any) -> governs.RemoveUnit:
    """Remove an empty unit."""
    return governs.RemoveUnit(unit_id=unit_id, **_of_organization(more))


def place_workspace(workspace_id: str = WORKSPACE, unit_id: str = UNIT, **more: Any) -> governs.PlaceWorkspace:
    """Put a workspace into a unit."""
    return governs.PlaceWorkspace(workspace_id=workspace_id, unit_id=unit_id, **_of_organization(more))


def assign_unit(unit_id: str = UNIT, pool_id: str = POOL, **more: Any) -> governs.AssignUnit:
    """Let a unit use a pool."""
    return governs.AssignUnit(unit_id=unit_id, pool_id=pool_id, **_of_organization(more))


def unassign_unit(unit_id: str = UNIT, pool_id: str = POOL, **more: Any) -> governs.UnassignUnit:
    """Take a pool back from a unit."""
    return governs.UnassignUnit(unit_id=unit_id, pool_id=pool_id, **_of_organization(more))


def set_member_role(subject_id: str = "bob", **more: Any) -> governs.SetMemberRole:
    """Give a subject a role; without more that of an editor in the example unit."""
    facts = {"role": "editor"} | ({} if "workspace_id" in more else {"unit_id": UNIT})
    return governs.SetMemberRole(subject_id=subject_id, **_of_organization(facts | more))


def define_access_policy(policy_id: str = "beta", **more: Any) -> governs.DefineAccessPolicy:
    """A policy; without more one that lets customers in Europe use features that are tried out."""
    said: dict[str, Any] = {
        "policy_id": policy_id,
        "effect": "ALLOW",
        "resource_keys": ["beta_*"],
        "conditions": [{"field": "customer.region", "operator": "equals", "value": "EU"}],
    }
    said |= {name: more.pop(name) for name in list(more) if name in {"effect", "priority", "conditions", "reason"}}
    facts: dict[str, Any] = {name: said[name] for name in ("effect", "priority") if name in said}
    facts["document"] = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return governs.DefineAccessPolicy(policy_id=policy_id, **_of_organization(facts | more))


def retire_access_policy(policy_id: str = "beta", **more: Any) -> governs.RetireAccessPolicy:
    """Let it count no more."""
    return governs.RetireAccessPolicy(policy_id=policy_id, **_of_organization(more))


def create_api_key(key_id: str = "k1234567", **more: Any) -> governs.CreateApiKey:
    """An API key of everybody's example secret; without more one that reads."""
    facts = {"secret_sha256": hashlib.sha256(b"secret").hexdigest(), "scopes": ["read"]}
    return governs.CreateApiKey(key_id=key_id, **_of_organization(facts | more))


def revoke_api_key(key_id: str = "k1234567", **more: Any) -> governs.RevokeApiKey:
    """Take it back."""
    return governs.RevokeApiKey(key_id=key_id, **_of_organization(more))


def define_campaign(**more: Any) -> governs.DefineCampaign:
    """A campaign of a month that gives 50 calls a day."""
    facts = {
        "set_id": "spring",
        "set_version": 1,
        "rules": [quota(amount=50)],
        "ends_at": NOON + timedelta(days=30),
        "reason": "spring",
    }
    return governs.DefineCampaign(**_of_campaign(facts | more))


def change_campaign_pools(add: list[str] | None = None, **more: Any) -> governs.ChangeCampaignPools:
    """Add pools to the campaign, or take them out."""
    return governs.ChangeCampaignPools(add=[POOL] if add is None else add, **_of_campaign(more))


def activate_campaign(**more: Any) -> governs.ActivateCampaign:
    """Confer it."""
    return governs.ActivateCampaign(**_of_campaign(more))


def deactivate_campaign(**more: Any) -> governs.DeactivateCampaign:
    """Take it back."""
    return governs.DeactivateCampaign(**_of_campaign({"reason": "it was too much"} | more))


def one_of_each() -> list[Command]:
    """One command of every kind about organizations and campaigns."""
    return [
        define_unit(),
        place_workspace(),
        assign_unit(),
        unassign_unit(),
        set_member_role(),
        remove_unit(),
        define_access_policy(),
        retire_access_policy(),
        create_api_key(expires_at=NOON + timedelta(days=30), requests_per_s=100, act_for=["acme"]),
        revoke_api_key(revoke_at=NOON + timedelta(days=1)),
        define_campaign(starts_at=NOON),
        change_campaign_pools(),
        activate_campaign(),
        deactivate_campaign(),
    ]
