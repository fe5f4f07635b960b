"""What remembered usage ids cost: memory, the snapshot, how long a step of it holds decisions up, and what a new owner waits for.

A pool has so many lines with ids of 32 characters, of 100 customers, within one window. All of them are written to a real broker as the
engine does it, a step at a time, while nothing is decided; then they are read back as whoever takes over reads them.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
import uuid
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Producer

from bench import work
from bench.decisions import START_MS
from bench.folding import _Ledger
from bench.place import Place
from entitlements.domain.pools import ResourcePool
from entitlements.ledger import clients
from entitlements.ledger.partition import Partition
from entitlements.ledger.snapshots import NOTHING, Snapshots, restore
from entitlements.settings import Settings

SIZES: Final = {"1k": 1_000, "100k": 100_000, "10m": 10_000_000}
CUSTOMERS: Final = 100
EXACT_TO: Final = 100_000
_PAGE_BYTES: Final = 4096


def measure(place: Place) -> dict[str, float]:
    """Figures for each size; of ten million not if it should be quick."""
    gc.collect()
    gc.set_threshold(100_000, 50, 1_000)  # As the engine does.
    found: dict[str, float] = {}
    for name, size in SIZES.items():
        if size > 1_000_000 and place.scale < 1:
            continue
        place.say(f"remembers {name} ids")
        for figure, value in _measure(place.installation(f"remembered-{name}"), size).items():
            found[f"remembered_{name}_{figure}"] = value
    return found


def _measure(settings: Settings, size: int) -> dict[str, float]:
    partition = _partition()
    found = {"bytes_a_line": _remember_counted(partition, size)}
    found |= _write(settings, partition, size)
    partition.aggregates["pool"].clear()
    gc.collect()
    began = time.monotonic()
    taken_over = Partition(partition.number, settings.partitions)
    assert restore(settings, taken_over) is not NOTHING
    found["take_over_s"] = time.monotonic() - began
    assert len(taken_over.aggregates["pool"]["pool-00000"].usage_ids) == size
    return found


def _remember_counted(partition: Partition, size: int) -> float:
    """Bytes a line: exactly, or where that would take too long by the memory of the process."""
    is_exact, before = size <= EXACT_TO, _resident_bytes()
    if is_exact:
        tracemalloc.start()
    _remember(partition.aggregates["pool"]["pool-00000"], size)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] if is_exact else _resident_bytes() - before
    tracemalloc.stop()
    return taken / size


def _partition() -> Partition:
    ledger, pools = _Ledger(), work.pool_ids(1)
    for command in work.openings(pools):
        ledger.decide([command])
    assert pools == ["pool-00000"]
    return ledger.partition


def _remember(pool: ResourcePool, size: int) -> None:
    for at in range(size):
        at_ms = START_MS + at * 60_000_000 // size
        body: Any = ("api_calls", 1 + at % 9, "strict", f"customer-{at % CUSTOMERS}", at_ms)
        pool.remember_usual(uuid.uuid4().hex, at_ms, body, "provision")


def _write(settings: Settings, partition: Partition, size: int) -> dict[str, float]:
    """Write a round; the longest of its steps is what a decision may wait for."""
    producer, longest = _Counting(clients.producer(settings)), 0.0
    writer = Snapshots(settings, producer, partition)  # type: ignore[arg-type]
    writer.next_round = 0.0
    began = time.monotonic()
    while True:
        producer.real.poll(0.001)
        step = time.monotonic()
        writer.work()
        longest = max(longest, time.monotonic() - step)
        if not writer.is_writing:
            break
    taken = time.monotonic() - began
    producer.real.flush(30)
    return {
        "snapshot_bytes_a_line": producer.written / size,
        "snapshot_s": taken,
        "snapshot_step_ms": longest * 1_000,
    }


class _Counting:
    """A producer that counts bytes."""

    def __init__(self, real: Producer) -> None:
        self.real, self.written = real, 0

    def produce(self, topic: str, value: bytes | None, *, key: str, **more: Any) -> None:
        self.written += len(key) + len(value or b"")
        self.real.produce(topic, value, key=key, **more)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
