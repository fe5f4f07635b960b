"""More provisions of a pool, as of a customer with many add-ons and grants: what deciding one line of usage costs."""

from __future__ import annotations

import gc
from typing import Final

from bench import decisions
from bench.growth.curves import Points, with_point
from bench.place import Place
from bench.rounds import median

PROVISIONS: Final = (1, 3, 10, 30, 100)
KEYS: Final = 20


def measure(place: Place) -> dict[str, Points]:
    """Rules only: no broker, no encoding, one thread."""
    gc.collect()
    gc.set_threshold(100_000, 50, 1_000)  # As the engine does.
    pools, line = {count: decisions.a_pool(count, KEYS) for count in PROVISIONS}, decisions.a_line(KEYS)
    costs: dict[int, list[float]] = {count: [] for count in PROVISIONS}
    place.say("decides lines")
    for number in range(place.rounds + 1):
        for count, pool in pools.items():
            cost = decisions.cost_of(pool, line, number)
            if number:  # The first round warms up.
                costs[count].append(cost)
    found: dict[str, Points] = {}
    for count, each in costs.items():
        with_point(place, found, "provisions", count, {"growth_provisions_line_us": median(each)})
    return found
