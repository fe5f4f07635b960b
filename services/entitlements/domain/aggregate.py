"""What every event and aggregate is made of: explicit classes of the `eventsourcing` library, with string ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Final, Literal, Self, TypeVar, dataclass_transform

from eventsourcing.domain import BaseAggregate, CanMutateAggregate, MetaDomainEvent

from entitlements.domain.remembered import Remembered, RememberedAnswers

A = TypeVar("A", bound="Aggregate")
AggregateType = Literal["pool", "entitlement_set", "resource_key", "organization", "campaign", "plan_ladder"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

#: How long an aggregate remembers idempotency keys; the source is docs/architecture.md 3.8 ("a stated window").
IDEMPOTENCY_WINDOW_FOR: Final = timedelta(hours=24)
IDEMPOTENCY_WINDOW_MS: Final = IDEMPOTENCY_WINDOW_FOR // _MILLISECOND

#: An instant that never comes; larger than any log timestamp, in epoch milliseconds.
NEVER_MS: Final = 2**62


@lru_cache(maxsize=4096)  # Thousands of commands share a millisecond, and periods share their bounds.
def to_ms(at: datetime) -> int:
    """Epoch milliseconds of an aware instant."""
    return (at - EPOCH) // _MILLISECOND


@lru_cache(maxsize=4096)
def from_ms(ms: int) -> datetime:
    """The aware UTC instant of epoch milliseconds. Raises OverflowError beyond the year 9999."""
    return EPOCH + timedelta(milliseconds=ms)


@dataclass_transform(frozen_default=True)
class FrozenFacts(MetaDomainEvent):
    """The library's metaclass that makes frozen dataclasses of events, told to type checkers."""


class Event(CanMutateAggregate[str], metaclass=FrozenFacts):
    """A fact about one aggregate: what happened, at which version, when by the log's clock."""

    aggregate_type: ClassVar[AggregateType] = "pool"

    originator_id: str
    originator_version: int
    timestamp: datetime


class Aggregate(BaseAggregate[str]):
    """A consistency boundary. Its clock is the instant of its newest event and never goes back.

    There are very many, and most are not used between two looks at them: what each has lies side by side in its slots, not in a dict.
    """

    __slots__ = (
        "_created_on", "_id", "_modified_on", "_pending_events", "_version", "answers", "clock_ms", "command_id",
    )  # fmt: skip

    aggregate_type: ClassVar[AggregateType]

    def __init__(self, opened: Event) -> None:
        self.__base_init__(opened.originator_id, opened.originator_version, opened.timestamp)
        #: The aggregate's clock in epoch milliseconds.
        self.clock_ms = to_ms(opened.timestamp)
        #: The command whose decision is under way; stamped on the events it causes. No part of the state.
        self.command_id = ""
        self.answers = RememberedAnswers()

    @classmethod
    def opened_by(cls, opened: Event) -> Self:
        """A new aggregate by its first event. (Calling the class is the library's way to *decide* a first event.)"""
        aggregate = cls.__new__(cls)
        aggregate.__init__(opened)  # type: ignore[misc]
        return aggregate

    def fields(self) -> dict[str, Any]:
        """All that it has, by name."""
        slots = [name for kind in type(self).__mro__ for name in getattr(kind, "__slots__", ())]
        return {name: getattr(self, name) for name in slots} | vars(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Aggregate) and type(self) is type(other) and self.fields() == other.fields()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.fields()})"

    __hash__ = BaseAggregate.__hash__

    @property
    def modified_on(self) -> datetime:
        """When the newest event happened."""
        return self._modified_on

    @modified_on.setter
    def modified_on(self, at: datetime) -> None:
        self._modified_on = at
        self.clock_ms = to_ms(at)

    def stand_at(self, version: int, at_ms: int) -> None:
        """Its newest event has this version and happened at this instant."""
        self._version = version
        self._modified_on = from_ms(at_ms)
        self.clock_ms = at_ms

    def happen(self, event_class: type[Event], at: datetime, **facts: Any) -> None:
        """Let an event happen that the command under way has caused."""
        self.trigger_event(event_class, timestamp=at, command_id=self.command_id, **facts)

    def remember_answer(self, idempotency_key: str, body_digest: str, at_ms: int) -> None:
        """Remember an answer for the idempotency window, and forget those whose window is over."""
        self.answers.remember(idempotency_key, body_digest, at_ms)
        self.forget(self.answers, at_ms)

    def forget(self, remembered: Remembered[Any, Any], now_ms: int) -> None:
        """Forget the oldest of what was remembered for the window, if that is over."""
        remembered.forget(now_ms - IDEMPOTENCY_WINDOW_MS)

    def is_remembered(self, at_ms: int, now_ms: int) -> bool:
        """Whether what was accepted at an instant still makes a repeat of it harmless."""
        return at_ms > now_ms - IDEMPOTENCY_WINDOW_MS

    def keeps_all(self, remembered: Remembered[Any, Any], now_ms: int) -> bool:
        """Whether even the oldest of what was remembered has to be kept still."""
        return self.is_remembered(remembered.oldest_ms, now_ms)

    def seal(self) -> None:
        """Turn whatever was decided but not yet written as an event into events."""

    def take_events(self) -> list[Event]:
        """The events since the last call, oldest first."""
        self.seal()
        return self.take_sealed()

    def take_sealed(self) -> list[Event]:
        """As take_events, without what is no event yet."""
        events, self._pending_events = self._pending_events, []
        return events  # type: ignore[return-value]


def begin(opening: Event, kind: type[A]) -> A:
    """The aggregate that an opening event brings into being, with that event pending."""
    aggregate: Any = opening.mutate(None)
    assert isinstance(aggregate, kind)
    aggregate.pending_events.append(opening)
    return aggregate
