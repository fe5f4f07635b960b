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
from collections import defaultdict
from contextlib import ExitStack
from typing import Final

from bench import work
from bench.place import FOLDER, Place, a_process
from bench.rounds import wait_until_decided
from entitlements.settings import Settings

RATE: Final = 1_000
MEASURED_FOR: Final = 6
#: Not counted: connections are made, code is warm afterwards.
WARM_UP_FOR: Final = 2


def measure(place: Place) -> dict[str, float]:
    """Both latencies, each at the half and at 99 of 100: the medians of rounds in which both have their turn."""
    ways = {
        "command": place.installation("latency"),
        "command_kafka": place.installation("latency-kafka").model_copy(update={"replies": "kafka"}),
    }
    found: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        for settings in ways.values():
            engine = stack.enter_context(a_process(settings, "engine"))
            place.say("opens pools")
            work.load(settings, work.openings(work.pool_ids()))
            wait_until_decided(place, settings, [engine])
        for _ in range(place.rounds):
            for name, settings in ways.items():
                waited, from_due = _waited(place, settings)
                found[f"{name}_p50_ms"].append(percentile(waited, 50))
                found[f"{name}_p99_ms"].append(percentile(waited, 99))
                found[f"{name}_due"].append(percentile(from_due, 99))
    for name in ways:
        place.notes[f"{name}_p99_ms"] = f"from the scheduled instant {statistics.median(found.pop(f'{name}_due')):.1f}"
    return {name: statistics.median(values) for name, values in found.items()}


def _waited(place: Place, settings: Settings) -> tuple[list[float], list[float]]:
    """Milliseconds of each command, from when it was sent and from when it was to be sent."""
    to, seconds = FOLDER / "latency.json", WARM_UP_FOR + MEASURED_FOR
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
    return (
        [(end - begin) * 1_000 for begin, end in zip(sent, decided, strict=True)],
        [(end - begin) * 1_000 for begin, end in zip(due, decided, strict=True)],
    )


def percentile(values: list[float], of_hundred: int) -> float:
    """The value that so many of a hundred do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[of_hundred - 1]
