"""Sets that extend others, as whoever defines them resolves them before asking (domain/inheritance.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from entitlements.domain.catalogue import EntitlementSetDefined
from entitlements.domain.commands import Command, DefineEntitlementSet
from entitlements.domain.inheritance import SetVersion, newest, resolve, whole
from entitlements.domain.values import OwnRule, ParentSet
from entitlements.scenarios.words import Words

Versions = Mapping[tuple[str, int], EntitlementSetDefined]


def extended(command: Command, written: Words, versions: Versions) -> Command:
    """The command with what it inherits; any other as it is. Parents without a version are meant as they are now.

    Raises CommandRefused: what it extends is not there, or does not fit together.
    """
    if not isinstance(command, DefineEntitlementSet) or not command.extends:
        return command
    catalogue = {address: _version_of(address, defined) for address, defined in versions.items()}
    parents = [ParentSet(set_id=p.set_id, version=p.version or newest(p.set_id, catalogue)) for p in command.extends]
    stated = [sorted(rule.model_fields_set - {"resource_key"}) for rule in getattr(written, "rules", None) or []]
    own = [OwnRule(rule=rule, stated=names) for rule, names in zip(command.rules, stated, strict=True)]
    child = SetVersion(
        set_id=command.set_id, version=0, extends=parents, inheritance=command.inheritance, own_rules=own
    )
    found = resolve(child, catalogue)
    return replace(command, extends=parents, rules=found.rules, own_rules=found.own_rules)


def _version_of(address: tuple[str, int], defined: EntitlementSetDefined) -> SetVersion:
    own = defined.own_rules if defined.extends else whole(defined.rules)
    return SetVersion(
        set_id=address[0],
        version=address[1],
        extends=defined.extends,
        inheritance=defined.inheritance,
        own_rules=own,
    )
