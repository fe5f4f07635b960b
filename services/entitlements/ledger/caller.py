"""Sends commands and waits for their answers. Unknown is not failed (docs/architecture.md 3.7)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self, TypeAlias

import msgspec
from confluent_kafka import KafkaError, Message, TopicPartition

from entitlements.domain.commands import Command, address_of
from entitlements.errors import CommandIsTooLarge, OutcomeUnknown
from entitlements.ledger import clients
from entitlements.ledger.frames import wire
from entitlements.ledger.hearing import Hearing
from entitlements.ledger.outcomes import OUTCOME
from entitlements.ledger.partitioning import partition_of
from entitlements.ledger.records import name_of_command, shape_of
from entitlements.operations.metrics import COMMANDS_ANSWERED, COMMANDS_SENT
from entitlements.operations.spans import CallerSpans
from entitlements.registry import wire_for
from entitlements.settings import RECORD_BYTES_MAX, Settings
from entitlements_client.deciding.unique import new_id as new_id  # noqa: PLC0414 - whoever sends commands takes their ids from here.
from entitlements_schemas import WireError

#: Seconds between looks whether it is to close: every command of the command line closes a caller.
LOOK_EVERY_FOR: Final = 0.02
_OUTCOMES_AT_ONCE: Final = 500
#: Seconds to wait for a delivery that somebody waits for, before outcomes are looked for.
_DELIVERED_FOR: Final = 0.002
_ANSWERED: Final = {
    status: COMMANDS_ANSWERED.labels(status) for status in ("accepted", "partial", "refused", "unknown")
}


class LineRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """A line of usage that was refused; remaining in the smallest unit, -1: without meaning for the reason."""

    index: int
    code: str
    remaining: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command, and the log position to wait for when reading."""

    command_id: str
    status: str
    repeated: bool
    code: str
    message: str
    #: How much would have been taken of what was refused for being too much, in the smallest unit; -1: without meaning.
    remaining: int = -1
    aggregate_id: str
    version: int
    accepted_lines: int
    refused_lines: list[LineRefusal]
    #: Of the lines of a command with an idempotency key, in order: by them they can be reversed. Else empty.
    usage_ids: list[str] = msgspec.field(default_factory=list)
    partition: int
    frame_offset: int

    @property
    def is_accepted(self) -> bool:
        """Whether all of it was accepted, now or before."""
        return self.status == "accepted"


