"""Plan ladders: ordered families of plans, whose rungs are the service tiers. At most one plan of a ladder is active in a pool.

A set that names an undefined ladder creates it, and further sets add rungs. Once DefineLadder has defined it, a set must be on
one of its rungs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from entitlements.domain.aggregate import Aggregate, AggregateType, Event, begin
from entitlements.domain.commands import DefineLadder
from entitlements.domain.errors import InvalidLadder, LadderMismatch, UnknownRung
from entitlements.domain.values import LadderRung, is_id

RUNGS_MAX: Final = 1_000


class PlanLadder(Aggregate):
    """An ordered family of plans."""

    aggregate_type = "plan_ladder"

    def __init__(self, defined: LadderDefined) -> None:
        super().__init__(defined)
        self.describe(defined)

    def describe(self, defined: LadderDefined) -> None:
        """Take the name and the rungs of a definition."""
        self.name, self.rungs = defined.name, defined.rungs


class LadderDefined(Event):
    """A plan ladder was defined, or redefined."""

    aggregate_type: ClassVar[AggregateType] = "plan_ladder"

    command_id: str
    name: str
    rungs: list[LadderRung]
    actor: str

    def mutate(self, aggregate: PlanLadder | None) -> PlanLadder | None:  # type: ignore[override]
        return PlanLadder.opened_by(self) if aggregate is None else super().mutate(aggregate)

    def apply(self, aggregate: PlanLadder) -> None:
        aggregate.describe(self)


def define_ladder(held: PlanLadder | None, command: DefineLadder, now: datetime) -> PlanLadder:
    """Define a ladder, or define it anew: rungs may be added, renamed and retired. Plans that are on a retired rung stay there."""
    _check_rungs(command.rungs)
    facts: dict[str, Any] = {"name": command.name, "rungs": command.rungs}
    if held is None:
        opening = LadderDefined(
            originator_id=command.ladder,
            originator_version=PlanLadder.INITIAL_VERSION,
            timestamp=now,
            command_id=command.command_id,
            actor=command.actor,
            **facts,
        )
        return begin(opening, PlanLadder)
    if any(getattr(held, name) != fact for name, fact in facts.items()):
        held.happen(LadderDefined, now, actor=command.actor, **facts)
    return held


def _check_rungs(rungs: Sequence[LadderRung]) -> None:
    numbers, names = [each.rung for each in rungs], [each.name for each in rungs]
    if not 0 < len(rungs) <= RUNGS_MAX:
        raise InvalidLadder(f"the ladder has {len(rungs)}")
    if numbers != sorted(set(numbers)) or not all(-(2**31) <= number < 2**31 for number in numbers):
        raise InvalidLadder(f"rung numbers are {', '.join(map(str, numbers[:20]))}")
    if len(set(names)) < len(names) or not all(map(is_id, names)):
        raise InvalidLadder("a rung name is duplicate or invalid")


def check_rung(ladder: str | None, rung: int | None, known: Collection[int] | None) -> None:
    """Whether a place is on the ladder as far as it is defined; known: its rungs, None: nobody has defined it. Raises UnknownRung."""
    if ladder is not None and known is not None and rung not in known:
        rungs = ", ".join(map(str, sorted(known)))
        has = f"{ladder} has the rungs {rungs}" if known else f"{ladder} has no rungs"
        raise UnknownRung(f"{has}, and none is named" if rung is None else f"{has}, not {rung}")


def check_place(stated: Mapping[str, Any], of_set: Mapping[str, Any], set_id: str) -> None:
    """Check that ladder and rung of a command, by field name, are those of its set. None: not stated.

    Raises LadderMismatch: the set alone decides the place of its plan.
    """
    for name, value in stated.items():
        if value is not None and value != of_set[name]:
            has = "none" if of_set[name] is None else of_set[name]
            raise LadderMismatch(f"{name} of set {set_id} is {has}, not {value}")
