"""A longer ledger: how long a take-over takes with snapshots, and without any, when all of it is folded.

The real engine decides usage of 10,000 pools again and again. At each length it writes its snapshots, decides 100,000 lines more,
as it may have done since its last round of snapshots, and is killed. Whoever takes over reads the snapshots and folds these.
The length is counted in lines, which are usage events to those who send them. What is decided together about one pool becomes one
event of the ledger, so there are fewer of these.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from typing import Final

from bench import work
from bench.growth.curves import Points, with_point
from bench.growth.taking_over import take_over, wait_for_snapshots
from bench.place import Place, a_process
from bench.rounds import wait_until_decided
from entitlements.domain.commands import Command
from entitlements.settings import Settings

LINES: Final = (1_000_000, 10_000_000)
LINES_QUICK: Final = (100_000, 1_000_000)
LINES_FULL: Final = (*LINES, 100_000_000)
#: Lines that no snapshot holds.
TAIL: Final = 100_000
DECIDED_WITHIN_FOR: Final = 3_600.0


def measure(place: Place) -> dict[str, Points]:
    """Both at every length."""
    pools, chance = work.pool_ids(), random.Random(1)
    settings, found, written = place.installation("ledger-length"), dict[str, Points](), 0
    for length in LINES_FULL if place.full else LINES if place.scale == 1 else LINES_QUICK:
        with a_process(settings, "engine") as engine:
            if not written:
                work.load(settings, work.openings(pools))
            place.say(f"decides {length:,} lines")
            work.load(settings, _usage(settings, pools, length - TAIL - written, chance))
            wait_until_decided(place, settings, [engine], DECIDED_WITHIN_FOR)
            wait_for_snapshots(place, settings)
            work.load(settings, _usage(settings, pools, TAIL, chance))
            wait_until_decided(place, settings, [engine])
            engine.send_signal(signal.SIGKILL)
        written = length
        place.say(f"takes {length:,} lines over")
        with_snapshots, without = take_over(settings), take_over(settings, snapshots=False)
        assert with_snapshots[1:] == without[1:], "snapshots and ledger tell different stories"
        with_point(place, found, "lines", length, {
            "growth_ledger_take_over_s": with_snapshots.seconds,
            "growth_ledger_fold_s": without.seconds,
            "growth_ledger_events": without.events,
        })  # fmt: skip
    return found


def _usage(settings: Settings, pools: list[str], lines: int, chance: random.Random) -> Iterator[Command]:
    """Every line of a batch is of another pool."""
    batches = work.wide_batches(pools, settings.partitions, lines // work.LINES_A_BATCH, chance)
    return (command for command, _ in batches)
