"""Specifications: given what happened, when this is asked, then that happens (STYLE, example 3).

    given(pool_with(quota("api_calls", 100)), used("api_calls", 60))
        .when(used("api_calls", 41))
        .then(refused_line("api_calls", code="quota_exceeded", remaining=40), exceeded("api_calls"))

A step is a command, a duration (the log's clock moves on) or a list of steps. Expected events name the facts that matter.
Every specification also proves that folding its events, through the bytes of the ledger, gives the live state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from entitlements.domain.aggregate import Aggregate, Event, from_ms
from entitlements.domain.checks import check_fields
from entitlements.domain.commands import Command, RecordUsageBatch
from entitlements.domain.decide import Answer, decide, record_group
from entitlements.domain.errors import CommandRefused
from entitlements.domain.lines import UsageAnswer
from entitlements.domain.pools import ResourcePool
from entitlements.domain.values import Rule, UsageMode
from entitlements.examples import NOON_MS, line, open_pool, provision_pool, record_usage
from entitlements.ledger import records
from entitlements.ledger.chain import NO_HASH
from entitlements.ledger.frames import FrameHead, decode_plain_events, write_frame

Step = Command | timedelta | Sequence["Step"]


class Happens(NamedTuple):
    """An expected event: its class by name, and the facts that matter."""

    event: str
    facts: dict[str, Any]


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def days(count: float) -> timedelta:
    return timedelta(days=count)


def given(*past: Step) -> Specification:
    """What happened before; none of it may be refused."""
    return Specification(past)


class Specification:
    """A story about one aggregate."""

    def __init__(self, past: Sequence[Step]) -> None:
        self.aggregate: Aggregate | None = None
        self.log_ms = NOON_MS
        self.history: list[Event] = []
        self.answer: Answer | None = None
        self.refusal: CommandRefused | None = None
        self.happened: list[Event] = []
        self._is_given = True
        self._take(past)
        self._is_given = False

    def when(self, *steps: Step) -> Self:
        """What is asked; the last command's answer is what is looked at."""
        self.happened = []
        self._take(steps)
        self._fold()
        return self

    def then(self, *expected: Happens) -> Self:
        """Nothing was refused, and just this happened, in this order."""
        assert self.refusal is None, f"refused: {self.refusal}"
        return self.happened_so(*expected)

    def then_nothing(self) -> Self:
        """It was accepted, and nothing happened: a repeat is harmless."""
        return self.then()

    def then_repeated(self) -> Self:
        """It got the original answer, and nothing happened."""
        self.then()
        assert self.answer is not None
        assert self.answer.repeated
        return self

    def refused(self, kind: type[CommandRefused], *expected: Happens) -> Self:
        """It was refused for just this reason; what is expected beside is what was due anyway."""
        assert type(self.refusal) is kind, self.refusal or self.happened
        return self.happened_so(*expected)

    def happened_so(self, *expected: Happens) -> Self:
        assert [_as_said(event, expected, at) for at, event in enumerate(self.happened)] == list(expected)
        return self

    def lines(self, *refused: tuple[int, type[CommandRefused], int], accepted: int = 0, repeated: int = 0) -> Self:
        """What became of the lines: (index, reason, remaining) of those refused."""
        assert self.answer is not None
        usage = self.answer.usage
        assert usage is not None
        assert usage.refused == [(index, kind.code, remaining) for index, kind, remaining in refused]
        assert (usage.accepted, usage.repeated) == (accepted, repeated)
        return self

    @property
    def pool(self) -> ResourcePool:
        assert isinstance(self.aggregate, ResourcePool)
        return self.aggregate

    def consumed(self, resource_key: str) -> int:
        return self.pool.entitlements[resource_key].consumed

    def _take(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, timedelta):
                self.log_ms += step // timedelta(milliseconds=1)
            elif isinstance(step, Command):
                self._decide(step)
            else:
                self._take(step)

    def _decide(self, command: Command) -> None:
        self.answer = self.refusal = None
        try:
            if isinstance(command, RecordUsageBatch):
                self.answer = self._decide_batch(command)
            else:
                self.answer = decide(self.aggregate, command, self.log_ms)
                self.aggregate = self.answer.aggregate
        except CommandRefused as refusal:
            self.refusal = refusal
        assert self.refusal is None or not self._is_given, f"what is given was refused: {self.refusal}"
        events = self.aggregate.take_events() if self.aggregate is not None else []
        self.happened += events
        self.history += events

    def _decide_batch(self, command: RecordUsageBatch) -> Answer:
        check_fields(command)
        usage = UsageAnswer()
        record_group(self.pool, command, command.groups[0]["lines"], self.log_ms, usage, 0)
        return Answer(self.pool, usage=usage)

    def _fold(self) -> None:
        folded: Any = None
        for event in through_the_ledger(self.history):
            folded = event.mutate(folded)
        if self.aggregate is not None:
            assert state_of(folded) == state_of(self.aggregate)


