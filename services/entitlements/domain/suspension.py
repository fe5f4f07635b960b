"""Why nothing confers a key: because nobody bought it, or because what confers it is suspended, as for a payment that is past due."""

from __future__ import annotations

from entitlements.domain.errors import CommandRefused, NotEntitled, ProvisionIsSuspended
from entitlements.domain.pools import Provision, ResourcePool
from entitlements.domain.sharing import rules_about


def why_not_entitled(pool: ResourcePool, resource_key: str, workspace_id: str = "") -> type[CommandRefused]:
    """The reason for a key that has no value. What an administrator denies would be denied after a resumption too."""
    for override in pool.overrides.values():
        is_about_it = override.resource_key == resource_key and override.workspace_id in {"", workspace_id}
        if is_about_it and not override.allowed:
            return NotEntitled
    is_suspended = any(_would_confer(provision, resource_key) for provision in pool.provisions.values())
    return ProvisionIsSuspended if is_suspended else NotEntitled


def _would_confer(provision: Provision, resource_key: str) -> bool:
    if provision.status != "suspended":
        return False
    return any(not rule.denied for rule in rules_about(provision.rules, resource_key))
