"""The aggregates of a scenario, and the way a command takes to them: what the engine does, without a log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from entitlements.domain.aggregate import Aggregate, AggregateType, Event, to_ms
from entitlements.domain.catalogue import EntitlementSetDefined
from entitlements.domain.checks import check_fields
from entitlements.domain.commands import AdvanceClock, Command, RecordUsage, RecordUsageBatch, address_of
from entitlements.domain.decide import decide, record_group
from entitlements.domain.errors import CommandRefused, UnknownPool
from entitlements.domain.ids import check_chosen
from entitlements.domain.inheritance import Catalogue
from entitlements.domain.ladders import PlanLadder
from entitlements.domain.lines import UsageAnswer
from entitlements.domain.overflow import asks_the_next
from entitlements.domain.pool_events import WorkspaceAssigned, WorkspaceUnassigned
from entitlements.domain.pools import ResourcePool
from entitlements.scenarios.extending import as_version
from entitlements.scenarios.files import POOL
from entitlements.scenarios.words import CannotBeMeant

_CLOCK: Final = "clock"


@dataclass
class Happened:
    """What became of a step: the events by the aggregate they are of, and the answer."""

    events: list[tuple[str, Event]] = field(default_factory=list)
    refusal: CommandRefused | None = None
    refused_lines: list[str] = field(default_factory=list)
    repeated: bool = False

    def answered(self, usage: UsageAnswer | None, repeated: bool) -> None:  # noqa: FBT001
        """Take the answer to a command down."""
        self.repeated = repeated
        self.refused_lines = [code for _, code, _ in usage.refused] if usage is not None else []


class World:
    """Every aggregate there is, by its kind and id, in the order in which they came."""

    def __init__(self) -> None:
        self.aggregates: dict[tuple[AggregateType, str], Aggregate] = {}
        #: Every version of a set that was defined.
        self._versions: dict[tuple[str, int], EntitlementSetDefined] = {}
        #: The newest assignments last: (workspace, pool).
        self._assigned: dict[tuple[str, str], None] = {}

    @property
    def pools(self) -> dict[str, ResourcePool]:
        """The pools by their ids."""
        return {pool.id: pool for pool in self.aggregates.values() if isinstance(pool, ResourcePool)}

    def only_pool(self) -> str:
        """The id of the pool that is meant where none is named. Raises CannotBeMeant when there are several."""
        names = list(self.pools)
        if len(names) > 1:
            raise CannotBeMeant(f"set the pool: {', '.join(names)}")
        return names[0] if names else POOL

    def set_version(self, set_id: str, version: int | None) -> dict[str, Any]:
        """What a version of a set confers; without a number the newest. Raises CannotBeMeant."""
        known = [number for name, number in self._versions if name == set_id]
        if not known:
            names = ", ".join(dict.fromkeys(name for name, _ in self._versions))
            raise CannotBeMeant(f"no such set: {set_id}; " + (f"defined are {names}" if names else "none is defined"))
        number = max(known) if version is None else version
        if number not in known:
            raise CannotBeMeant(f"{set_id} has no version {number}: it has {', '.join(map(str, known))}")
        found = self._versions[set_id, number]
        return {"set_version": number, "ladder": found.ladder, "rung": found.rung, "rules": found.rules}

    def rungs_of(self, ladder: str | None) -> list[int] | None:
        """The rungs of a ladder that was defined; None: nobody has."""
        found = self.aggregates.get(("plan_ladder", ladder or ""))
        return [each.rung for each in found.rungs] if isinstance(found, PlanLadder) else None

    def catalogue(self) -> Catalogue:
        """Every version of a set, as others can extend it."""
        return {place: as_version(defined) for place, defined in self._versions.items()}

    def pass_time(self, at: datetime, happened: Happened) -> None:
        """Let everything happen that has become due, pool by pool. History that is brought in has a time of its own."""
        for pool in self.pools.values():
            if pool.due_ms <= to_ms(at) and not pool.is_backfilling:
                decide(pool, AdvanceClock(command_id=_CLOCK, pool_id=pool.id), to_ms(at))
                self._take_events(pool, happened)

    def ask(self, command: Command, at: datetime, happened: Happened) -> None:
        """Decide a command."""
        try:
            check_chosen(command)
            if isinstance(command, RecordUsageBatch):
                happened.answered(*self._record_batch(command, to_ms(at)))
            else:
                address = address_of(command)
                answer = decide(self.aggregates.get(address), command, to_ms(at))
                self.aggregates[address] = answer.aggregate
                happened.answered(answer.usage, answer.repeated)
        except CommandRefused as refusal:
            happened.refusal = refusal
        for aggregate in self.aggregates.values():
            self._take_events(aggregate, happened)

    def _record_batch(self, batch: RecordUsageBatch, at_ms: int) -> tuple[UsageAnswer, bool]:
        check_fields(batch)
        answer, first = UsageAnswer(), 0
        for group in batch.groups:
            pool, lines = self.pools.get(group["pool_id"]), group["lines"]
            if pool is None:
                answer.refused.extend((first + index, UnknownPool.code, -1) for index in range(len(lines)))
            else:
                record_group(pool, batch, lines, at_ms, answer, first)
            first += len(lines)
        return answer, 0 < first == answer.repeated

    def use(self, command: RecordUsage, at: datetime, happened: Happened) -> None:
        """Decide usage that names its workspace and no pool. Raises CannotBeMeant when that has no pool, or several organizations have it."""
        answers = []
        workspace_id = command.lines[0]["workspace_id"]
        for pool_id in self._pools_of(workspace_id, command):
            answers.append(Happened(events=happened.events))
            self.ask(replace(command, pool_id=pool_id), at, answers[-1])
            refused = answers[-1].refused_lines
            may_overflow = self.pools[pool_id].may_overflow.get(workspace_id, False)
            if not refused or not asks_the_next(refused[0], may_overflow=may_overflow):
                break
        if not answers:
            raise CannotBeMeant(f"set the pool: {workspace_id} is not assigned to any of {', '.join(self.pools)}")
        # Whoever takes it answers; if nobody does, the first.
        answer = answers[0] if answers[-1].refused_lines else answers[-1]
        happened.refused_lines, happened.repeated = answer.refused_lines, answer.repeated

    def _pools_of(self, workspace_id: str, command: RecordUsage) -> Iterator[str]:
        """The primary pool first, which is the newest primary, then the others as they were assigned."""
        pools = [pool_id for name, pool_id in self._assigned if name == workspace_id]
        owners = sorted({self.pools[pool_id].organization_id for pool_id in pools})
        if len(owners) > 1:  # Workspaces of one id in two organizations are two.
            raise CannotBeMeant(f"set the pool: {', '.join(owners)} each have a customer {workspace_id}")
        primaries = [pool_id for pool_id in pools if self.pools[pool_id].assignments[workspace_id] == "primary"]
        ordered = dict.fromkeys(primaries[-1:] + pools)
        if command.lines[0]["mode"] == "report":  # It has happened: the first that has the key takes it.
            key = command.lines[0]["resource_key"]
            having = [name for name in ordered if key in self.pools[name].entitlements]
            yield from [*having, *ordered][:1]
        else:
            yield from ordered

    def _take_events(self, aggregate: Aggregate, happened: Happened) -> None:
        for event in aggregate.take_events():
            happened.events.append((aggregate.id, event))
            if isinstance(event, EntitlementSetDefined):
                self._versions[aggregate.id, event.version] = event
            elif isinstance(event, WorkspaceAssigned):
                self._assigned.pop((event.workspace_id, aggregate.id), None)
                self._assigned[event.workspace_id, aggregate.id] = None
            elif isinstance(event, WorkspaceUnassigned):
                self._assigned.pop((event.workspace_id, aggregate.id), None)