def through_the_ledger(events: Sequence[Event]) -> list[Event]:
    """The events as a reader of the ledger gets them: from the bytes of a frame."""
    written = [records.event_to_record(event) for event in events]
    frame = write_frame(FrameHead(0, 0, 0, -1, NO_HASH), decided_at_ms=0, engine="", events=written, refusals=[])
    read = decode_plain_events(frame).events
    return [records.event_from_record(f"entitlements.events.{name}", record) for name, record in read]


def state_of(aggregate: Aggregate) -> dict[str, Any]:
    """All that an aggregate is, without what it has only while a command is under way."""
    return {
        name: value
        for name, value in aggregate.fields().items()
        if name not in {"command_id", "recorded_by", "_pending_events"}
    }


def _as_said(event: Event, expected: Sequence[Happens], at: int) -> Happens:
    facts = expected[at].facts if at < len(expected) and expected[at].event == type(event).__name__ else {}
    return Happens(
        type(event).__name__, {name: _as_detailed(getattr(event, name), fact) for name, fact in facts.items()}
    )


def _as_detailed(actual: Any, expected: Any) -> Any:
    """The actual value in no more detail than the expected one has."""
    if isinstance(expected, dict) and is_dataclass(actual):
        actual = {name: getattr(actual, name) for name in expected}
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {name: _as_detailed(actual.get(name), fact) for name, fact in expected.items()}
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [_as_detailed(*pair) for pair in zip(actual, expected, strict=True)]
    return actual


# --- Steps ---------------------------------------------------------------------------------------------------------------


def pool_with(*rules: Rule, **more: Any) -> list[Command]:
    """An open pool with one provision that confers the rules; more: facts of the provision."""
    return [open_pool(), provision_pool("subscription-1", *rules, **more)]


def used(resource_key: str = "api_calls", quantity: int = 1, mode: UsageMode = "strict", **more: Any) -> Command:
    """One line of usage."""
    return record_usage(line(resource_key, quantity, mode, **more))


# --- Events --------------------------------------------------------------------------------------------------------------


def happens(event: str, **facts: Any) -> Happens:
    return Happens(event, facts)


def has(resource_key: str, limit: int | None = None, **more: Any) -> dict[str, Any]:
    """A change after which the pool has a key."""
    return {"resource_key": resource_key, "after": {"limit": limit} | more}


def lost(resource_key: str) -> dict[str, Any]:
    """A change after which the pool has a key no more."""
    return {"resource_key": resource_key, "after": None}


def entitlements_changed(*changes: dict[str, Any], **facts: Any) -> Happens:
    return Happens("EntitlementsChanged", {"changes": list(changes)} | facts)


def recorded(resource_key: str = "api_calls", quantity: int = 1, **more: Any) -> Happens:
    """One line was recorded."""
    return recorded_lines({"resource_key": resource_key, "quantity": quantity} | more)


def recorded_lines(*lines: dict[str, Any]) -> Happens:
    return Happens("UsageRecorded", {"lines": list(lines)})


def refused_line(resource_key: str = "api_calls", **more: Any) -> Happens:
    """One line was refused."""
    return Happens("UsageRefused", {"lines": [{"resource_key": resource_key} | more]})


def warned(resource_key: str = "api_calls", **facts: Any) -> Happens:
    return Happens("QuotaWarned", {"resource_key": resource_key} | facts)


def exceeded(resource_key: str = "api_calls", **facts: Any) -> Happens:
    return Happens("QuotaExceeded", {"resource_key": resource_key} | facts)


def reset(resource_key: str = "api_calls", **facts: Any) -> Happens:
    return Happens("QuotaReset", {"resource_key": resource_key} | facts)


def instants(events: Sequence[Event]) -> Iterator[tuple[str, datetime]]:
    """What happened when."""
    return ((type(event).__name__, event.timestamp) for event in events)


def instant_after_noon(after: timedelta) -> datetime:
    return from_ms(NOON_MS) + after
