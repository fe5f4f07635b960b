"""How long a caller waits at a steady 1,000 single-line commands a second over 10,000 pools.

The generator is open-loop: it sends on schedule whether or not answers come, so a slow moment is felt by all commands that
fall into it. `command_*` runs from the call that sends to the moment the caller's process holds the outcome: encode,
produce, decide, write the frame, hear that it stands, answer, decode. Once the answer comes through a socket, as on one
machine, and once through Kafka, as from one machine to another.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Final

from bench import work
from bench.place import FOLDER, Place, a_process
from bench.rounds import wait_until_decided
from entitlements.settings import Settings

RATE: Final = 1_000
MEASURED_FOR: Final = 12
#: Not counted: connections are made, code is warm afterwards.
WARM_UP_FOR: Final = 2


def measure(place: Place) -> dict[str, float]:
    """Both latencies, each at the half and at 99 of 100."""
    direct, longest = _waited(place, place.installation("latency"))
    place.notes["command_p99_ms"] = longest
    settings = place.installation("latency-kafka").model_copy(update={"replies": "kafka"})
    through_kafka, longest = _waited(place, settings)
    place.notes["command_kafka_p99_ms"] = longest
    return {
        "command_p50_ms": percentile(direct, 50),
        "command_p99_ms": percentile(direct, 99),
        "command_kafka_p50_ms": percentile(through_kafka, 50),
        "command_kafka_p99_ms": percentile(through_kafka, 99),
    }


def _waited(place: Place, settings: Settings) -> tuple[list[float], str]:
    """Milliseconds that each command took, and a word on the longest."""
    to = FOLDER / "latency.json"
    with a_process(settings, "engine") as engine:
        place.say("opens pools")
        work.load(settings, work.openings(work.pool_ids()))
        wait_until_decided(place, settings, [engine])
        seconds = WARM_UP_FOR + MEASURED_FOR
        place.say(f"sends {RATE:,} a second for {seconds} s")
        with a_process(settings, "generator", str(RATE), str(seconds), str(to)) as generator:
            began = time.monotonic()
            while generator.poll() is None:
                place.progress((time.monotonic() - began) / (seconds + 1))
                time.sleep(0.2)
            assert generator.returncode == 0, "the generator failed"
    seen = json.loads(to.read_text(encoding="utf-8"))
    assert seen["accepted"] == len(seen["sent"]), "every command was to be accepted"
    warm = slice(WARM_UP_FOR * RATE, None)
    sent, decided, due = seen["sent"][warm], seen["decided"][warm], seen["due"][warm]
    waited = [(end - begin) * 1_000 for begin, end in zip(sent, decided, strict=True)]
    from_due = [(end - begin) * 1_000 for begin, end in zip(due, decided, strict=True)]
    return waited, f"from the scheduled instant {percentile(from_due, 99):.1f}; longest {max(waited):.0f}"


def percentile(values: list[float], of_hundred: int) -> float:
    """The value that so many of a hundred do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[of_hundred - 1]
