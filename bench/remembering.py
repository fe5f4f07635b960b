"""What the engine keeps in memory for a usage id, which it remembers for 24 hours. Rules only: no broker, one thread."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Final

from bench import decisions
from bench.place import Place
from entitlements.domain.decide import record_usage
from entitlements.ledger.caller import new_id

IDS: Final = 100_000
POOLS: Final = 100


def measure(place: Place) -> dict[str, float]:
    """Bytes by tracemalloc, over pools of one provision and one key; ids as the API makes them."""
    pools = [decisions.a_pool(1, 1) for _ in range(POOLS)]
    line, a_pool, now_ms = decisions.a_line(1), place.sized(IDS) // POOLS, decisions.START_MS + 60_000
    place.say("remembers usage ids")
    gc.collect()
    tracemalloc.start()
    try:
        for pool in pools:
            for at in range(a_pool):
                answer = record_usage(pool, "c", "alice", None, [line(0, at) | {"usage_id": new_id()}], now_ms + at)
                assert answer.accepted == 1, "every line is new"
                pool.take_events()
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return {"usage_id_bytes": taken / (a_pool * POOLS)}
