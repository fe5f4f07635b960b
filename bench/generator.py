"""The load generator of the latency figures, a process of its own: so many commands a second whatever comes back."""

from __future__ import annotations

import gc
import json
import random
import time
from pathlib import Path
from typing import Any

from bench import work
from entitlements.domain.commands import RecordUsage
from entitlements.ledger.caller import Caller, new_id
from entitlements.settings import Settings


def run(settings: Settings, rate: str, seconds: str, to: str) -> None:
    """Send for so many seconds, wait for all outcomes, write what was seen as JSON."""
    pools, chance = work.pool_ids(), random.Random(7)
    count, per_second = int(float(rate) * float(seconds)), float(rate)
    commands = [
        RecordUsage(command_id=new_id(), pool_id=chance.choice(pools), lines=[work.line(chance.randint(1, 9))])
        for _ in range(count)
    ]
    due, sent, decided = [0.0] * count, [0.0] * count, [0.0] * count
    gc.collect()
    gc.freeze()  # What was prepared is not searched for garbage while others are measured.
    with Caller(settings) as caller:
        futures = []
        start = time.time() + 0.1
        for number, command in enumerate(commands):
            due[number] = start + number / per_second
            wait_for = due[number] - time.time()
            if wait_for > 0:
                time.sleep(wait_for)
            sent[number] = time.time()
            future = caller.send(command)
            future.add_done_callback(_noting(decided, number))
            futures.append(future)
        outcomes = [future.result(30) for future in futures]
    seen = {
        "accepted": sum(outcome.is_accepted for outcome in outcomes),
        "due": due,
        "sent": sent,
        "decided": decided,
    }
    Path(to).write_text(json.dumps(seen), encoding="utf-8")


def _noting(decided: list[float], number: int) -> Any:
    def done(_: object) -> None:
        decided[number] = time.time()

    return done
