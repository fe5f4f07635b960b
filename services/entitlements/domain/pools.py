"""The resource pool: what it knows. Its events (pool_events.py) change it; the decisions beside it ask it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from entitlements.domain.aggregate import (
    IDEMPOTENCY_WINDOW_FOR,
    IDEMPOTENCY_WINDOW_MS,
    NEVER_MS,
    Aggregate,
    Event,
    from_ms,
    to_ms,
)
from entitlements.domain.buckets import ClosedPeriod
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.periods import Calendar, period_bounds
from entitlements.domain.pool_parts import (
    Cap,
    Grant,
    Holding,
    LineBody,
    OnDemand,
    Override,
    Provision,
    ProvisionStatus,
    RememberedLine,
    RememberedPart,
    Reservation,
    borne_whole,
)
from entitlements.domain.remembered import Remembered
from entitlements.domain.remembered_chunks import RememberedAnswer
from entitlements.domain.remembered_lines import RememberedLines
from entitlements.domain.values import (
    AssignmentRole,
    RecordedLine,
    RefusedLine,
    Rule,
    UsageLine,
    UsageSource,
)

__all__ = [
    "IDEMPOTENCY_WINDOW_FOR", "IDEMPOTENCY_WINDOW_MS", "PROVISIONS_MAX",
    "Cap", "Grant", "Holding", "OnDemand", "Override", "PoolStatus", "Provision", "ProvisionStatus", "RememberedAnswer", "RememberedLine",
    "Reservation", "ResourcePool", "body_of",
]  # fmt: skip

if TYPE_CHECKING:
    from entitlements.domain.metering_events import UsageRecorded, UsageRefused
    from entitlements.domain.pool_events import PoolOpened

#: Bound of the provisions of a pool that are not over; with it no sum of limits leaves 63 bits.
PROVISIONS_MAX: Final = 500
#: Usage ids, and idempotency keys, of a backfill that are recognised as repeats however much history lies between.
REMEMBERED_OF_BACKFILL: Final = 100_000

PoolStatus = Literal["open", "suspended", "closed"]


class WrittenLines(Protocol):
    """Recorded lines, in another form than records."""

    def __len__(self) -> int:
        """How many there are."""

    def records(self) -> list[RecordedLine]:
        """The lines in their order."""


class ResourcePool(Aggregate):
    """A capability container: decouples who pays from who uses."""

    aggregate_type = "pool"

    __slots__ = (
        "anchor_at", "assignments", "backfill_from", "backfilled_at_ms", "billing_account_id", "caps", "counted",
        "counted_late", "defaults", "due_ms", "entitlements", "grants", "holders", "is_backfilling", "may_overflow",
        "name", "on_demand", "organization_id", "overrides", "provisions", "recorded", "recorded_by",
        "recorded_sources", "refused", "refused_sources", "reservations", "sources", "status", "time_zone", "turn",
        "usage_ids", "written",
    )  # fmt: skip

    def __init__(self, opened: PoolOpened) -> None:
        super().__init__(opened)
        self.organization_id = opened.organization_id
        self.billing_account_id = opened.billing_account_id
        self.name = opened.name
        self.backfill_from = opened.backfill_from
        self.is_backfilling = opened.backfill_from is not None
        #: When the backfill was over, in epoch milliseconds; 0: there was none.
        self.backfilled_at_ms = 0
        self.status: PoolStatus = "open"
        self.provisions: dict[str, Provision] = {}
        self.grants: dict[str, Grant] = {}
        self.assignments: dict[str, AssignmentRole] = {}
        #: Workspaces that may draw on a later pool when this one has no room.
        self.may_overflow: dict[str, bool] = {}
        self.time_zone = opened.time_zone
        self.anchor_at = opened.anchor_at
        self.defaults: dict[str, Rule] = {rule.resource_key: rule for rule in opened.defaults}
        self.overrides: dict[str, Override] = {}
        self.on_demand: dict[str, OnDemand] = {}
        #: By workspace, subject (empty: the whole workspace) and key.
        self.caps: dict[str, dict[str, dict[str, Cap]]] = {}
        self.reservations: dict[str, Reservation] = {}
        #: Named holders of limits, by key.
        self.holders: dict[str, dict[str, Holding]] = {}
        self.entitlements: dict[str, Entitlement] = {}
        self.usage_ids = RememberedLines()
        self.sources: dict[str, int] = {}
        #: How many events there were beside recorded usage: what was recorded before something happened, and what after it.
        self.turn = 0
        #: The next instant at which something happens by itself, in epoch milliseconds.
        self.due_ms = NEVER_MS
        #: Who sent the command that is decided: an event of lines has one actor.
        self.recorded_by = ""
        # Lines decided since the last event; `seal` makes events of them. Empty whenever the pool is looked at from outside.
        self.recorded: list[RecordedLine] = []
        #: Those before them, where whoever decided them has written them already.
        self.written: WrittenLines | None = None
        self.refused: list[RefusedLine] = []
        self.counted: dict[str, Entitlement] = {}
        self.counted_late: dict[tuple[str, int], tuple[Entitlement, ClosedPeriod]] = {}
        self.recorded_sources: dict[str, int] = {}
        self.refused_sources: dict[str, int] = {}

    @property
    def is_closed(self) -> bool:
        """Whether it has ended for good."""
        return self.status == "closed"

    def refresh(self, resource_key: str) -> None:
        """Let an entitlement find anew which of its lines are usual."""
        entitlement = self.entitlements.get(resource_key)
        if entitlement is not None:
            entitlement.is_narrowed = any(
                override.resource_key == resource_key and override.workspace_id for override in self.overrides.values()
            ) or any(resource_key in keys for members in self.caps.values() for keys in members.values())
            entitlement.refresh()

    def calendar_of(self, entitlement: Entitlement) -> Calendar:
        """By which calendar the periods of a key are counted."""
        if entitlement.anchor_ms is not None:
            return Calendar(self.time_zone, entitlement.anchor_ms)
        anchor_at = self.anchor_at if entitlement.anchored else None
        return Calendar(self.time_zone, None if anchor_at is None else to_ms(anchor_at))

    def refresh_calendars(self) -> None:
        """Give every entitlement its calendar, after the pool's or its own anchor has changed."""
        for entitlement in self.entitlements.values():
            entitlement.calendar = self.calendar_of(entitlement)

    def find_due(self) -> None:
        """Find the next instant at which something happens by itself."""
        if self.is_closed:
            self.due_ms = NEVER_MS
            return
        self.due_ms = min(
            min((provision.due_ms() for provision in self.provisions.values()), default=NEVER_MS),
            min((self.due_of(entitlement) for entitlement in self.entitlements.values()), default=NEVER_MS),
            min((to_ms(held.expires_at) for held in self.reservations.values()), default=NEVER_MS),
            min((to_ms(o.expires_at) for o in self.overrides.values() if o.expires_at is not None), default=NEVER_MS),
        )

    def due_of(self, entitlement: Entitlement) -> int:
        """When the next reset, recurrence or end of a debt of a key is due."""
        recurs = min((bucket.recurs_at_ms for bucket in entitlement.buckets), default=NEVER_MS)
        expires = min((debt.until_ms for debt in entitlement.debts if debt.quantity), default=NEVER_MS)
        return min(entitlement.resets_at_ms, recurs, expires)

    # --- Reservations ------------------------------------------------------------------------------------------------

    def hold(self, reservation: Reservation) -> None:
        """Count a reservation as held."""
        self.reservations[reservation.reservation_id] = reservation
        self._count_held(reservation, 1)

    def let_go(self, reservation_id: str) -> Reservation:
        """Count a reservation as held no more."""
        reservation = self.reservations.pop(reservation_id)
        self._count_held(reservation, -1)
        return reservation

    def _count_held(self, reservation: Reservation, sign: int) -> None:
        entitlement = self.entitlements[reservation.resource_key]
        entitlement.reserved += sign * reservation.charged
        entitlement.refresh()
        if reservation.credit_units:
            credit = self.entitlements[reservation.credit_key]
            credit.reserved += sign * reservation.credit_units
            credit.refresh()
        on_demand = self.on_demand.get(reservation.resource_key)
        if reservation.spending and on_demand is not None:
            on_demand.reserved += sign * reservation.spending

    def caps_of(self, workspace_id: str, subject_id: str, resource_key: str) -> list[Cap]:
        """The caps under which a member draws a key: its workspace's, and its own."""
        if not workspace_id:
            return []
        members = self.caps.get(workspace_id, {})
        found = [members.get("", {}).get(resource_key)]
        found += [
            override.cap
            for override in self.overrides.values()
            if (override.workspace_id, override.resource_key) == (workspace_id, resource_key)
        ]
        if subject_id:
            found.append(members.get(subject_id, {}).get(resource_key))
        return [cap for cap in found if cap is not None]

    def all_caps(self) -> Iterator[tuple[str, Cap]]:
        """Every cap with its key, whoever's it is."""
        for members in self.caps.values():
            for keys in members.values():
                yield from keys.items()
        yield from ((o.resource_key, o.cap) for o in self.overrides.values() if o.cap is not None)

    def cap_period(self, cap: Cap, entitlement: Entitlement, at_ms: int) -> tuple[int, int]:
        """The period of a cap at an instant: the one under way, else its own by the calendar, or that of the key."""
        if cap.is_current(entitlement, at_ms):
            return cap.period_start_ms, cap.period_end_ms
        if cap.period is None:
            return entitlement.period_at(at_ms) if entitlement.period is not None else (0, NEVER_MS)
        return period_bounds(cap.period, at_ms, Calendar(self.time_zone, None))

    def count_sources(self, sources: list[UsageSource]) -> None:
        """Note numbered batches as counted. What was refused stands after what was recorded, whatever came first."""
        for counted in sources:
            self.sources[counted.source] = max(counted.sequence, self.sources.get(counted.source, -1))

    def remember_usage(self, line: RecordedLine, counted_in: int) -> None:
        """Remember the id of a line for the idempotency window, and forget those whose window is over."""
        at_ms, usage_id = line["recorded_at"], line["usage_id"]
        details = line["details"]
        self.usage_ids.remember(
            usage_id,
            RememberedLine(
                at_ms,
                body_of(line, line["occurred_at"]),
                self.turn,
                counted_in,
                details["subject_id"] if details is not None else "",
                details["reservation_id"] if details is not None else "",
                parts_of(line),
            ),
        )
        if self.usage_ids.oldest_ms <= at_ms - IDEMPOTENCY_WINDOW_MS:
            self.forget(self.usage_ids, at_ms)

    def remember_usual(self, usage_id: str, at_ms: int, body: LineBody, provision_id: str) -> None:
        """As remember_usage, for a line that counts now and that one contribution bears whole."""
        self.usage_ids.remember_usual(usage_id, at_ms, self.turn, body, provision_id)
        if self.usage_ids.oldest_ms <= at_ms - IDEMPOTENCY_WINDOW_MS:
            self.forget(self.usage_ids, at_ms)

    def forget(self, remembered: Remembered[Any, Any], now_ms: int) -> None:
        until_ms = now_ms - IDEMPOTENCY_WINDOW_MS
        if self.is_backfilling:
            remembered.forget(until_ms, REMEMBERED_OF_BACKFILL)
        elif self.backfilled_at_ms <= until_ms:
            remembered.forget(until_ms)

    def is_remembered(self, at_ms: int, now_ms: int) -> bool:
        """As of every aggregate. Of a backfill the latest REMEMBERED_OF_BACKFILL are, and for the window after it was over: for who
        repeats no time has passed, however much history was brought in between.
        """
        return self.is_backfilling or max(at_ms, self.backfilled_at_ms) > now_ms - IDEMPOTENCY_WINDOW_MS

    def keeps_all(self, remembered: Remembered[Any, Any], now_ms: int) -> bool:
        if self.is_backfilling and remembered.rows > REMEMBERED_OF_BACKFILL:
            return remembered.oldest_ms > now_ms - IDEMPOTENCY_WINDOW_MS
        return super().keeps_all(remembered, now_ms)

    def happen(self, event_class: type[Event], at: datetime, **facts: Any) -> None:
        """Let an event happen after whatever lines were decided before it."""
        self.seal()
        super().happen(event_class, at, **facts)

    def begin(self, command_id: str, actor: str) -> None:
        """A command begins. Lines of one event have one actor."""
        if actor != self.recorded_by:
            self.seal()
            self.recorded_by = actor
        self.command_id = command_id

    def seal(self) -> None:
        """Turn the lines decided since the last event into one event of each kind. The state has them already."""
        from entitlements.domain.metering_events import UsageRecorded, UsageRefused

        if self.written is not None:
            self.recorded, self.written = self.written.records() + self.recorded, None
        if self.recorded or self.recorded_sources:
            self._append(
                UsageRecorded,
                {
                    "originator_id": self._id,
                    "originator_version": self._version + 1,
                    "timestamp": from_ms(self.clock_ms),
                    "sources": _sources(self.recorded_sources),
                    "lines": self.recorded,
                    "totals": [entitlement.total for entitlement in self.counted.values()]
                    + [entitlement.closed_total(closed) for entitlement, closed in self.counted_late.values()],
                    "actor": self.recorded_by,
                },
            )
            self.recorded, self.counted, self.counted_late, self.recorded_sources = [], {}, {}, {}
        if self.refused or self.refused_sources:
            self._append(
                UsageRefused,
                {
                    "originator_id": self._id,
                    "originator_version": self._version + 1,
                    "timestamp": from_ms(self.clock_ms),
                    "sources": _sources(self.refused_sources),
                    "lines": self.refused,
                    "actor": self.recorded_by,
                },
            )
            self.refused, self.refused_sources = [], {}

    @property
    def is_told_by_lines(self) -> bool:
        """Whether the next event has nothing to tell but its lines and totals of periods under way."""
        return bool(self.counted) and not (self.recorded_sources or self.counted_late)

    def stand_at_event(self) -> list[Entitlement]:
        """Whoever has written the lines since the last event has made the next one of them: stand at it. The entitlements whose totals it
        is to tell.
        """
        counted = list(self.counted.values())
        self.recorded, self.written, self.counted = [], None, {}
        self.stand_at(self._version + 1, self.clock_ms)
        return counted

    def _append(self, kind: type[UsageRecorded | UsageRefused], facts: dict[str, Any]) -> None:
        event = kind.__new__(kind)
        vars(event).update(facts)  # A frozen class would set each field by a call of its own.
        self._version = event.originator_version
        self._modified_on = event.timestamp
        self._pending_events.append(event)


def body_of(line: RecordedLine | UsageLine, occurred_at: int) -> LineBody:
    """What a line says: two lines under one usage id must say the same."""
    return line["resource_key"], line["quantity"], line["mode"], line["workspace_id"], occurred_at


def _sources(sources: dict[str, int]) -> list[UsageSource]:
    return [UsageSource(source=source, sequence=sequence) for source, sequence in sources.items()] if sources else []


def parts_of(line: RecordedLine) -> tuple[RememberedPart, ...]:
    """Who bears what of a recorded line."""
    details, overage = line["details"], line["overage"]
    if details is not None and details["parts"]:
        return tuple(
            RememberedPart(
                p["bearer"], p["provision_id"], p["payer"], p["quantity"], p["charge"], p["credit_key"], p["admitted"]
            )
            for p in details["parts"]
        )
    parts: tuple[RememberedPart, ...] = ()
    if line["quantity"] > overage:
        parts = borne_whole(line["provision_id"], line["quantity"] - overage)
    return (*parts, RememberedPart("overage", "", "", overage, 0, "")) if overage else parts
