"""Take-over proves itself from the log (docs/architecture.md 3.5): snapshots, then the ledger's tail to its end."""

from __future__ import annotations

import logging
import threading
import time

from confluent_kafka import KafkaException
from eventsourcing.domain import OriginatorVersionError

from entitlements.errors import LedgerHasAGap
from entitlements.ledger.partition import Partition
from entitlements.ledger.snapshots import NOTHING, restore
from entitlements.ledger.tail import LedgerTail
from entitlements.settings import Settings

_log = logging.getLogger(__name__)

_RETRY_AFTER = 0.5


class Stopped(Exception):
    """The process is stopping; the recovery was cancelled."""


def recover(settings: Settings, number: int, stopping: threading.Event) -> Partition:
    """The state of a partition at the end of its ledger. While the broker is away it tries again until stopping is set.

    Raises LedgerIsCorrupt or LedgerHasAGap, and Stopped.
    """
    while not stopping.is_set():
        try:
            return _recover(settings, number, stopping)
        except (KafkaException, TimeoutError) as error:
            _log.warning("Partition %s not recovered yet, retrying: %s", number, error)
            stopping.wait(_RETRY_AFTER)
    raise Stopped


def _recover(settings: Settings, number: int, stopping: threading.Event) -> Partition:
    partition = Partition(number, settings.partitions)
    restored = restore(settings, partition)
    partition.position, partition.events = restored
    try:
        _fold(settings, partition, stopping)
        if partition.events == partition.count_events():
            return partition
        reason = f"the ledger has {partition.events} events, the state {partition.count_events()}"
    except (OriginatorVersionError, AssertionError) as error:
        reason = f"a version is missing: {error}"
    assert restored is not NOTHING, f"the ledger alone does not add up: {reason}"
    _log.warning("Ignoring snapshots of partition %s: %s", number, reason)
    stored_chunks, partition = partition.stored_chunks, Partition(number, settings.partitions)
    partition.stored_chunks = stored_chunks
    _fold(settings, partition, stopping)
    return partition


def _fold(settings: Settings, partition: Partition, stopping: threading.Event) -> None:
    """Fold the ledger from where the partition stands to its end."""
    number, began = partition.number, time.monotonic()
    tail = LedgerTail(settings, {number: partition.position})
    try:
        end, frames = tail.end_offset(number), 0
        if partition.position.offset >= end:
            raise LedgerHasAGap(f"Frame {partition.position.offset} of partition {number} is missing, it ends at {end}")
        while tail.next_offset(number) < end:
            if stopping.is_set():
                raise Stopped
            for frame in tail.read():
                partition.fold(frame.value, frame.position_after)
                frames += 1
        # Rivals' tips after the last valid frame are part of where we stand.
        partition.position = tail.position(number)
    finally:
        tail.close()
    _log.log(
        logging.INFO if frames else logging.DEBUG,  # A partition without anything new is read in no time.
        "Partition %s recovered to command %s from %s frames in %.2f s",
        number,
        partition.position.last_command,
        frames,
        time.monotonic() - began,
    )
