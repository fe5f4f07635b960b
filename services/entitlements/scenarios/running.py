"""Decide a scenario's timeline as the engine would, and say what differed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from entitlements.domain.commands import DefineEntitlementSet, OpenPool, PoolCommand, RecordUsage
from entitlements.domain.errors import CommandRefused
from entitlements.scenarios.asking import command_of, model_of, value_of
from entitlements.scenarios.comparing import Difference, differences
from entitlements.scenarios.extending import resolved
from entitlements.scenarios.files import BEGINS_AT, ENDS_BEFORE, POOL, ScenarioFile, Step
from entitlements.scenarios.reading import Scenario, ScenarioIsInvalid, read
from entitlements.scenarios.words import CannotBeMeant, Words, at_instant
from entitlements.scenarios.world import Happened, World


@dataclass(frozen=True)
class Deviation:
    """A step that did not go as expected: where it stands, when it was, and what differed."""

    place: str
    at: datetime
    differences: list[Difference]


@dataclass
class Outcome:
    """What became of a scenario: nothing differed, or what did, by step; or it cannot be read, and why."""

    path: Path
    name: str
    feature: str
    deviations: list[Deviation] = field(default_factory=list)
    invalid: str = ""

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not self.deviations and not self.invalid


def run_file(path: Path) -> Outcome:
    """Read and decide one scenario; one that cannot be read did not pass."""
    try:
        scenario = read(path)
        return Outcome(path, scenario.name, scenario.feature, list(run(scenario)))
    except ScenarioIsInvalid as invalid:
        return Outcome(path, path.stem, path.parent.name, invalid=str(invalid))


def run(scenario: Scenario) -> Iterator[Deviation]:
    """Decide every step in its order, and go on after a difference. Raises ScenarioIsInvalid with the place."""
    world, written = World(), scenario.written
    at = at_instant(written.begins_at, BEGINS_AT)
    number = 0
    try:
        _begin(world, written, at)
        for number, step in enumerate(written.timeline, 1):
            at = _next(at, step)
            happened = Happened()
            world.pass_time(at, happened)
            _ask(world, step, number, at, happened)
            found = list(differences(world, step.expect, happened, at))
            if found:
                yield Deviation(scenario.place(number), at, found)
    except CannotBeMeant as error:
        raise ScenarioIsInvalid(f"{scenario.place(number)}: {error}.") from error


def _next(before: datetime, step: Step) -> datetime:
    """When a step is. Raises CannotBeMeant where no log would be."""
    at = before if step.at is None else at_instant(step.at, before)
    if at < before:
        raise CannotBeMeant(f"it is before the previous step, at {before:%Y-%m-%d %H:%M:%SZ}")
    if at >= ENDS_BEFORE:
        raise CannotBeMeant(f"a timeline must end before {ENDS_BEFORE.year}")
    return at


def _begin(world: World, written: ScenarioFile, at: datetime) -> None:
    """Define and open what is there before the first step. Raises CannotBeMeant when that is refused."""
    pools = {POOL: model_of(OpenPool)()} if written.pools is None else written.pools
    beginning = [
        *((key, {"resource_key": name}) for name, key in written.resource_keys.items()),
        *((each, {"set_id": name}) for name, each in written.sets.items()),
        *((pool, {"pool_id": name, "billing_account_id": "acme-billing"}) for name, pool in pools.items()),
    ]
    for asked, given in beginning:
        happened = Happened()
        _send(world, asked, at, happened, command_id="beginning", **given)
        if happened.refusal is not None:
            raise CannotBeMeant(f"{', '.join(given.values())}: {happened.refusal}")


def _ask(world: World, step: Step, number: int, at: datetime, happened: Happened) -> None:
    command_id = f"step-{number}"
    if step.do is not None:
        asked = step.do.written()
        of_pool = issubclass(asked.kind, PoolCommand) and not getattr(asked, "pool_id", "")
        given = {"pool_id": world.only_pool()} if of_pool else {}
        _send(world, asked, at, happened, command_id=command_id, **given)
    elif step.use:
        named = {pool_id for line in step.use if (pool_id := getattr(line, "pool_id", ""))}
        lines = [value_of(line, at) for line in step.use]
        if len(named) > 1:
            raise CannotBeMeant(f"a use must be in one pool, not in {', '.join(sorted(named))}")
        usage = RecordUsage(command_id=command_id, actor="admin", pool_id="", lines=lines)
        if not named and len(world.pools) > 1 and len(lines) == 1 and lines[0]["workspace_id"]:
            world.use(usage, at, happened)
        else:
            world.ask(replace(usage, pool_id=next(iter(named), "") or world.only_pool()), at, happened)


def _send(world: World, asked: Words, at: datetime, happened: Happened, **given: str) -> None:
    """Send a command as clients do: what a set inherits is worked out before it is sent, and refused there."""
    try:
        command = command_of(asked, at, world.set_version, **given)
        if isinstance(command, DefineEntitlementSet):
            if command.extends:
                command = resolved(command, asked, world.catalogue())
            command = replace(command, ladder_rungs=world.rungs_of(command.ladder))
    except CommandRefused as refusal:
        happened.refusal = refusal
        return
    world.ask(command, at, happened)
