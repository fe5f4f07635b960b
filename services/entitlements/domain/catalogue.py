"""Resource keys and entitlement sets: what can be conferred, apart from how it is sold."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from entitlements.domain.aggregate import Aggregate, AggregateType, Event, begin
from entitlements.domain.commands import DefineEntitlementSet, DefineResourceKey
from entitlements.domain.errors import InvalidCommand
from entitlements.domain.rules import check_rules
from entitlements.domain.values import DataType, Rule


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


class ResourceKeyDefined(Event):
    """A resource key has a description from now on."""

    aggregate_type: ClassVar[AggregateType] = "resource_key"

    command_id: str
    name: str
    data_type: DataType
    unit: str
    scale: int
    actor: str

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


class EntitlementSetDefined(Event):
    """A set has a new version."""

    aggregate_type: ClassVar[AggregateType] = "entitlement_set"

    command_id: str
    version: int
    name: str
    ladder: str | None
    rung: int | None
    rules: list[Rule]
    actor: str

    def mutate(self, aggregate: EntitlementSet | None) -> EntitlementSet | None:  # type: ignore[override]
        return EntitlementSet.opened_by(self) if aggregate is None else super().mutate(aggregate)

    def apply(self, aggregate: EntitlementSet) -> None:
        aggregate.describe(self)


def define_resource_key(key: ResourceKey | None, command: DefineResourceKey, now: datetime) -> ResourceKey:
    """Bring a key into the namespace, or describe it anew. Type and scale of a known key never change."""
    if not 0 <= command.scale <= 18:
        raise InvalidCommand("scale is from 0 to 18 decimals")
    facts = {"name": command.name, "data_type": command.data_type, "unit": command.unit, "scale": command.scale}
    if key is None:
        opening = ResourceKeyDefined(
            originator_id=command.resource_key,
            originator_version=ResourceKey.INITIAL_VERSION,
            timestamp=now,
            command_id=command.command_id,
            actor=command.actor,
            **facts,  # type: ignore[arg-type]
        )
        return begin(opening, ResourceKey)
    if (key.data_type, key.scale) != (command.data_type, command.scale):
        # Recorded quantities would silently mean something else.
        raise InvalidCommand(f"{key.id} is {key.data_type} at scale {key.scale} for ever")
    if (key.name, key.unit) != (command.name, command.unit):
        key.happen(ResourceKeyDefined, now, actor=command.actor, **facts)
    return key


def define_entitlement_set(held: EntitlementSet | None, command: DefineEntitlementSet, now: datetime) -> EntitlementSet:
    """Define a new version of a set; the same definition again is no new version."""
    check_rules(command.rules)
    if (command.ladder is None) != (command.rung is None):
        raise InvalidCommand("a set names a ladder and its rung, or neither")
    if held is None:
        opening = EntitlementSetDefined(
            originator_id=command.set_id,
            originator_version=EntitlementSet.INITIAL_VERSION,
            timestamp=now,
            command_id=command.command_id,
            version=1,
            name=command.name,
            ladder=command.ladder,
            rung=command.rung,
            rules=command.rules,
            actor=command.actor,
        )
        return begin(opening, EntitlementSet)
    if (held.name, held.ladder, held.rung, held.rules) != (command.name, command.ladder, command.rung, command.rules):
        held.happen(
            EntitlementSetDefined,
            now,
            version=held.set_version + 1,
            name=command.name,
            ladder=command.ladder,
            rung=command.rung,
            rules=command.rules,
            actor=command.actor,
        )
    return held
