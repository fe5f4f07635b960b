"""The process that decides. One loop: poll commands, decide, write a frame, hear that it counts, answer.

One frame is under way per partition: the next one names its offset and hash. Partitions take turns, so that one decides
while another's frame is on its way. A crash anywhere repeats at most one frame, which readers drop or which never was.

A frame counts when the broker has acknowledged it at the very next offset after the frame that it continues: nothing stands
between the two, so no rival was first. Anywhere else than there, the log is read from the one to the other, and says.
"""

from __future__ import annotations

import gc
import logging
import socket
import threading
import time
import uuid
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from entitlements.errors import EntitlementsError
from entitlements.ledger import clients
from entitlements.ledger.causes import Causes
from entitlements.ledger.chain import HASH_HEADER
from entitlements.ledger.confirming import Frames
from entitlements.ledger.observing import WrittenFrame, note_load, note_start_over
from entitlements.ledger.outcomes import Outcomes
from entitlements.ledger.owned import BATCH_COMMANDS_MAX, Owned, UnderWay
from entitlements.ledger.partition import CannotBeDecided, LoggedCommand, results_of
from entitlements.ledger.quarantine import Quarantine
from entitlements.ledger.recovery import Stopped, recover
from entitlements.ledger.tail import CORRUPT
from entitlements.ledger.ticker import Ticker
from entitlements.operations.spans import TracedCommands
from entitlements.registry import wire_for
from entitlements.settings import FRAME_BYTES_MAX, Settings

_log = logging.getLogger(__name__)

#: Room for what Kafka puts around a record.
_FRAME_MARGIN_BYTES: Final = 64 * 1024
#: Commands that wait in memory before no more are taken from Kafka's client.
WAITING_COMMANDS_MAX: Final = 20_000
#: Seconds: how long an idle engine waits for commands, and how often it looks at clocks.
IDLE_FOR: Final = 0.05
#: The same while snapshots are written: between two slices.
BETWEEN_SLICES_FOR: Final = 0.002
TICK_EVERY_FOR: Final = 0.25
COMMIT_EVERY_FOR: Final = 1.0
#: Seconds between looks whether somebody else has written behind a frame of ours.
LOOK_EVERY_FOR: Final = 1.0
#: Seconds to wait for acknowledgements before commands are looked for again.
_ACKNOWLEDGED_FOR: Final = 0.001


class CommandsAreMissing(EntitlementsError):
    """Undecided commands were deleted by retention: no engine ran for longer than commands are kept."""

    code = "commands_are_missing"


class CommandsAreCorrupt(EntitlementsError):
    """Undecided commands are damaged on the broker's disk: restore this partition of the topic, or no command behind them is decided."""

    code = "commands_are_corrupt"


