"""Strict usage, one line a command."""

from __future__ import annotations

from bench import work
from bench.place import Place
from bench.rounds import median, rates

#: Commands a round: some four seconds of the engine's time.
COMMANDS: int = 100_000


def wide(place: Place) -> dict[str, float]:
    """Over 10,000 pools."""
    pools, count = work.pool_ids(), place.sized(COMMANDS)
    found = rates(place, place.installation("singles"), pools, lambda chance: work.single_lines(pools, count, chance))
    return {"commands_per_s": median(found)}


def hot(place: Place) -> dict[str, float]:
    """On one pool."""
    pools, count = work.pool_ids(1), place.sized(COMMANDS)
    found = rates(
        place, place.installation("hot-singles"), pools, lambda chance: work.single_lines(pools, count, chance)
    )
    return {"commands_per_s_hot_pool": median(found)}
