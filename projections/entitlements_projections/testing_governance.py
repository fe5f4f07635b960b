"""What can happen to organizations and campaigns, for generated histories."""

from __future__ import annotations

from random import Random
from typing import Any

from entitlements.domain import governance_commands as governs
from entitlements.domain.aggregate import from_ms
from entitlements.domain.commands import Command
from entitlements.domain.values import Rule


def random_governance(random: Random, unique: str, at_ms: int, rules: list[Rule]) -> Command:
    """A command about one of two organizations or one of two campaigns; some are refused."""
    unit = f"u-{random.randint(0, 4)}"
    workspace, pool = f"ws-{random.randint(0, 4)}", f"pool-{random.randint(0, 5)}"
    subject = random.choice(("ann", "bob"))
    role = random.choice(("viewer", "editor", "admin", ""))
    facts: dict[str, Any] = {"command_id": unique, "actor": "somebody"}
    of_organization = facts | {"organization_id": f"org-{random.randint(0, 1)}"}
    of_campaign = facts | {"campaign_id": f"campaign-{random.randint(0, 1)}"}
    parent = random.choice(("", "", f"u-{random.randint(0, 4)}"))
    return random.choice((
        lambda: governs.DefineUnit(unit_id=unit, parent_unit_id=parent, name=unique, **of_organization),
        lambda: governs.DefineUnit(unit_id=unit, **of_organization),
        lambda: governs.RemoveUnit(unit_id=unit, **of_organization),
        lambda: governs.PlaceWorkspace(workspace_id=workspace, unit_id=random.choice((unit, unit, "")), **of_organization),
        lambda: governs.AssignUnit(
            unit_id=unit, pool_id=pool, role=random.choice(("primary", "secondary")), **of_organization
        ),
        lambda: governs.UnassignUnit(unit_id=unit, pool_id=pool, **of_organization),
        lambda: governs.SetMemberRole(subject_id=subject, unit_id=unit, role=role, **of_organization),
        lambda: governs.SetMemberRole(subject_id=subject, workspace_id=workspace, role=role, **of_organization),
        lambda: _admitting(random, at_ms, of_organization),
        lambda: governs.DefineCampaign(
            set_id="gift", set_version=1, rules=rules, ends_at=from_ms(at_ms + 200_000_000), reason=unique, **of_campaign
        ),
        lambda: governs.ChangeCampaignPools(add=[pool], remove=[f"pool-{random.randint(6, 7)}"], **of_campaign),
        lambda: governs.ChangeCampaignPools(remove=[pool], **of_campaign),
        lambda: governs.ActivateCampaign(**of_campaign),
        lambda: governs.DeactivateCampaign(reason="enough", **of_campaign),
    ))()  # fmt: skip


def _admitting(random: Random, at_ms: int, of_organization: dict[str, Any]) -> Command:
    policy, key = f"policy-{random.randint(0, 2)}", f"apikey{random.randint(10, 12)}"
    # By the instant, so that a history with a known seed stays what it is.
    for_whom: dict[str, Any] = ({}, {"acts_for_all": True}, {"act_for": ["org-7"]}, {"unit_id": "u-1"})[
        at_ms // 1000 % 4
    ]
    return random.choice((
        lambda: governs.DefineAccessPolicy(
            policy_id=policy, effect="DENY", document=f'{{"effect":"DENY","policy_id":"{policy}"}}', **of_organization
        ),
        lambda: governs.RetireAccessPolicy(policy_id=policy, **of_organization),
        lambda: governs.CreateApiKey(
            key_id=key, secret_sha256="0" * 64, scopes=["use", "read"], expires_at=from_ms(at_ms + 90_000_000), **for_whom,
            **of_organization
        ),
        lambda: governs.RevokeApiKey(key_id=key, revoke_at=from_ms(at_ms + 60_000_000), **of_organization),
        lambda: governs.RevokeApiKey(key_id=key, **of_organization),
    ))()  # fmt: skip
