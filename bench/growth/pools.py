"""More pools: strict lines a second over all of them, the engine's memory, and how long the next engine needs to take over."""

from __future__ import annotations

import random
from typing import Final

from bench import work
from bench.growth.curves import Points, with_point
from bench.growth.memory import megabytes_of
from bench.growth.taking_over import take_over, wait_for_snapshots
from bench.place import Place
from bench.rounds import median, opened
from bench.strict_lines import BATCHES

POOLS: Final = (1_000, 10_000, 100_000)
POOLS_QUICK: Final = (1_000, 10_000)
POOLS_FULL: Final = (*POOLS, 1_000_000)
#: Twice as many as there are by default: an installation of so many pools was made to grow.
PARTITIONS: Final = 6


def measure(place: Place) -> dict[str, Points]:
    """Each at every number of pools. A take-over is of all six partitions, from snapshots of all there is."""
    found: dict[str, Points] = {}
    for count in POOLS_FULL if place.full else POOLS if place.scale == 1 else POOLS_QUICK:
        pools, chance = work.pool_ids(count), random.Random(count)
        settings = place.installation(f"pools-{count}", PARTITIONS)
        with opened(place, settings, pools) as engine:
            batches = place.sized(BATCHES)
            rates = [
                engine.rate(work.wide_batches(pools, settings.partitions, batches, chance)) for _ in range(place.rounds)
            ]
            memory = megabytes_of(engine.engines[0].pid)
            wait_for_snapshots(place, settings)
        place.say(f"takes {count:,} pools over")
        taken = take_over(settings)
        assert taken.aggregates == count, f"{count} pools were opened, {taken.aggregates} taken over"
        with_point(place, found, "pools", count, {
            "growth_pools_lines_per_s": median(rates),
            "growth_pools_engine_mb": memory,
            "growth_pools_take_over_s": taken.seconds,
        })  # fmt: skip
    return found