#: Hears what became of a command: in a thread of the caller's, so it must not block.
Settle: TypeAlias = Callable[["Outcome | OutcomeUnknown"], None]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A command for whose outcome nobody waits, and where it stands in the log of commands."""

    command_id: str
    partition: int
    offset: int


class Caller:
    """Sends commands to the log and hears what became of them. Safe to share between threads; close it."""

    def __init__(self, settings: Settings, *, in_loop: bool = False) -> None:
        """in_loop: what comes on the short way is heard by an event loop (`hear_in`), not by a thread."""
        self.settings = settings
        self.name = f"caller-{new_id()}"
        self._topic = settings.topic("commands")
        #: Who waits, by the command's id. Each step on it is one of the interpreter's, so no lock is needed.
        self._waiting: dict[str, Settle] = {}
        self._key = self.name.encode()
        self._closing = threading.Event()
        self._wire = wire_for(settings)
        self._spans = CallerSpans.if_wanted()
        self._producer = clients.producer(settings)
        #: Commands whose delivery somebody waits for, by their ids; each step on it is one of the interpreter's, too.
        self._posted: set[str] = set()
        self._consumer = clients.reader(
            settings,
            # Whoever slept longer than outcomes are kept hears what is said from now on; who waited hears outcome_unknown.
            **{"fetch.wait.max.ms": 50, "auto.offset.reset": "latest"},
        )
        self._assign()
        self._replies = Hearing(self.name, self._take) if settings.replies == "direct" else None
        if self._replies is not None and not in_loop:
            self._replies.hear_in_thread()
        self._thread = threading.Thread(target=self._listen, name=self.name, daemon=True)
        self._thread.start()

    def _assign(self) -> None:
        """Listen from the end of our partition on, before anything is sent. Raises KafkaException: the broker is away."""
        own = TopicPartition(self.settings.topic("outcomes"), partition_of(self.name, self.settings.partitions))
        _, end = clients.watermarks(self._consumer, own)
        self._consumer.assign([TopicPartition(own.topic, own.partition, end)])

    def ask(self, command: Command, settle: Settle, partition: int | None = None) -> None:
        """Send a command; settle is called with its outcome, in another thread, or with OutcomeUnknown.

        The partition follows from the aggregate; a batch of many pools names it. Raises CommandIsTooLarge, and
        NotEncodable (of entitlements_schemas) when a field does not fit its type.
        """

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                # It may have been written all the same: only the log knows.
                self._settle(command.command_id, OutcomeUnknown(error.str()))

        value = self._encoded(command, self.name)
        self._waiting[command.command_id] = settle
        self._produce(command, value, partition, delivered)

    def hear_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on, let a loop hear what comes on the short way. Call it in the loop."""
        if self._replies is not None:
            self._replies.hear_in_loop(loop)

    def send(self, command: Command, *, wait: bool = True, partition: int | None = None) -> Future[Outcome]:
        """Send a command; the future gives its outcome. Without wait nobody answers. Raises as ask does."""
        future: Future[Outcome] = Future()
        if wait:
            self.ask(command, partial(tell, future), partition)
            return future

        def delivered(error: KafkaError | None, _: Message) -> None:
            if self._spans is not None and error is None:
                self._spans.written(command.command_id)

        self._produce(command, self._encoded(command, None), partition, delivered)
        return future

    def post(self, command: Command, partition: int | None = None) -> Future[Sent]:
        """Send a command for whose outcome nobody waits; the future gives where it stands. Raises as send does."""
        future: Future[Sent] = Future()

        def delivered(error: KafkaError | None, message: Message) -> None:
            self._posted.discard(command.command_id)
            if self._spans is not None:
                self._spans.written(command.command_id)
            if future.done():  # Given up.
                return
            if error is not None:
                future.set_exception(OutcomeUnknown(error.str()))
                return
            place, offset = message.partition(), message.offset()
            assert place is not None and offset is not None, "a delivered message stands somewhere"  # noqa: PT018
            future.set_result(Sent(command_id=command.command_id, partition=place, offset=offset))

        value = self._encoded(command, None)
        self._posted.add(command.command_id)
        self._produce(command, value, partition, delivered)
        return future

    def _encoded(self, command: Command, caller: str | None) -> bytes:
        record = shape_of(type(command)).to_record(command) | {"caller": caller}
        value = self._wire.encode_plain(name_of_command(command), record)
        if len(value) > RECORD_BYTES_MAX:
            raise CommandIsTooLarge(f"{len(value)} bytes; the maximum is {RECORD_BYTES_MAX}")
        return value

    def _produce(
        self,
        command: Command,
        value: bytes,
        partition: int | None,
        on_delivery: Callable[[KafkaError | None, Message], None],
    ) -> None:
        _, key = address_of(command)
        if partition is None:
            partition = partition_of(key, self.settings.partitions)
        COMMANDS_SENT.inc()
        headers = None
        if self._spans is not None:
            headers = self._spans.sent(command.command_id, name_of_command(command), self._topic, key)
        while True:
            try:
                self._producer.produce(
                    self._topic, value, key=key, partition=partition, on_delivery=on_delivery, headers=headers
                )
                break
            except BufferError:
                self._producer.poll(0.1)

    def forget(self, command: Command) -> None:
        """Whoever waited for this command has given up."""
        if self._waiting.pop(command.command_id, None) is not None:
            self._note(command.command_id, None)

    def call(self, command: Command, partition: int | None = None) -> Outcome:
        """Send a command and wait for its outcome. Raises OutcomeUnknown after settings.answer_timeout_for seconds."""
        return self.wait(command, self.send(command, partition=partition))

    def wait(self, command: Command, future: Future[Outcome]) -> Outcome:
        """Wait for an outcome. Raises OutcomeUnknown after settings.answer_timeout_for seconds."""
        try:
            return future.result(self.settings.answer_timeout_for)
        except FutureTimeout:
            self.forget(command)
            raise OutcomeUnknown from None

    def call_all(self, many: Sequence[Command]) -> list[Outcome]:
        """Send commands together, those of one aggregate in order, and wait for all outcomes."""
        return [self.wait(command, future) for command, future in [(c, self.send(c)) for c in many]]

    def flush(self) -> None:
        """Wait until everything is written. Raises OutcomeUnknown when the broker does not take it."""
        if self._producer.flush(self.settings.answer_timeout_for):
            raise OutcomeUnknown("Some commands are not written yet")

    def _listen(self) -> None:
        while not self._closing.is_set():
            # Of a command that is answered only a failed delivery is news, and not before the next look.
            self._producer.poll(_DELIVERED_FOR if self._posted else 0)
            first = self._consumer.poll(0 if self._posted else LOOK_EVERY_FOR)
            if first is None:
                continue
            for message in (first, *self._consumer.consume(_OUTCOMES_AT_ONCE, 0)):
                if message.error() is None and message.key() == self._key:
                    self._take(message.value(), clients.headers_of(message) if self._spans is not None else ())

    def _take(self, value: bytes | None, headers: Iterable[tuple[str, Any]] = ()) -> None:
        try:
            name, record = wire().decode_plain(value)
        except WireError:
            return  # Not one of ours, whatever its key says; the caller hears outcome_unknown.
        if name != OUTCOME:
            return
        partition, frame_offset = record["partition"], record["frame_offset"]
        for result in record["results"]:
            refusals = result["refused_lines"]
            if refusals:
                result["refused_lines"] = [LineRefusal(**line) for line in refusals]
            outcome = Outcome(**result, partition=partition, frame_offset=frame_offset)
            self._settle(outcome.command_id, outcome, headers)

    def _settle(
        self, command_id: str, outcome: Outcome | OutcomeUnknown, headers: Iterable[tuple[str, Any]] = ()
    ) -> None:
        settle = self._waiting.pop(command_id, None)
        if settle is None:
            return
        self._note(command_id, outcome if isinstance(outcome, Outcome) else None, headers)
        settle(outcome)

    def _note(self, command_id: str, outcome: Outcome | None, headers: Iterable[tuple[str, Any]] = ()) -> None:
        """For operators: what became of a command; None: nobody knows."""
        _ANSWERED["unknown" if outcome is None else outcome.status].inc()
        if self._spans is not None:
            self._spans.answered(command_id, outcome, headers)

    def close(self) -> None:
        """Stop. Whoever still waits hears outcome_unknown."""
        self._producer.flush(5)
        self._closing.set()
        if self._replies is not None:
            self._replies.close()
        self._thread.join(5)
        self._consumer.close()
        for command_id in list(self._waiting):
            self._settle(command_id, OutcomeUnknown("The caller was closed"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def by_partition(pool_ids: Iterable[str], partitions: int) -> dict[int, list[str]]:
    """Pools by the partition they live on: a batch of many pools stays on one."""
    found: dict[int, list[str]] = {}
    for pool_id in pool_ids:
        found.setdefault(partition_of(pool_id, partitions), []).append(pool_id)
    return found


def tell(future: Future[Outcome] | asyncio.Future[Outcome], outcome: Outcome | OutcomeUnknown) -> None:
    """Settle a future, unless it is. One of an event loop: in its thread."""
    if future.done():
        return  # Whoever waited has given up.
    if isinstance(outcome, Outcome):
        future.set_result(outcome)
    else:
        future.set_exception(outcome)
