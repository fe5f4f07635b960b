"""After provisions change: what the pool has now, and what of it differs from before."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pool_events import EntitlementsChanged
from entitlements.domain.pools import ResourcePool
from entitlements.domain.stacking import contribution_of, stack
from entitlements.domain.values import Contribution, EntitlementChange, EntitlementType, Rule


def restack(pool: ResourcePool, at: datetime) -> None:
    """Stack the contributions of active provisions anew and let every difference happen as one event."""
    rules, contributions = _contributions(pool)
    changes = []
    for resource_key in sorted(rules.keys() | pool.entitlements.keys()):
        change = _change(
            pool.entitlements.get(resource_key), rules.get(resource_key), contributions.get(resource_key, [])
        )
        if change is not None:
            changes.append(change)
    if changes:
        pool.happen(EntitlementsChanged, at, changes=changes)


def _contributions(pool: ResourcePool) -> tuple[dict[str, Rule], dict[str, list[Contribution]]]:
    rules: dict[str, Rule] = {}
    contributions: dict[str, list[Contribution]] = {}
    for provision in pool.active_provisions():
        for rule in provision.rules:
            rules[rule.resource_key] = (
                rule  # All rules of one key agree on what is read here: provisions.py sees to it.
            )
            contribution = contribution_of(rule, provision.provision_id, provision.quantity)
            contributions.setdefault(rule.resource_key, []).append(contribution)
    return rules, contributions


def _change(held: Entitlement | None, rule: Rule | None, contributions: list[Contribution]) -> EntitlementChange | None:
    before = held.value if held is not None else None
    if rule is None:
        assert held is not None
        if before is None:
            return None
        kind, stacking, after = held.entitlement_type, held.stacking, None
    else:
        kind, stacking = entitlement_type_of(rule), rule.stacking
        after = stack(contributions, stacking, rule.period)
        if held is not None and after == before and contributions == held.contributions:
            return None
    return EntitlementChange(
        resource_key=rule.resource_key if rule is not None else held.resource_key,  # type: ignore[union-attr]
        entitlement_type=kind,
        before=before,
        after=after,
        stacking=stacking,
        contributions=contributions,
    )


def entitlement_type_of(rule: Rule) -> EntitlementType:
    """The type of the entitlement a rule confers."""
    assert rule.rule_type != "credit", "credit rules are refused when a set is defined"
    return rule.rule_type
