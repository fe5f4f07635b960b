"""How long a caller waits at a steady 1,000 single-line commands a second over 10,000 pools.

The generator is open-loop: it sends on schedule whether or not answers come, so a slow moment is felt by all commands that
fall into it. `command_*` runs from the call that sends to the moment the caller's process holds the outcome: encode,
produce, decide, write the frame, read it back, answer, decode. `read_back_*` ends earlier, when the engine has read the frame back
and sends the outcome; Kafka stamps that in whole milliseconds, so it is exact to one.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Final

from bench import work
from bench.place import FOLDER, Place, a_process, ends
from bench.reading import outcomes_since
from bench.rounds import wait_until_decided

RATE: Final = 1_000
MEASURED_FOR: Final = 12
#: Not counted: connections are made, code is warm afterwards.
WARM_UP_FOR: Final = 2


def measure(place: Place) -> dict[str, float]:
    """Both latencies, each at the half and at 99 of 100."""
    settings = place.installation("latency")
    to = FOLDER / "latency.json"
    with a_process(settings, "engine") as engine:
        place.say("opens pools")
        work.load(settings, work.openings(work.pool_ids()))
        wait_until_decided(place, settings, engine)
        start = ends(settings, "outcomes")
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
    read_back = outcomes_since(settings, start).sent_at_ms
    warm = slice(WARM_UP_FOR * RATE, None)
    sent, decided, due = seen["sent"][warm], seen["decided"][warm], seen["due"][warm]
    waited = [(end - begin) * 1_000 for begin, end in zip(sent, decided, strict=True)]
    from_due = [(end - begin) * 1_000 for begin, end in zip(due, decided, strict=True)]
    to_read_back = [read_back[name] - at * 1_000 for name, at in zip(seen["command_ids"][warm], sent, strict=True)]
    place.notes["command_p99_ms"] = (
        f"from the scheduled instant {percentile(from_due, 99):.1f}; longest {max(waited):.0f}"
    )
    return {
        "command_p50_ms": percentile(waited, 50),
        "command_p99_ms": percentile(waited, 99),
        "read_back_p50_ms": percentile(to_read_back, 50),
        "read_back_p99_ms": percentile(to_read_back, 99),
    }


def percentile(values: list[float], of_hundred: int) -> float:
    """The value that so many of a hundred do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[of_hundred - 1]
