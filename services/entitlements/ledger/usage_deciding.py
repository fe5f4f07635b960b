"""Usage from the bytes of commands into the state and into the bytes of a frame: the short way of deciding, as usage_folding has one of
folding.

Nearly all commands are usage that says little, and nearly all of its lines are usual (domain/usage.py): of those a frame repeats what the
command said, says who bears it and when, and the totals. So the bytes of a command are matched, the rules are asked, and the bytes of the
line are put into those of its event. There is no record, no event object and no encoding in between.

Whatever else there is goes the long way. A pool that makes an event of its lines there gets those that are written already as records, as
if they had gone the long way too. A test decides all histories both ways: frames, answers and states are the same to the byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from entitlements.domain.aggregate import Aggregate, AggregateType
from entitlements.domain.decide import is_of
from entitlements.domain.pools import ResourcePool
from entitlements.domain.usage import take_if_usual
from entitlements.domain.values import RecordedLine, UsageMode
from entitlements.ledger.records import event_to_record
from entitlements.ledger.usage_folding import RECORDED
from entitlements.ledger.usual_commands import POOL, Group, UsualCommand, lines_of
from entitlements_schemas import plain_schema
from entitlements_schemas.compiled import reader_of, writer_of
from entitlements_schemas.compiled.patterns import EMPTY
from entitlements_schemas.compiled.templates import GIVEN, template_of
from entitlements_schemas.compiled.values import LONGS_OUT, TEXTS_OUT
from entitlements_schemas.compiled.values import WRITTEN_LONGS_IN as LONGS
from entitlements_schemas.compiled.values import WRITTEN_TEXTS_IN as TEXTS

_NOTHING: Final = b"\x00"
_MODES: Final[dict[bytes, UsageMode]] = {b"\x00": "strict", b"\x02": "report"}
_RECORDED_LINE: Final = template_of(
    plain_schema("entitlements.entities.RecordedLine"),
    {
        "resource_key": GIVEN,
        "quantity": GIVEN,
        "overage": EMPTY,
        "mode": GIVEN,
        "occurred_at": GIVEN,
        "recorded_at": GIVEN,
        "workspace_id": GIVEN,
        "usage_id": GIVEN,
        "provision_id": GIVEN,
        "late": EMPTY,
        "details": EMPTY,
    },
)
_EVENT: Final = template_of(
    plain_schema(RECORDED),
    {
        "originator_id": GIVEN,
        "originator_version": GIVEN,
        "timestamp": GIVEN,
        "sources": EMPTY,
        "lines": GIVEN,
        "totals": GIVEN,
        "actor": GIVEN,
    },
)
_read_line: Final[Any] = reader_of(plain_schema("entitlements.entities.RecordedLine"))
_write_line: Final[Any] = writer_of(plain_schema("entitlements.entities.RecordedLine"))
_write_total: Final[Any] = writer_of(plain_schema("entitlements.entities.UsageTotal"))


class _Written:
    """The lines of a pool that are not in an event yet, as a frame has them."""

    __slots__ = ("lines", "of")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        #: Whose lines they are.
        self.of: UsualLines | None = None

    def __len__(self) -> int:
        return len(self.lines)

    def records(self) -> list[RecordedLine]:
        return [_read_line(line, 0)[0] for line in self.lines]


class UsualLines:
    """Decides lines the short way, for one frame."""

    def __init__(self, pools: Mapping[str, ResourcePool], touched: dict[tuple[AggregateType, str], Aggregate]) -> None:
        """touched: gets each pool that has lines here."""
        self._pools, self._touched = pools, touched

    def take(self, command: UsualCommand, group: Group, logged_ms: int) -> int:
        """Decide the lines of a pool, up to the first that is not usual: how many they are."""
        pool = self._pools.get(TEXTS[group[POOL]])
        if pool is None or not is_of(pool, command.organization_id):
            return 0
        now_ms = max(logged_ms, pool.clock_ms)
        if pool.due_ms <= now_ms:
            return 0
        written: Any = pool.written
        if written is None or written.of is not self or pool.recorded or pool.recorded_by != command.actor:
            written = self._begin(pool, command)
            if written is None:
                return 0
        lines, now, before = written.lines, LONGS_OUT[now_ms], len(written.lines)
        for key, quantity, mode, occurred_at, workspace_id, usage_id in lines_of(group):
            at_ms = now_ms if occurred_at == _NOTHING else LONGS[occurred_at]
            customer = "" if workspace_id == _NOTHING else TEXTS[workspace_id]
            name = "" if usage_id == _NOTHING else usage_id[1:].decode()
            bearer = take_if_usual(pool, (TEXTS[key], LONGS[quantity], _MODES[mode], customer, at_ms), name, now_ms)
            if bearer is None:
                break
            at = now if occurred_at == _NOTHING else occurred_at
            lines.append(_RECORDED_LINE % (key, quantity, mode, at, now, workspace_id, usage_id, TEXTS_OUT[bearer]))
        return len(lines) - before

    def _begin(self, pool: ResourcePool, command: UsualCommand) -> _Written | None:
        """Lines of this command are to be written after those that the pool has already; None: they cannot be."""
        if pool.is_backfilling or pool.is_closed:
            return None
        pool.begin(command.command_id, command.actor)
        written: Any = _Written() if pool.written is None else pool.written
        if pool.recorded:
            try:
                written.lines += [_write_line(line) for line in pool.recorded]
            except Exception:  # noqa: BLE001 - whatever it is that cannot be written, it is found when the frame is.
                return None
            pool.recorded = []
        pool.written, written.of = written, self
        self._touched["pool", pool.id] = pool
        return written  # type: ignore[no-any-return]


def events_of(aggregate: Aggregate) -> list[tuple[str, dict[str, Any] | bytes]]:
    """What has happened to an aggregate since it was asked last: full names and plain records, or their bytes."""
    events: list[tuple[str, dict[str, Any] | bytes]] = []
    if isinstance(aggregate, ResourcePool) and aggregate.written and aggregate.is_told_by_lines:
        events.extend(map(event_to_record, aggregate.take_sealed()))
        events.append((RECORDED, _event_of(aggregate, aggregate.written)))
    events.extend(map(event_to_record, aggregate.take_events()))
    return events


def _event_of(pool: ResourcePool, written: Any) -> bytes:
    lines = [*written.lines, *map(_write_line, pool.recorded)] if pool.recorded else written.lines
    counted = pool.stand_at_event()
    return _EVENT % (
        TEXTS_OUT[pool.id],
        LONGS_OUT[pool.version],
        LONGS_OUT[pool.clock_ms],
        LONGS_OUT[len(lines)],
        b"".join(lines),
        LONGS_OUT[len(counted)],
        b"".join([_write_total(entitlement.total) for entitlement in counted]),
        TEXTS_OUT[pool.recorded_by],
    )
