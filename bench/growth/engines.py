"""More partitions, and more engines that share them: strict lines a second."""

from __future__ import annotations

import random
import time
from typing import Final

from bench import work
from bench.growth.curves import Points, with_point
from bench.place import Place
from bench.rounds import Opened, median, opened
from bench.single_lines import COMMANDS
from bench.strict_lines import BATCHES
from entitlements.ledger import clients

PARTITIONS: Final = (1, 3, 6, 12)
ENGINES: Final = (1, 2, 3, 4)
#: Partitions that engines share: so that each has some.
SHARED: Final = 12
SHARED_WITHIN_FOR: Final = 60.0


def partitions(place: Place) -> dict[str, Points]:
    """One engine that has all partitions."""
    found: dict[str, Points] = {}
    for count in PARTITIONS:
        settings = place.installation(f"partitions-{count}", count)
        pools, chance = work.pool_ids(), random.Random(count)
        with opened(place, settings, pools) as engine:
            batches = [_wide(engine, pools, chance) for _ in range(place.rounds)]
            singles = place.sized(COMMANDS)
            single = [engine.rate(work.single_lines(pools, singles, chance)) for _ in range(place.rounds)]
        with_point(place, found, "partitions", count, {
            "growth_partitions_lines_per_s": median(batches),
            "growth_partitions_commands_per_s": median(single),
        })  # fmt: skip
    return found


def engines(place: Place) -> dict[str, Points]:
    """Engines on these cores, with everything else."""
    found: dict[str, Points] = {}
    for count in ENGINES:
        settings, pools, chance = place.installation(f"engines-{count}", SHARED), work.pool_ids(), random.Random(count)
        with opened(place, settings, pools, engines=count) as several:
            _wait_until_shared(several)
            rates = [_wide(several, pools, chance) for _ in range(place.rounds)]
        with_point(place, found, "engines", count, {"growth_engines_lines_per_s": median(rates)})
    return found


def _wide(engine: Opened, pools: list[str], chance: random.Random) -> float:
    batches = engine.place.sized(BATCHES)
    return engine.rate(work.wide_batches(pools, engine.settings.partitions, batches, chance))


def _wait_until_shared(several: Opened) -> None:
    """Wait until every engine has partitions, and all partitions have one."""
    admin, group = clients.admin(several.settings), several.settings.group("engine")
    until = time.monotonic() + SHARED_WITHIN_FOR
    while True:
        members = admin.describe_consumer_groups([group])[group].result(15).members
        shares = [len(member.assignment.topic_partitions) for member in members]
        if len(shares) == len(several.engines) and all(shares) and sum(shares) == several.settings.partitions:
            return
        assert time.monotonic() < until, f"{len(several.engines)} engines share partitions as {shares}"
        time.sleep(0.2)
