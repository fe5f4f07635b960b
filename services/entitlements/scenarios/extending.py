"""Sets that extend sets, as files write them: resolved before they are sent, as whoever defines a set does."""

from __future__ import annotations

from dataclasses import replace

from entitlements.domain.catalogue import EntitlementSetDefined
from entitlements.domain.commands import DefineEntitlementSet
from entitlements.domain.inheritance import Catalogue, SetVersion, newest, resolve, whole
from entitlements.domain.values import OwnRule
from entitlements.scenarios.words import Words


def as_version(defined: EntitlementSetDefined) -> SetVersion:
    """A version of a set, as others can extend it."""
    return SetVersion(
        set_id=defined.originator_id,
        version=defined.version,
        extends=defined.extends,
        inheritance=defined.inheritance,
        own_rules=defined.own_rules if defined.extends else whole(defined.rules),
    )


def resolved(command: DefineEntitlementSet, written: Words, catalogue: Catalogue) -> DefineEntitlementSet:
    """The command with what is inherited; a parent without a version is the newest. Raises CommandRefused."""
    extends = [replace(p, version=p.version or newest(p.set_id, catalogue)) for p in command.extends]
    stated = [sorted(rule.model_fields_set - {"resource_key"}) for rule in getattr(written, "rules", [])]
    own = [OwnRule(rule=rule, stated=names) for rule, names in zip(command.rules, stated, strict=True)]
    child = SetVersion(
        set_id=command.set_id, version=0, extends=extends, inheritance=command.inheritance, own_rules=own
    )
    found = resolve(child, catalogue)
    return replace(command, extends=extends, rules=found.rules, own_rules=found.own_rules)
