"""What the broker takes from one producer with our settings: what the engine cannot exceed, whatever it does."""

from __future__ import annotations

import os
import time
from typing import Final

from bench.place import Place
from entitlements.ledger import clients

RECORDS: Final = 150_000
RECORD_BYTES: Final = 1_024


def measure(place: Place) -> dict[str, float]:
    """Megabytes (10^6 bytes) a second, all acknowledged."""
    settings = place.installation("broker")
    producer, value = clients.producer(settings), os.urandom(RECORD_BYTES)
    topic, count = settings.topic("usage"), place.sized(RECORDS)
    place.say("produces")
    began = time.perf_counter()
    for number in range(count):
        while True:
            try:
                producer.produce(topic, value, partition=number % settings.partitions)
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    assert producer.flush(60) == 0, "not everything was taken"
    return {"broker_produce_mb_per_s": count * RECORD_BYTES / 1_000_000 / (time.perf_counter() - began)}