class Engine:
    """Decides the commands of the partitions its group gives it, until stopping is set."""

    def __init__(self, settings: Settings, stopping: threading.Event) -> None:
        self.settings = settings
        self.stopping = stopping
        self.name = f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        self._topic = settings.topic("commands")
        self._ledger_topic = settings.topic("ledger")
        self._wire = wire_for(settings)
        self._producer = clients.producer(settings)
        self._quarantine = Quarantine(settings, self._producer, "engine")
        self._outcomes = Outcomes(settings, self._producer)
        self._ticker = Ticker(settings, self._producer)
        self._commands: Consumer = clients.member(settings, "engine", **{"fetch.wait.max.ms": 50})
        self._owned: dict[int, Owned] = {}
        self._frames = Frames(settings, self._owned, self._answer, self._start_over, self._on_foreign)
        self._poison: set[tuple[int, int]] = set()
        self._next_tick = self._next_commit = self._next_look = 0.0
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Decide until stopping is set. Raises LedgerError when the ledger does not continue: nobody may go on then."""
        self._join()
        try:
            while not self.stopping.is_set():
                self.turn()
        except Stopped:
            pass
        finally:
            self.close()

    def turn(self) -> None:
        """One round of the loop."""
        self._take_commands()
        self._raise_failure()
        has_snapshotted = False
        for owned in list(self._owned.values()):
            if owned.under_way is None:
                if owned.waiting:
                    self._decide(owned)
                elif not has_snapshotted:  # However many partitions there are, all of them wait for one slice.
                    has_snapshotted = owned.snapshots.work()
        under_way = any(owned.under_way is not None for owned in self._owned.values())
        self._producer.poll(_ACKNOWLEDGED_FOR if under_way else 0)
        self._frames.look()
        now = time.monotonic()
        if now >= self._next_tick:
            self._ticker.tick(owned.partition for owned in self._owned.values())
            self._next_tick = now + TICK_EVERY_FOR
        if now >= self._next_commit:
            self._commit()
            note_load(len(self._owned), sum(len(owned.waiting) for owned in self._owned.values()))
            self._next_commit = now + COMMIT_EVERY_FOR
        if now >= self._next_look:
            self._frames.look_at_ends()
            self._next_look = now + LOOK_EVERY_FOR

    # --- Ownership ---------------------------------------------------------------------------------------------------

    def _join(self) -> None:
        self._commands.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke)

    def _on_assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        try:
            for at in given:
                at.offset = self._take_over(at.partition)
            consumer.assign(given)
            _log.info("deciding partitions %s", sorted(self._owned))
        except BaseException as error:  # noqa: BLE001  Errors in callbacks of the client are lost: the loop raises it.
            self._failure = error

    def _on_revoke(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        for at in taken:
            self._owned.pop(at.partition, None)
        self._frames.forget(at.partition for at in taken)
        consumer.unassign()

    def _take_over(self, number: int) -> int:
        """Learn the state from the log; the offset of the first command that is not decided."""
        partition = recover(self.settings, number, self.stopping)
        partition.commands_wire = self._wire
        self._owned[number] = Owned(self.settings, partition, self._producer)
        self._frames.forget([number])
        low, high = clients.watermarks(self._commands, TopicPartition(self._topic, number))
        if partition.position.offset < 0:
            return low
        following = partition.position.last_command + 1
        if not low <= following <= high:
            raise CommandsAreMissing(f"Partition {number} continues at {following}, the log has {low} to {high}")
        return following

    def _start_over(self, number: int, reason: str) -> None:
        """Forget what we believe of a partition and learn it from the log (docs/architecture.md 3.6)."""
        _log.warning("Partition %s restarts from the log: %s", number, reason)
        note_start_over()
        owned = self._owned.get(number)
        if owned is not None and owned.under_way is not None:
            owned.under_way.seen.given_up()
        following = self._take_over(number)
        self._commands.seek(TopicPartition(self._topic, number, following))

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    # --- Commands ----------------------------------------------------------------------------------------------------

    def _take_commands(self) -> None:
        waiting = sum(len(owned.waiting) for owned in self._owned.values())
        idle = waiting == 0 and all(owned.under_way is None for owned in self._owned.values())
        if waiting >= WAITING_COMMANDS_MAX:
            return
        is_writing = any(owned.snapshots.is_writing for owned in self._owned.values())
        first = self._commands.poll(0 if not idle else BETWEEN_SLICES_FOR if is_writing else IDLE_FOR)
        if first is None:
            return
        for message in (first, *self._commands.consume(BATCH_COMMANDS_MAX, 0)):
            error: Any = message.error()
            owned = self._owned.get(message.partition())  # type: ignore[arg-type]
            if error is not None:
                self._raise_failure()  # What we could not take over the client assigns by itself, from no offset.
                _explain(error, message.partition())
            elif owned is not None:
                owned.waiting.append(message)

    def _decide(self, owned: Owned) -> None:
        partition = owned.partition
        messages = owned.next_batch()
        if not messages:
            return
        began = time.monotonic()
        logged = [LoggedCommand(m.offset(), m.timestamp()[1], m.value()) for m in messages]  # type: ignore[arg-type]
        poison = frozenset(offset for number, offset in self._poison if number == partition.number)
        traced = TracedCommands.among(messages)
        try:
            batch = partition.decide(logged, poison, None if traced is None else Causes(traced.offsets))
        except CannotBeDecided as error:
            _log.exception("Deciding the command failed; it is quarantined", exc_info=error.__cause__)
            self._put_aside(partition.number, next(m for m in messages if m.offset() == error.offset))
            self._start_over(partition.number, str(error))
            return
        if batch.unreadable:
            for index, code, reason in batch.unreadable:
                self._quarantine.put(messages[index], code, reason)
            self._quarantine.settle()  # The frame says it is in quarantine: it must be there.
        try:
            value, digest = partition.to_frame(batch, self.name)
        except Exception:  # noqa: BLE001 - whatever it is, the one command that nobody can write down is found and put away.
            _log.exception("Encoding the frame failed")
            self._split(owned, messages, "that cannot be written")
            return
        if len(value) > FRAME_BYTES_MAX - _FRAME_MARGIN_BYTES:
            self._split(owned, messages, f"of {len(value)} bytes")
            return
        owned.batch_commands_max = BATCH_COMMANDS_MAX
        seen = WrittenFrame(batch, len(messages), traced, len(value), self._topic, began)
        owned.under_way = under_way = UnderWay(digest, batch.last_command, results_of(batch), seen)

        def delivered(error: KafkaError | None, message: Message) -> None:
            under_way.failed = error is not None
            if error is None:  # A broker that does not say where it stands has written it all the same.
                at = message.offset()
                under_way.offset = -1 if at is None else at

        self._producer.produce(
            self._ledger_topic,
            value,
            partition=partition.number,
            headers=[(HASH_HEADER, digest), *seen.headers, *seen.event_headers],
            on_delivery=delivered,
        )

    def _split(self, owned: Owned, messages: list[Message], frame: str) -> None:
        """What was decided does not fit into a frame: decide again, half of it; one command alone is put away."""
        number, offset = owned.partition.number, messages[0].offset()
        if len(messages) == 1:
            self._put_aside(number, messages[0])
        self._start_over(number, f"{len(messages)} commands from {offset} make a frame {frame}")
        self._owned[number].batch_commands_max = max(1, len(messages) // 2)

    def _put_aside(self, number: int, message: Message) -> None:
        """A command that broke its decision goes to the quarantine when it is met again; a tick is not repeated."""
        self._poison.add((number, message.offset()))  # type: ignore[arg-type]
        self._ticker.leave_alone(number, self._wire.decode_plain(message.value()))

    def _answer(self, owned: Owned, under_way: UnderWay) -> None:
        """A frame counts: whoever waits for its outcomes hears them."""
        position = owned.partition.position
        under_way.seen.confirmed(position.offset)
        if under_way.results:
            self._outcomes.send(owned.partition.number, position.offset, under_way.results, under_way.seen.headers)
            self._producer.poll(0)

    def _on_foreign(self, message: Message) -> None:
        self._quarantine.put(message, "not_a_frame", "The ledger holds a record that is no frame.")

    # --- The group ---------------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        """Tell the group where we are; a hint for people and lag monitors, never for a take-over."""
        offsets = []
        for number, owned in self._owned.items():
            at = owned.partition.position.last_command + 1
            if at > 0 and at != owned.committed:
                owned.committed = at
                offsets.append(TopicPartition(self._topic, number, at))
        if offsets:
            try:
                self._commands.commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                _log.debug("Offset commit failed: %s", error)

    def close(self) -> None:
        """Leave the group and stop. Whoever comes next reads what became of frames under way."""
        self._producer.flush(5)
        self._outcomes.close()
        self._commands.close()
        self._frames.close()


def _explain(error: KafkaError, partition: int | None) -> None:
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise CommandsAreMissing(error.str())
    if error.code() in CORRUPT:
        raise CommandsAreCorrupt(f"Partition {partition}: {error.str()}")
    if error.fatal():
        raise KafkaException(error)
    _log.debug("Command consumer: %s", error.str())


def run(settings: Settings, stopping: threading.Event) -> None:
    """Run an engine until stopping is set; it comes back by itself when the broker was away.

    Raises LedgerError, CommandsAreMissing and CommandsAreCorrupt: what was lost does not come back by trying.
    """
    # State is many small objects that live for ever and hold no cycles; looking for some would stop the loop for nothing.
    gc.set_threshold(100_000, 50, 1_000)
    clients.come_back(lambda: Engine(settings, stopping).run(), stopping)
