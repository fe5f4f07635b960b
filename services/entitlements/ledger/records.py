"""Events and commands to plain records and back, by the types of their fields.

A plain record has instants as epoch milliseconds and nested values as dicts, as `Wire.encode_plain` takes it. Fields
that are plain already (texts, numbers, lines of usage) are passed through untouched: that is what makes usage cheap.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from entitlements.domain import (
    campaigns,
    catalogue,
    commands,
    governance_commands,
    ladders,
    metering_events,
    organization_events,
    organizations,
    plan_commands,
    plan_events,
    pool_events,
    remembering,
    usage_commands,
    usage_events,
)
from entitlements.domain.aggregate import AggregateType, Event, from_ms, to_ms
from entitlements.domain.commands import Command
from entitlements_schemas import EVENT_PREFIX, NotEncodable, names, text

#: Every module that defines commands or events: their classes are found by looking at subclasses.
_DEFINED_IN: Final = (
    campaigns, catalogue, commands, governance_commands, ladders, metering_events, organization_events, plan_commands, plan_events,
    pool_events, remembering, usage_commands, usage_events,
)  # fmt: skip

Convert = Callable[[Any], Any]
_FIRST_MS: Final = to_ms(datetime.min.replace(tzinfo=UTC))
_LAST_MS: Final = to_ms(datetime.max.replace(tzinfo=UTC))


class Shape:
    """How one class is converted. Fields that need nothing are not mentioned."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        hints = get_type_hints(kind)
        names = [field.name for field in fields(kind)]
        self._out = [(name, convert) for name in names if (convert := _outward(hints[name]))]
        self._in = [(name, convert) for name in names if (convert := _inward(hints[name]))]

    def to_record(self, value: Any) -> dict[str, Any]:
        """The plain record of an object."""
        record = dict(vars(value))
        for name, convert in self._out:
            record[name] = convert(record[name])
        return record

    def from_record(self, record: dict[str, Any]) -> Any:
        """The object of a plain record. The record is used up."""
        for name, convert in self._in:
            record[name] = convert(record[name])
        return self.kind(**record)


_SHAPES: Final[dict[type, Shape]] = {}


def shape_of(kind: type) -> Shape:
    """The shape of a class, found once."""
    shape = _SHAPES.get(kind)
    if shape is None:
        shape = _SHAPES[kind] = Shape(kind)
    return shape


def _outward(hint: Any) -> Convert | None:
    return _conversion(hint, _ms_of, lambda kind: shape_of(kind).to_record)


def _ms_of(at: datetime) -> int:
    """Raises NotEncodable for what nobody could read back: an instant of no zone, or one that UTC has not (the last evening west of it)."""
    if at.tzinfo is None:
        raise NotEncodable(f"{at.isoformat()} has no time zone")
    ms = to_ms(at)
    if not _FIRST_MS <= ms <= _LAST_MS:
        raise NotEncodable(f"{at.isoformat()} is not in the years 1 to 9999 of UTC")
    return ms


def _inward(hint: Any) -> Convert | None:
    return _conversion(hint, from_ms, lambda kind: shape_of(kind).from_record)


def _conversion(hint: Any, instant: Convert, nested: Callable[[type], Convert]) -> Convert | None:
    if hint is datetime:
        return instant
    if isinstance(hint, type) and is_dataclass(hint):
        return nested(hint)
    if get_origin(hint) is list:
        each = _conversion(get_args(hint)[0], instant, nested)
        return None if each is None else lambda values: [each(value) for value in values] if values else []
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(hint) if arg is not type(None))
        some = _conversion(inner, instant, nested)
        return None if some is None else lambda value: None if value is None else some(value)
    return None


def _subclasses(kind: type[Any]) -> list[type[Any]]:
    return [sub for child in kind.__subclasses__() for sub in (child, *_subclasses(child))]


def _classes(base: type, abstract: set[type], folder: str) -> dict[str, type]:
    return {f"entitlements.{folder}.{kind.__name__}": kind for kind in _subclasses(base) if kind not in abstract}


def _fields_of(full_name: str) -> list[str]:
    return [field["name"] for field in text(full_name)["fields"]]


def name_in_ledger(event_name: str) -> str:
    """The full name under which frames hold an event. `entitlements.ledger.X` has fields that `entitlements.events.X` does not publish."""
    private = event_name.replace(EVENT_PREFIX, "entitlements.ledger.")
    return private if private in names("ledger") else event_name


_ABSTRACT: Final[set[type]] = {
    campaigns.CampaignEvent,
    commands.PoolCommand,
    governance_commands.CampaignCommand,
    governance_commands.OrganizationCommand,
    organizations.OrganizationEvent,
    pool_events.PoolEvent,
    remembering.Remembered,
}
#: Every event and command class by the full name of its schema.
EVENTS: Final[dict[str, type[Event]]] = _classes(Event, _ABSTRACT, "events")
COMMANDS: Final[dict[str, type[Command]]] = _classes(Command, _ABSTRACT, "commands")

_LEDGER_NAMES: Final = {kind: name_in_ledger(name) for name, kind in EVENTS.items()}
#: What the ledger alone has of an event, by its short name: the fields that are not published.
PRIVATE_FIELDS: Final = {
    kind.__name__: frozenset(_fields_of(name_in_ledger(name))) - frozenset(_fields_of(name))
    for name, kind in EVENTS.items()
    if name_in_ledger(name) != name
}
_COMMAND_NAMES: Final = {kind: name for name, kind in COMMANDS.items()}
_KINDS: Final[dict[str, AggregateType]] = {kind.__name__: kind.aggregate_type for kind in EVENTS.values()}


def name_of_command(command: Command) -> str:
    """The full name of a command's schema."""
    return _COMMAND_NAMES[type(command)]


def event_to_record(event: Event) -> tuple[str, dict[str, Any]]:
    """Full name, as frames have it, and plain record of an event, as a union of records takes it."""
    kind = type(event)
    return _LEDGER_NAMES[kind], shape_of(kind).to_record(event)


def event_from_record(name: str, record: dict[str, Any]) -> Event:
    """The event of a full name and plain record."""
    event: Event = shape_of(EVENTS[name]).from_record(record)
    return event


def command_from_record(name: str, record: dict[str, Any]) -> Command:
    """The command of a full name and plain record; KeyError: the record is no command."""
    command: Command = shape_of(COMMANDS[name]).from_record(record)
    return command


def aggregate_type_of(short_event_name: str) -> AggregateType:
    """What kind of aggregate an event is about."""
    return _KINDS[short_event_name]
