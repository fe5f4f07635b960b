"""Which events of a frame followed from which of its traced commands, so that events carry the trace on.

Only commands that came with a trace are looked at. Lines of usage of many commands become one event of their pool: that event
followed from each of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from entitlements.domain import commands
from entitlements.domain.aggregate import Aggregate, AggregateType
from entitlements.domain.commands import address_of
from entitlements.domain.pools import ResourcePool
from entitlements.ledger.records import aggregate_type_of

Address = tuple[AggregateType, str]


class _Before(NamedTuple):
    """Where an aggregate stood before a command. recorded, refused: lines of usage that were no event yet."""

    version: int = 0
    recorded: int = 0
    refused: int = 0


class _Span(NamedTuple):
    """The versions of an aggregate that a command may have caused: those after `before`, up to the last."""

    offset: int
    before: _Before
    last: int

    def holds(self, name: str, record: Mapping[str, Any], previous: str) -> bool:
        """Whether an event follows from the command. previous: the name of the aggregate's event before it."""
        nth = record["originator_version"] - self.before.version
        if not 0 < nth <= self.last - self.before.version:
            return False
        # The command may only have made events of lines that others recorded before it.
        if name == "UsageRecorded" and nth == 1:
            return len(record["lines"]) > self.before.recorded or not self.before.recorded
        if name == "UsageRefused" and nth == 1 + (previous == "UsageRecorded"):
            return len(record["lines"]) > self.before.refused or not self.before.refused
        return True


class Causes:
    """What the traced commands of a batch did. `before` and `after` bracket the decision of each; `of` is asked when all is sealed."""

    def __init__(self, offsets: Collection[int]) -> None:
        """Offsets: of the commands that are traced."""
        self._offsets = offsets
        self._before: dict[Address, _Before] = {}
        self._spans: dict[Address, list[_Span]] = {}
        #: (place in the frame, offset of the command), in this order.
        self.found: list[tuple[int, int]] = []

    def before(self, offset: int, command: Any, aggregates: Mapping[AggregateType, Mapping[str, Aggregate]]) -> None:
        """A command is about to be decided. Plain usage is a record, every other command an object."""
        self._before = {}
        if offset in self._offsets:
            for kind, aggregate_id in _addresses_of(command):
                self._before[kind, aggregate_id] = _stands(aggregates[kind].get(aggregate_id))

    def after(self, offset: int, aggregates: Mapping[AggregateType, Mapping[str, Aggregate]]) -> None:
        """It is decided. Lines that are not an event yet will be the next one or, with refused ones beside them, the next two."""
        for address, before in self._before.items():
            aggregate = aggregates[address[0]].get(address[1])
            if aggregate is not None:
                span = _Span(offset, before, aggregate.version + _unsealed(aggregate))
                self._spans.setdefault(address, []).append(span)

    def note(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """The events of the frame, in order: full names, and records."""
        previous = "", ""
        for place, (full_name, record) in enumerate(events):
            name, aggregate_id = full_name.rpartition(".")[2], record["originator_id"]
            before = previous[1] if previous[0] == aggregate_id else ""
            for span in self._spans.get((aggregate_type_of(name), aggregate_id), ()):
                if span.holds(name, record, before):
                    self.found.append((place, span.offset))
            previous = aggregate_id, name


def _addresses_of(command: Any) -> list[Address]:
    if type(command) is dict:
        return [("pool", command["pool_id"])]
    if type(command) is commands.RecordUsageBatch:
        return [("pool", group["pool_id"]) for group in command.groups]
    return [address_of(command)]


def _stands(aggregate: Aggregate | None) -> _Before:
    if aggregate is None:
        return _Before()
    if not isinstance(aggregate, ResourcePool):
        return _Before(aggregate.version)
    return _Before(aggregate.version, len(aggregate.recorded), len(aggregate.refused))


def _unsealed(aggregate: Aggregate) -> int:
    if not isinstance(aggregate, ResourcePool):
        return 0
    return bool(aggregate.recorded or aggregate.recorded_sources) + bool(aggregate.refused or aggregate.refused_sources)
