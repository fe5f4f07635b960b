"""State and decisions of one partition: commands in, one frame out; frames in, state out. No Kafka here."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from typing import Any, get_args

from entitlements.domain import commands
from entitlements.domain.aggregate import NEVER_MS, Aggregate, AggregateType
from entitlements.domain.checks import check_fields
from entitlements.domain.commands import Command, address_of
from entitlements.domain.decide import decide, is_of, record_group, record_usage
from entitlements.domain.errors import CommandRefused, InvalidCommand, InvalidId, PoolIsElsewhere, UnknownPool
from entitlements.domain.lines import UsageAnswer
from entitlements.domain.pools import ResourcePool
from entitlements.domain.values import ID_CHARACTERS_MAX, UsageLine, is_id
from entitlements.ledger import outcomes, records
from entitlements.ledger.batch import Batch, CannotBeDecided, LoggedCommand, results_of
from entitlements.ledger.causes import Causes
from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.frames import FrameHead, Refusal, read_to_fold, wire, write_frame
from entitlements.ledger.partitioning import partition_of
from entitlements.ledger.usage_deciding import UsualLines, events_of
from entitlements.ledger.usage_folding import fold_usage, read_whole
from entitlements.ledger.usual_commands import RECORD_USAGE, UsualCommand, count_of, read_usual
from entitlements.settings import LINES_PER_COMMAND_MAX, RECORD_BYTES_MAX
from entitlements_schemas import Wire, WireError

__all__ = ["Batch", "CannotBeDecided", "LoggedCommand", "Partition", "results_of"]


class Partition:
    """All aggregates of one partition, and the chain position they stand at."""

    def __init__(self, number: int, partitions: int, commands_wire: Wire | None = None) -> None:
        self.number = number
        # Commands may be written under the ids of an external registry; bundled ids are understood in any case.
        self.commands_wire = commands_wire or wire()
        self._partitions = partitions
        self.position = ChainPosition()
        self.aggregates: dict[AggregateType, dict[str, Any]] = {kind: {} for kind in get_args(AggregateType)}
        self._pools: dict[str, ResourcePool] = self.aggregates["pool"]
        #: Aggregates that have changed since their snapshot.
        self.dirty: set[tuple[AggregateType, str]] = set()
        #: Names of the chunks that the topic of snapshots holds, by the key of the snapshot that they are of.
        self.stored_chunks: dict[str, set[bytes]] = {}
        #: How many events the ledger has up to the position.
        self.events = 0
        #: What happens by itself and when: a heap, with the entries that were superseded still in it.
        self._due: list[tuple[int, str]] = []
        self._scheduled: dict[str, int] = {}

    # --- Folding: what the ledger says -------------------------------------------------------------------------------

    def fold(self, value: bytes, position: ChainPosition) -> int:
        """Take a valid frame into the state and count its events. Those that a snapshot holds already are passed over."""
        events = read_to_fold(value)
        for name, found in events:
            if type(found) is dict:
                self._fold_record(name, found)
            elif (pool := fold_usage(self._pools, name, found)) is None:
                self._fold_record(name, read_whole(name, found))
            else:
                self.dirty.add(("pool", pool.id))
                if self._scheduled.get(pool.id) != pool.due_ms:
                    self._schedule(pool)
        self.position = position
        self.events += len(events)
        return len(events)

    def _fold_record(self, name: str, record: dict[str, Any]) -> None:
        short_name = name.rpartition(".")[2]
        kind = records.aggregate_type_of(short_name)
        of_kind = self.aggregates[kind]
        aggregate = of_kind.get(record["originator_id"])
        if aggregate is not None and record["originator_version"] <= aggregate.version:
            return
        event = records.event_from_record(f"entitlements.events.{short_name}", record)
        of_kind[event.originator_id] = mutated = event.mutate(aggregate)
        assert isinstance(mutated, Aggregate)
        self._note((kind, mutated.id), mutated)

    def _note(self, address: tuple[AggregateType, str], aggregate: Aggregate) -> None:
        self.dirty.add(address)
        if isinstance(aggregate, ResourcePool):
            self._schedule(aggregate)

    def _schedule(self, pool: ResourcePool) -> None:
        if pool.due_ms < NEVER_MS and not pool.is_backfilling and self._scheduled.get(pool.id) != pool.due_ms:
            self._scheduled[pool.id] = pool.due_ms
            heapq.heappush(self._due, (pool.due_ms, pool.id))

    def schedule_again(self, pool_id: str) -> None:
        """What was due of a pool did not happen: name it again."""
        pool = self._pools.get(pool_id)
        if pool is not None:
            self._schedule(pool)

    def restore(self, kind: AggregateType, aggregate: Aggregate) -> None:
        """Take an aggregate from its snapshot."""
        self.aggregates[kind][aggregate.id] = aggregate
        if isinstance(aggregate, ResourcePool):
            self._schedule(aggregate)

    def count(self) -> int:
        """How many aggregates there are."""
        return sum(map(len, self.aggregates.values()))

    def count_events(self) -> int:
        """How many events the state is made of: every event raises one version by one."""
        return sum(aggregate.version for of_kind in self.aggregates.values() for aggregate in of_kind.values())

    def pools_due(self, now_ms: int, at_most: int) -> list[str]:
        """Pools on which something has become due, each named once until it is decided whether its time has come."""
        due: list[str] = []
        while self._due and self._due[0][0] <= now_ms and len(due) < at_most:
            due_ms, pool_id = entry = heapq.heappop(self._due)
            while self._due and self._due[0] == entry:  # What was due was moved away and back again.
                heapq.heappop(self._due)
            pool = self._pools.get(pool_id)
            if pool is not None and pool.due_ms == due_ms and not pool.is_backfilling:
                self._scheduled.pop(pool_id, None)
                due.append(pool_id)
        return due

    # --- Deciding: what the commands ask -----------------------------------------------------------------------------

    def decide(
        self, commands_logged: Sequence[LoggedCommand], poison: frozenset[int], causes: Causes | None = None
    ) -> Batch:
        """Decide commands in the order of the log. Raises CannotBeDecided: then the state is worth nothing."""
        first = self.position.last_command + 1 if self.position.offset >= 0 else commands_logged[0].offset
        last = commands_logged[-1]
        batch = Batch(first, last.offset, last.timestamp_ms, causes=causes)
        batch.usual = UsualLines(self._pools, batch.touched) if causes is None else None  # Causes look at records.
        for index, logged in enumerate(commands_logged):
            if logged.offset in poison:
                self._unreadable(batch, index, logged, "could_not_be_decided", "The decision failed twice.")
                continue
            if self._is_decided_as_usual(batch, logged):
                continue
            command = self._read(batch, index, logged)
            if command is None:
                continue
            if causes is not None:
                causes.before(logged.offset, command, self.aggregates)
            try:
                if type(command) is dict:
                    self._decide_usage(batch, command, logged)
                elif type(command) is commands.RecordUsageBatch:
                    self._decide_many(batch, command, logged)
                else:
                    self._decide_one(batch, command, logged)
            except Exception as error:
                raise CannotBeDecided(logged.offset) from error
            if causes is not None:
                causes.after(logged.offset, self.aggregates)
        return batch

    def _read(self, batch: Batch, index: int, logged: LoggedCommand) -> Any:
        """The command; usage of one pool, which is most of what there is, stays the plain record that it came as."""
        if logged.value is not None and len(logged.value) > RECORD_BYTES_MAX:
            self._unreadable(batch, index, logged, "oversize", f"{len(logged.value)} bytes are too many.")
            return None
        try:
            name, record = self.commands_wire.decode_plain(logged.value)
            if name == RECORD_USAGE and self._is_plain(record):
                return record
            return records.command_from_record(name, record)
        except WireError as error:
            self._unreadable(batch, index, logged, error.code, str(error))
        except KeyError as error:
            self._unreadable(batch, index, logged, "not_a_command", f"{error} is no command.")
        except (ArithmeticError, ValueError) as error:
            self._unreadable(batch, index, logged, "undecodable", f"An instant is out of range: {error}")
        return None

    def _is_plain(self, usage: dict[str, Any]) -> bool:
        """Whether usage needs none of what the door of all commands does."""
        pool, key = self._pools.get(usage["pool_id"]), usage["idempotency_key"]
        return (
            pool is not None
            and is_of(pool, usage["caller_organization_id"])
            and not usage["batch_key"]
            and (key is None or (key not in pool.answers and [line["usage_id"] for line in usage["lines"]] == [key]))
            and 0 < len(usage["lines"]) <= LINES_PER_COMMAND_MAX
            and is_id(usage["command_id"])
        )

    def _unreadable(self, batch: Batch, index: int, logged: LoggedCommand, code: str, reason: str) -> None:
        batch.unreadable.append((index, code, reason))
        batch.refusals.append(Refusal(logged.offset, "", "", code, reason[:500]))

    def _is_decided_as_usual(self, batch: Batch, logged: LoggedCommand) -> bool:
        """Decide usage the short way if its command has the usual form. Of its lines the long way decides those that are not usual."""
        if batch.usual is None or logged.value is None or len(logged.value) > RECORD_BYTES_MAX:
            return False
        try:
            usual = read_usual(self.commands_wire, logged.value)
            return usual is not None and self._decide_usual(batch, batch.usual, usual, logged)
        except Exception as error:
            raise CannotBeDecided(logged.offset) from error

    def _decide_usual(self, batch: Batch, lines: UsualLines, usual: UsualCommand, logged: LoggedCommand) -> bool:
        if usual.is_batch:
            return self._decide_usual_batch(batch, lines, usual, logged)
        pool = self._pools.get(usual.pool_id)
        if pool is None or not is_of(pool, usual.organization_id) or not usual.is_under_its_id(pool):
            return False
        answer = UsageAnswer()
        answer.accepted = taken = lines.take(usual, usual.groups[0], logged.timestamp_ms)
        batch.lines += usual.lines
        if taken < usual.lines:
            left = self.commands_wire.decode_plain(logged.value).record["lines"][taken:]
            record_usage(pool, usual.command_id, usual.actor, None, left, logged.timestamp_ms, answer)
            batch.touched["pool", pool.id] = pool
        if usual.caller is not None:
            result = outcomes.usage_result(usual.command_id, answer, repeated=answer.repeated == usual.lines)
            batch.results.append((usual.caller, result, pool))
        return True

    def _decide_usual_batch(self, batch: Batch, lines: UsualLines, usual: UsualCommand, logged: LoggedCommand) -> bool:
        command = commands.RecordUsageBatch(
            command_id=usual.command_id,
            actor=usual.actor,
            caller=usual.caller,
            caller_organization_id=usual.organization_id,
            groups=[],
        )
        try:
            check_fields(command)
        except CommandRefused:
            return False
        answer, first, record = UsageAnswer(), 0, None
        for at, group in enumerate(usual.groups):
            number, taken = count_of(group), lines.take(usual, group, logged.timestamp_ms)
            answer.accepted += taken
            if taken < number:
                record = record or self.commands_wire.decode_plain(logged.value).record
                pool_id, said = record["groups"][at]["pool_id"], record["groups"][at]["lines"]
                self._decide_group(batch, command, pool_id, said[taken:], logged, answer, first + taken)
            first += number
        self._answer_many(batch, command, answer, first)
        return True

    def _decide_usage(self, batch: Batch, command: dict[str, Any], logged: LoggedCommand) -> None:
        pool_id, command_id, caller = command["pool_id"], command["command_id"], command["caller"]
        pool, lines = self._pools[pool_id], command["lines"]
        answer = record_usage(pool, command_id, command["actor"], command["effective_at"], lines, logged.timestamp_ms)
        batch.touched["pool", pool_id] = pool
        batch.lines += len(lines)
        if caller is not None:
            result = outcomes.usage_result(command_id, answer, repeated=answer.repeated == len(lines))
            batch.results.append((caller, result, pool))

    def _decide_one(self, batch: Batch, command: Command, logged: LoggedCommand) -> None:
        kind, aggregate_id = address_of(command)
        aggregate: Aggregate | None = self.aggregates[kind].get(aggregate_id)
        try:
            self._check_place(aggregate, aggregate_id)
            if type(command) is commands.RecordUsage:
                _check_lines(len(command.lines))
                batch.lines += len(command.lines)
            answer = decide(aggregate, command, logged.timestamp_ms)
        except CommandRefused as refusal:
            self._refuse(batch, command, logged, aggregate_id, refusal)
        else:
            if aggregate is None:
                self.aggregates[kind][aggregate_id] = aggregate = answer.aggregate
            if type(command) is commands.AdvanceClock and isinstance(aggregate, ResourcePool):
                self._schedule(aggregate)  # The log's clock may be behind that of who asked: then it is asked again.
            if command.caller is not None:
                batch.results.append((command.caller, outcomes.accepted(command.command_id, answer), aggregate))
        if aggregate is not None:
            batch.touched[kind, aggregate_id] = aggregate

    def _decide_many(self, batch: Batch, command: commands.RecordUsageBatch, logged: LoggedCommand) -> None:
        answer, first = UsageAnswer(), 0
        try:
            check_fields(command)
            _check_groups(command)
        except CommandRefused as refusal:
            self._refuse(batch, command, logged, "", refusal)
            return
        for group in command.groups:
            self._decide_group(batch, command, group["pool_id"], group["lines"], logged, answer, first)
            first += len(group["lines"])
        self._answer_many(batch, command, answer, first)

    def _decide_group(
        self,
        batch: Batch,
        command: commands.RecordUsageBatch,
        pool_id: str,
        lines: list[UsageLine],
        logged: LoggedCommand,
        answer: UsageAnswer,
        first: int,
    ) -> None:
        """Decide lines of one pool, of which the first has this index in its command."""
        pool = self._pools.get(pool_id)
        if pool is None or not is_of(pool, command.caller_organization_id):
            reason = self._why_unknown(pool_id)
            told = pool_id[:ID_CHARACTERS_MAX]
            batch.refusals.append(Refusal(logged.offset, command.command_id, told, reason.code, str(reason)))
            answer.refused.extend((first + at, reason.code, -1) for at in range(len(lines)))
        else:
            record_group(pool, command, lines, logged.timestamp_ms, answer, first)
            batch.touched["pool", pool_id] = pool

    def _answer_many(self, batch: Batch, command: commands.RecordUsageBatch, answer: UsageAnswer, lines: int) -> None:
        batch.lines += lines
        if command.caller is not None:
            result = outcomes.usage_result(command.command_id, answer, repeated=0 < lines == answer.repeated)
            batch.results.append((command.caller, result, None))

    def _refuse(
        self, batch: Batch, command: Command, logged: LoggedCommand, aggregate_id: str, refusal: CommandRefused
    ) -> None:
        batch.refusals.append(Refusal(logged.offset, command.command_id, aggregate_id, refusal.code, str(refusal)))
        if command.caller is not None:
            batch.results.append((command.caller, outcomes.refused(command.command_id, refusal), None))

    def _check_place(self, aggregate: Aggregate | None, aggregate_id: str) -> None:
        """An aggregate that came to be on two partitions would be two: whoever chose the partition is told."""
        if aggregate is None and partition_of(aggregate_id, self._partitions) != self.number:
            raise PoolIsElsewhere(f"{aggregate_id} is not on partition {self.number}")

    def _why_unknown(self, pool_id: str) -> CommandRefused:
        if not is_id(pool_id):
            return InvalidId(f"pool_id has {len(pool_id)}, or a zero character")
        try:
            self._check_place(None, pool_id)
        except PoolIsElsewhere as elsewhere:
            return elsewhere
        return UnknownPool(pool_id)

    # --- The frame ---------------------------------------------------------------------------------------------------

    def to_frame(self, batch: Batch, engine: str) -> tuple[bytes, bytes]:
        """Seal what was decided: the frame and its SHA-256. The state is now that after it, should it turn out valid."""
        events: list[tuple[str, Any]] = []
        for address, aggregate in batch.touched.items():
            taken = events_of(aggregate)
            if taken:
                self._note(address, aggregate)
                events.extend(taken)
        self.events += len(events)
        if batch.causes is not None:
            batch.causes.note(events)
        head = FrameHead(self.number, batch.first_command, batch.last_command, self.position.offset, self.position.hash)
        value = write_frame(
            head, decided_at_ms=batch.decided_at_ms, engine=engine, events=events, refusals=batch.refusals
        )
        return value, hashlib.sha256(value).digest()


def _check_lines(lines: int) -> None:
    if not 0 < lines <= LINES_PER_COMMAND_MAX:
        raise InvalidCommand(f"the command has {lines} lines; 1 to {LINES_PER_COMMAND_MAX} are allowed")


def _check_groups(command: commands.RecordUsageBatch) -> None:
    _check_lines(sum(len(group["lines"]) for group in command.groups))
    if command.source and len({group["pool_id"] for group in command.groups}) < len(command.groups):
        raise InvalidCommand("a batch with a source can name each pool once")
