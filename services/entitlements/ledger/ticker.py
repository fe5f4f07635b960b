"""Asks for what has become due by time alone; the decision itself is made by the log's clock (docs/architecture.md 3.2)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from entitlements.domain.commands import AdvanceClock
from entitlements.ledger.frames import wire
from entitlements.ledger.partition import Partition
from entitlements.ledger.records import name_of_command, shape_of
from entitlements.settings import Settings
from entitlements_schemas.wire import Decoded

#: Commands that one look at a partition's clocks may send.
TICKS_MAX: Final = 1_000
ADVANCE_CLOCK: Final = f"entitlements.commands.{AdvanceClock.__name__}"


class Ticker:
    """Sends AdvanceClock to the pools on which something is due, each once until that is decided."""

    def __init__(self, settings: Settings, producer: Producer) -> None:
        self._topic = settings.topic("commands")
        self._producer = producer
        self._left_alone: set[tuple[int, str]] = set()

    def tick(self, partitions: Iterable[Partition]) -> None:
        """Look at the clocks of partitions."""
        now_ms = time.time_ns() // 1_000_000
        for partition in partitions:
            for pool_id in partition.pools_due(now_ms, TICKS_MAX):
                if (partition.number, pool_id) not in self._left_alone:
                    self._send(partition, pool_id)

    def leave_alone(self, number: int, command: Decoded) -> None:
        """A command broke its decision: if it was a tick of ours, it would break the next too, for ever.

        Commands to that pool are decided all the same, and a new process tries the tick once more.
        """
        if command.name == ADVANCE_CLOCK:
            self._left_alone.add((number, command.record["pool_id"]))

    def _send(self, partition: Partition, pool_id: str) -> None:
        command = AdvanceClock(command_id=uuid.uuid4().hex, actor="ticker", pool_id=pool_id)
        value = wire().encode_plain(name_of_command(command), shape_of(AdvanceClock).to_record(command))

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                partition.schedule_again(pool_id)

        self._producer.produce(self._topic, value, key=pool_id, partition=partition.number, on_delivery=delivered)
