"""The resource pool: what it knows. Its events (pool_events.py) change it; the decisions beside it ask it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from entitlements.domain.aggregate import NEVER_MS, Aggregate, Event, from_ms, to_ms
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.values import (
    AssignmentRole,
    Contribution,
    ProvisionSource,
    RecordedLine,
    RefusedLine,
    Rule,
    UsageLine,
    UsageMode,
    UsageSource,
)

if TYPE_CHECKING:
    from entitlements.domain.pool_events import PoolOpened, UsageRecorded, UsageRefused

#: Bound of the provisions of a pool that are not over; with it no sum of limits leaves 63 bits.
PROVISIONS_MAX: Final = 500
#: How long a pool remembers idempotency keys; the source is DESIGN 3.8 ("a stated window").
IDEMPOTENCY_WINDOW_FOR: Final = timedelta(hours=24)
IDEMPOTENCY_WINDOW_MS: Final = IDEMPOTENCY_WINDOW_FOR // timedelta(milliseconds=1)

PoolStatus = Literal["open", "suspended", "closed"]
ProvisionStatus = Literal["scheduled", "active", "suspended", "ended"]


@dataclass(slots=True, kw_only=True)
class Provision:
    """One billing source connected to the pool, from starts_at until before ends_at."""

    provision_id: str
    source: ProvisionSource
    source_id: str
    billing_account_id: str | None
    set_id: str
    set_version: int
    ladder: str | None
    rung: int | None
    quantity: int
    rules: list[Rule]
    starts_at: datetime
    ends_at: datetime | None
    status: ProvisionStatus = "scheduled"

    @property
    def is_over(self) -> bool:
        """Whether it has ended for good."""
        return self.status == "ended"

    def due_ms(self) -> int:
        """When it starts or ends by itself, in epoch milliseconds."""
        if self.status == "scheduled":
            return to_ms(self.starts_at)
        if self.status == "ended" or self.ends_at is None:
            return NEVER_MS
        return to_ms(self.ends_at)


@dataclass(slots=True, kw_only=True)
class Grant:
    """A gift: why, by whom, and whether it still holds."""

    reason: str
    actor: str
    is_over: bool = False


@dataclass(slots=True, frozen=True)
class RememberedAnswer:
    """An accepted command under an idempotency key."""

    body_digest: str
    at_ms: int


class RememberedLine(NamedTuple):
    """A recorded line under its usage id: when, and what it said. Short: a busy pool remembers very many."""

    recorded_at: int
    body: tuple[str, int, UsageMode, str, int]


class ResourcePool(Aggregate):
    """A capability container: decouples who pays from who uses."""

    aggregate_type = "pool"

    def __init__(self, opened: PoolOpened) -> None:
        super().__init__(opened)
        self.organization_id = opened.organization_id
        self.billing_account_id = opened.billing_account_id
        self.name = opened.name
        self.backfill_from = opened.backfill_from
        self.is_backfilling = opened.backfill_from is not None
        self.status: PoolStatus = "open"
        self.provisions: dict[str, Provision] = {}
        self.grants: dict[str, Grant] = {}
        self.assignments: dict[str, AssignmentRole] = {}
        self.entitlements: dict[str, Entitlement] = {}
        self.answers: dict[str, RememberedAnswer] = {}
        self.usage_ids: dict[str, RememberedLine] = {}
        self.sources: dict[str, int] = {}
        #: The next instant at which something happens by itself, in epoch milliseconds.
        self.due_ms = NEVER_MS
        # Lines decided since the last event; `seal` makes events of them. Empty whenever the pool is looked at from outside.
        self.recorded: list[RecordedLine] = []
        self.refused: list[RefusedLine] = []
        self.counted: dict[str, Entitlement] = {}
        self.recorded_sources: dict[str, int] = {}
        self.refused_sources: dict[str, int] = {}

    @property
    def is_closed(self) -> bool:
        """Whether it has ended for good."""
        return self.status == "closed"

    def active_provisions(self) -> Iterator[Provision]:
        """The provisions that contribute now, oldest first."""
        if self.status == "open":
            yield from (p for p in self.provisions.values() if p.status == "active")

    def bearer_of(self, contributions: list[Contribution]) -> str:
        """Who bears usage: of those that contribute the first to end, then the oldest (DESIGN 5, burn order)."""

        def end(provision_id: str) -> int:
            ends_at = self.provisions[provision_id].ends_at
            return NEVER_MS if ends_at is None else to_ms(ends_at)

        return min((c.provision_id for c in contributions), key=end, default="")

    def find_due(self) -> None:
        """Find the next instant at which something happens by itself."""
        if self.is_closed:
            self.due_ms = NEVER_MS
            return
        provisions = (provision.due_ms() for provision in self.provisions.values())
        resets = (entitlement.resets_at_ms for entitlement in self.entitlements.values())
        self.due_ms = min(min(provisions, default=NEVER_MS), min(resets, default=NEVER_MS))

    def count_sources(self, sources: list[UsageSource]) -> None:
        """Note numbered batches as counted. What was refused stands after what was recorded, whatever came first."""
        for counted in sources:
            self.sources[counted.source] = max(counted.sequence, self.sources.get(counted.source, -1))

    def remember_usage(self, line: RecordedLine) -> None:
        """Remember the id of a line for the idempotency window, and forget those whose window is over."""
        at_ms, usage_id = line["recorded_at"], line["usage_id"]
        remembered = self.usage_ids
        remembered.pop(usage_id, None)  # To the end: the dict is in the order of time.
        remembered[usage_id] = RememberedLine(at_ms, body_of(line, line["occurred_at"]))
        oldest = next(iter(remembered))
        while remembered[oldest].recorded_at <= at_ms - IDEMPOTENCY_WINDOW_MS:
            del remembered[oldest]
            oldest = next(iter(remembered))

    def remember_answer(self, idempotency_key: str, body_digest: str, at_ms: int) -> None:
        """Remember an answer for the idempotency window, and forget those whose window is over."""
        self.answers.pop(idempotency_key, None)  # To the end: the dict is in the order of time.
        self.answers[idempotency_key] = RememberedAnswer(body_digest, at_ms)
        for key, answer in list(self.answers.items()):
            if answer.at_ms > at_ms - IDEMPOTENCY_WINDOW_MS:
                break
            del self.answers[key]

    def happen(self, event_class: type[Event], at: datetime, **facts: Any) -> None:
        """Let an event happen after whatever lines were decided before it."""
        self.seal()
        super().happen(event_class, at, **facts)

    def seal(self) -> None:
        """Turn the lines decided since the last event into one event of each kind. The state has them already."""
        from entitlements.domain.pool_events import UsageRecorded, UsageRefused

        if self.recorded or self.recorded_sources:
            self._append(
                UsageRecorded(
                    originator_id=self._id,
                    originator_version=self._version + 1,
                    timestamp=from_ms(self.clock_ms),
                    sources=_sources(self.recorded_sources),
                    lines=self.recorded,
                    totals=[entitlement.total for entitlement in self.counted.values()],
                )
            )
            self.recorded, self.counted, self.recorded_sources = [], {}, {}
        if self.refused or self.refused_sources:
            self._append(
                UsageRefused(
                    originator_id=self._id,
                    originator_version=self._version + 1,
                    timestamp=from_ms(self.clock_ms),
                    sources=_sources(self.refused_sources),
                    lines=self.refused,
                )
            )
            self.refused, self.refused_sources = [], {}

    def _append(self, event: UsageRecorded | UsageRefused) -> None:
        self._version = event.originator_version
        self._modified_on = event.timestamp
        self._pending_events.append(event)


def body_of(line: RecordedLine | UsageLine, occurred_at: int) -> tuple[str, int, UsageMode, str, int]:
    """What a line says: two lines under one usage id must say the same."""
    return line["resource_key"], line["quantity"], line["mode"], line["workspace_id"], occurred_at


def _sources(sources: dict[str, int]) -> list[UsageSource]:
    return [UsageSource(source=source, sequence=sequence) for source, sequence in sources.items()]
