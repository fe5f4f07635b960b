"""What follows from decisions, beside the read models: the publisher, and the process that makes changes of customers.

The ledger lies ready before either starts. Each rate is read off the timestamps of what it wrote, from its first record to its last.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Final

from bench import work
from bench.place import FOLDER, Place, a_process, ends
from bench.reading import records
from bench.rounds import wait_until_decided
from entitlements.domain.commands import AssignWorkspace, Command
from entitlements.ledger.caller import new_id
from entitlements.settings import Settings
from entitlements.wiring import addresses, preparing
from entitlements.wiring.supervisor import Supervisor

#: Pools, of one customer each, and batches of 100 lines.
POOLS: Final = 5_000
BATCHES: Final = 4_000
WRITTEN_WITHIN_FOR: Final = 120.0
#: Seconds without a new record after which everything is written.
_QUIET_FOR: Final = 3.0


def measure(place: Place) -> dict[str, float]:
    """Lines a second of the publisher, events a second of the other; and how many bytes a line has on its way."""
    settings, pools = place.installation("following"), work.pool_ids(place.sized(POOLS))
    preparing.prepare(settings)
    batches = place.sized(BATCHES)
    lines = batches * work.LINES_A_BATCH
    with a_process(settings, "engine") as engine:
        place.say("decides what is published")
        work.load(settings, _openings(pools))
        wait_until_decided(place, settings, [engine])
        opened = {topic: ends(settings, topic) for topic in ("commands", "ledger", "outcomes")}
        work.load(settings, (c for c, _ in work.wide_batches(pools, settings.partitions, batches, random.Random(1))))
        wait_until_decided(place, settings, [engine])
    place.say("publishes")
    of_usage = _run(settings, "publisher", "usage")
    place.say("makes changes of customers")
    of_changes = _run(settings, "changes", "changes")
    events = sum(ends(settings, "events").values())
    place.notes["changes_events_per_s"] = f"{events:,} events"
    sizes = opened | {"usage": dict.fromkeys(range(settings.partitions), 0)}
    return {
        "publish_lines_per_s": lines / of_usage,
        "changes_events_per_s": events / of_changes,
    } | {f"{topic}_bytes_per_line": _bytes(settings, topic, start) / lines for topic, start in sizes.items()}


def _bytes(settings: Settings, topic: str, start: dict[int, int]) -> int:
    """Bytes of the values from offsets on."""
    return sum(len(message.value() or b"") for message in records(settings, topic, start))


def _openings(pools: list[str]) -> Iterator[Command]:
    """Each pool's commands together, so that changes follow from the first events on."""
    for pool_id in pools:
        yield from work.openings([pool_id])
        yield AssignWorkspace(command_id=new_id(), pool_id=pool_id, workspace_id=f"of-{pool_id}", role="primary")


def _run(settings: Settings, process: str, topic: str) -> float:
    """Run a process until it writes nothing more; seconds from its first record in a topic to its last."""
    before, until, quiet_since = 0, time.monotonic() + WRITTEN_WITHIN_FOR, time.monotonic()
    with Supervisor([process], addresses.environment_of(settings), FOLDER / "following-logs"):
        while not before or time.monotonic() - quiet_since < _QUIET_FOR:
            assert time.monotonic() < until, f"{process} wrote {before} records and did not end"
            written = sum(ends(settings, topic).values())
            if written > before:
                before, quiet_since = written, time.monotonic()
            time.sleep(0.2)
    at_ms = [
        message.timestamp()[1] for message in records(settings, topic, dict.fromkeys(range(settings.partitions), 0))
    ]
    return (max(at_ms) - min(at_ms)) / 1_000
