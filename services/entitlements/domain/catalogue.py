"""Resource keys and entitlement sets: what can be conferred, apart from how it is sold."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from entitlements.domain.aggregate import Aggregate, AggregateType, Event, begin
from entitlements.domain.commands import DefineEntitlementSet, DefineResourceKey
from entitlements.domain.errors import InvalidCommand
from entitlements.domain.inheritance import SetVersion, check_extension
from entitlements.domain.key_terms import check_terms
from entitlements.domain.ladders import check_rung
from entitlements.domain.rules import check_rules
from entitlements.domain.values import DataType, Inheritance, KeyTerms, OwnRule, ParentSet, Rule


class ResourceKey(Aggregate):
    """The shared name of something one can be entitled to, with the type and unit of its values."""

    aggregate_type = "resource_key"

    def __init__(self, defined: ResourceKeyDefined) -> None:
        super().__init__(defined)
        self.describe(defined)

    def describe(self, defined: ResourceKeyDefined) -> None:
        """Take the description of a definition."""
        self.name, self.data_type = defined.name, defined.data_type
        self.unit, self.scale = defined.unit, defined.scale
        self.terms = defined.terms


class ResourceKeyDefined(Event):
    """A resource key was defined, or its definition changed."""

    aggregate_type: ClassVar[AggregateType] = "resource_key"

    command_id: str
    name: str
    data_type: DataType
    unit: str
    scale: int
    actor: str
    terms: KeyTerms | None

    def mutate(self, aggregate: ResourceKey | None) -> ResourceKey | None:  # type: ignore[override]
        return ResourceKey.opened_by(self) if aggregate is None else super().mutate(aggregate)

    def apply(self, aggregate: ResourceKey) -> None:
        aggregate.describe(self)


class EntitlementSet(Aggregate):
    """Named, versioned, reusable rules."""

    aggregate_type = "entitlement_set"

    def __init__(self, defined: EntitlementSetDefined) -> None:
        super().__init__(defined)
        self.describe(defined)

    def describe(self, defined: EntitlementSetDefined) -> None:
        """Take the newest version."""
        self.set_version, self.name = defined.version, defined.name
        self.ladder, self.rung, self.rules = defined.ladder, defined.rung, defined.rules
        self.extends, self.inheritance, self.own_rules = defined.extends, defined.inheritance, defined.own_rules


class EntitlementSetDefined(Event):
    """A new version of an entitlement set was defined."""

    aggregate_type: ClassVar[AggregateType] = "entitlement_set"

    command_id: str
    version: int
    name: str
    ladder: str | None
    rung: int | None
    rules: list[Rule]
    actor: str
    extends: list[ParentSet]
    inheritance: Inheritance
    own_rules: list[OwnRule]

    def mutate(self, aggregate: EntitlementSet | None) -> EntitlementSet | None:  # type: ignore[override]
        return EntitlementSet.opened_by(self) if aggregate is None else super().mutate(aggregate)

    def apply(self, aggregate: EntitlementSet) -> None:
        aggregate.describe(self)


def define_resource_key(key: ResourceKey | None, command: DefineResourceKey, now: datetime) -> ResourceKey:
    """Bring a key into the namespace, or describe it anew. Type and scale of a known key never change.

    A description without terms leaves those that were said before.
    """
    if not 0 <= command.scale <= 18:
        raise InvalidCommand("scale must be 0 to 18")
    if command.terms is not None:
        check_terms(command.resource_key, command.data_type, command.terms)
    facts: dict[str, Any] = {name: getattr(command, name) for name in ("name", "data_type", "unit", "scale", "terms")}
    if key is None:
        opening = ResourceKeyDefined(
            originator_id=command.resource_key,
            originator_version=ResourceKey.INITIAL_VERSION,
            timestamp=now,
            command_id=command.command_id,
            actor=command.actor,
            **facts,
        )
        return begin(opening, ResourceKey)
    if (key.data_type, key.scale) != (command.data_type, command.scale):
        # Recorded quantities would silently mean something else.
        raise InvalidCommand(f"{key.id} is {key.data_type} with scale {key.scale}; type and scale cannot change")
    if command.terms is None:
        facts["terms"] = key.terms
    if any(getattr(key, name) != fact for name, fact in facts.items()):
        key.happen(ResourceKeyDefined, now, actor=command.actor, **facts)
    return key


_OF_SET = ("name", "ladder", "rung", "rules", "extends", "inheritance", "own_rules")


def define_entitlement_set(held: EntitlementSet | None, command: DefineEntitlementSet, now: datetime) -> EntitlementSet:
    """Define a new version of a set; the same definition again is no new version. It has been resolved by the sender."""
    check_rules(command.rules)
    if (command.ladder is None) != (command.rung is None):
        raise InvalidCommand("set both ladder and rung, or neither")
    version = 1 if held is None else held.set_version + 1
    check_extension(_as_version(command, version), command.rules)
    facts: dict[str, Any] = {name: getattr(command, name) for name in _OF_SET}
    if held is None:
        check_rung(command.ladder, command.rung, command.ladder_rungs)
        opening = EntitlementSetDefined(
            originator_id=command.set_id,
            originator_version=EntitlementSet.INITIAL_VERSION,
            timestamp=now,
            command_id=command.command_id,
            version=version,
            actor=command.actor,
            **facts,
        )
        return begin(opening, EntitlementSet)
    if any(getattr(held, name) != fact for name, fact in facts.items()):
        check_rung(command.ladder, command.rung, command.ladder_rungs)
        held.happen(EntitlementSetDefined, now, version=version, actor=command.actor, **facts)
    return held


def _as_version(command: DefineEntitlementSet, version: int) -> SetVersion:
    return SetVersion(
        set_id=command.set_id,
        version=version,
        extends=command.extends,
        inheritance=command.inheritance,
        own_rules=command.own_rules,
    )
