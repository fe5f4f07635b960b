"""The process that takes the topic of the access log to Postgres.

Rows and position are one transaction, so a record is kept once, wherever the process ends; a decision that was reported twice
has the same id and is kept once, too. Started several times they share the partitions. What cannot be read goes to the quarantine
before its position is passed. Days come and go by retention.py.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from typing import Any, Final

import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from entitlements.access.log import batches, tables
from entitlements.access.log.retention import LOOK_EVERY_FOR, TRY_AGAIN_AFTER_FOR, Retention
from entitlements.access.log.rules import LogRules
from entitlements.errors import ServerIsAway
from entitlements.ledger import clients
from entitlements.ledger.quarantine import Quarantine
from entitlements.operations.metrics import ACCESS_KEPT
from entitlements.registry import wire_for
from entitlements.settings import Settings

GROUP: Final = "access-log"
BATCH_MAX: Final = 5_000
IDLE_FOR: Final = 0.1

_log = logging.getLogger(__name__)


class Keeper:
    """Keeps the partitions its group gives it, until stopping is set. Thrown away when a server is away."""

    def __init__(self, settings: Settings, stopping: threading.Event) -> None:
        self._settings = settings
        self._stopping = stopping
        self._topic = settings.topic("access-log")
        self._rules = LogRules.parse(settings.access_log)
        self._retention = Retention(self._rules)
        self._wire = wire_for(settings)
        self._connection = tables.open_tables(settings.postgres)
        self._producer = clients.producer(settings)
        self._quarantine = Quarantine(settings, self._producer, GROUP)
        # What the topic keeps no longer is gone: then it goes on with what there is.
        self._consumer: Consumer = clients.member(settings, GROUP, **{"auto.offset.reset": "earliest"})
        self._positions: dict[int, int] = {}
        self._failure: BaseException | None = None
        self._next_look = 0.0

    def run(self) -> None:
        """Keep what there is. A crash anywhere repeats at most one batch, which changes nothing. Raises ServerIsAway."""
        self._consumer.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke)
        while not self._stopping.is_set():
            if time.monotonic() >= self._next_look:
                self._retention.keep(self._connection)
                pause_for = TRY_AGAIN_AFTER_FOR if self._retention.is_held_up else LOOK_EVERY_FOR
                self._next_look = time.monotonic() + pause_for
            messages = self._take()
            if messages:
                self._keep(messages)

    def _take(self) -> list[Message]:
        messages = self._consumer.consume(BATCH_MAX, IDLE_FOR)
        if self._failure is not None:
            raise self._failure
        taken = []
        for message in messages:
            error: Any = message.error()
            if error is None and message.partition() in self._positions:
                taken.append(message)
            elif error is not None and (error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET):  # noqa: SLF001
                raise KafkaException(error)
        return taken

    def _keep(self, messages: list[Message]) -> None:
        batch = batches.read(messages, self._wire, self._rules)
        for message, code, reason in batch.unreadable:
            self._put_aside(message, code, reason)
        if batch.unreadable:
            self._quarantine.settle()
        ACCESS_KEPT.labels("expired").inc(batch.expired)
        tables.create_days(self._connection, {tables.day_of(entry["occurred_at"]) for _, entry in batch.entries})
        moves = {p: (self._positions[p], following) for p, following in batch.following.items()}
        try:
            new = tables.write(self._connection, [entry for _, entry in batch.entries], moves)
        except psycopg.Error as error:
            if not tables.is_fault_of_the_data(error):
                raise
            self._keep_half(messages, error)
            return
        except tables.AnotherKeeper as moved:
            _log.info("Restarting from the stored positions: %s", moved)
            self._start_over()
            return
        self._positions |= batch.following
        ACCESS_KEPT.labels("kept").inc(new)
        ACCESS_KEPT.labels("repeated").inc(len(batch.entries) - new)
        self._tell_the_group(batch.following)

    def _keep_half(self, messages: list[Message], error: psycopg.Error) -> None:
        """Postgres refuses something of a batch: the halves apart, until it is one record, which is put away."""
        if len(messages) > 1:
            half = len(messages) // 2
            self._keep(messages[:half])
            self._keep(messages[half:])
            return
        (message,) = messages
        self._put_aside(message, "refused_by_postgres", str(error))
        self._quarantine.settle()
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        tables.write(self._connection, [], {partition: (self._positions[partition], offset + 1)})
        self._positions[partition] = offset + 1

    def _put_aside(self, message: Message, code: str, reason: str) -> None:
        ACCESS_KEPT.labels("unreadable").inc()
        self._quarantine.put(message, code, reason)

    # --- The group ---------------------------------------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        """Go on where Postgres says."""
        try:
            stored = tables.positions(self._connection)
        except BaseException as error:  # noqa: BLE001  Errors in callbacks of the client are lost: the loop raises it.
            self._failure = error
            return
        for at in given:
            self._positions[at.partition] = stored.get(at.partition, -1)
            at.offset = max(0, self._positions[at.partition])
        consumer.assign(given)
        _log.info("Writing partitions %s", sorted(self._positions))

    def _on_revoke(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        for at in taken:
            self._positions.pop(at.partition, None)
        consumer.unassign()

    def _start_over(self) -> None:
        stored = tables.positions(self._connection)
        for partition in self._positions:
            self._positions[partition] = stored.get(partition, -1)
            self._consumer.seek(TopicPartition(self._topic, partition, max(0, self._positions[partition])))

    def _tell_the_group(self, following: dict[int, int]) -> None:
        """A hint for lag monitors."""
        offsets = [TopicPartition(self._topic, partition, at) for partition, at in following.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            _log.debug("Offset commit failed: %s", error)

    def close(self) -> None:
        """Leave the group; what was not committed to Postgres never happened."""
        self._consumer.close()
        self._connection.close()


def run(settings: Settings, stopping: threading.Event) -> None:
    """Keep the access log until stopping is set. Makes its tables where they are missing. Raises ServerIsAway, KafkaException."""
    try:
        tables.migrate(settings.postgres)
        with closing(Keeper(settings, stopping)) as keeper:
            keeper.run()
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise ServerIsAway(f"Postgres: {error}") from error
