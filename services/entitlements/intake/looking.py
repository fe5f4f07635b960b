"""What is looked up about a command before it is sent, where its decision sees only its own aggregate: other keys, sets, pools, organizations.

Each of these facts, once it is there, stays so: what was found holds when the command is decided. What was not found may come into being
at the same moment (two keys that inherit from each other, one key id for two organizations); that nobody refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from entitlements.domain.commands import Command, DefineEntitlementSet, DefineResourceKey
    from entitlements_projections.database import Connection


def is_looked_at(command: Command) -> bool:
    """Whether check_beside has anything to look up for a command."""
    from entitlements.domain.commands import DefineEntitlementSet, DefineResourceKey
    from entitlements.domain.governance_commands import AssignUnit, CreateApiKey

    return isinstance(command, DefineEntitlementSet | DefineResourceKey | AssignUnit | CreateApiKey)


def check_beside(connection: Connection, command: Command) -> None:
    """Check a command against what there is beside its aggregate.

    Raises InheritanceCycle, InheritanceIsTooDeep: of keys and sets; UnknownParent: of sets, keys may be defined later; UnknownPool: another
    organization's, or nobody's; ApiKeyAlreadyExists: another organization has a key of this id.
    """
    from entitlements.domain.commands import DefineEntitlementSet, DefineResourceKey
    from entitlements.domain.errors import ApiKeyAlreadyExists, UnknownPool
    from entitlements.domain.governance_commands import AssignUnit, CreateApiKey
    from entitlements_projections import reading
    from entitlements_projections.reading import access

    if isinstance(command, DefineResourceKey):
        _check_key(connection, command)
    elif isinstance(command, DefineEntitlementSet):
        _check_set(connection, command)
    elif isinstance(command, AssignUnit):
        if reading.organization_of_pool(connection, command.pool_id) != command.organization_id:
            raise UnknownPool(command.pool_id)
    elif isinstance(command, CreateApiKey):
        present = access.key_of(connection, command.key_id)
        if present is not None and present["organization_id"] != command.organization_id:
            raise ApiKeyAlreadyExists(command.key_id)


def _check_key(connection: Connection, command: DefineResourceKey) -> None:
    from entitlements.domain.key_inheritance import check_lineage
    from entitlements_projections.reading import definitions

    parents = command.terms.inherits_from if command.terms is not None else []
    if parents:
        check_lineage(command.resource_key, parents, definitions.keys_ancestral(connection, parents))


def _check_set(connection: Connection, command: DefineEntitlementSet) -> None:
    from entitlements.domain.inheritance import SetVersion, check_ancestors
    from entitlements_projections.reading import definitions

    if command.extends:
        family = definitions.set_family(connection, [(parent.set_id, parent.version) for parent in command.extends])
        extending = SetVersion(set_id=command.set_id, version=0, extends=command.extends, own_rules=[])
        check_ancestors(extending, family)
