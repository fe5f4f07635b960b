"""An idle pool answers as a busy one: what is asked of a pool that is never used says the same as of one where something is used and taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.model.telling import POOL, History, Plain, command_of, ms, opening

from entitlements.domain.decide import decide
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.errors import CommandRefused
from entitlements.domain.pools import ResourcePool

#: What uses nothing by itself; strict usage that is refused is told once a period, so it is left out too.
USES = {
    "RecordUsage",
    "ReverseUsage",
    "CorrectUsage",
    "ReserveUsage",
    "CommitReservation",
    "ExtendReservation",
    "ReleaseReservation",
}


def disagreement_of_twins(history: History) -> str | None:
    """Where the twins differ; None: nowhere. The busy one is ticked besides, before every step."""
    quiet = replace(history, steps=[step for step in history.steps if step["do"] not in USES])
    idle, busy = (_opened(quiet) for _ in range(2))
    for number, step in enumerate(quiet.steps):
        _decide(busy, {"do": "AdvanceClock", "at": step["at"]}, quiet, number)
        for key in list(busy.entitlements):
            _use_and_take_back(busy, key, step, quiet, number)
        _decide(idle, step, quiet, number)
        _decide(busy, step, quiet, number)
        _decide(idle, {"do": "AdvanceClock", "at": step["at"]}, quiet, number)
        for key, held in idle.entitlements.items():
            one, other = _answers(held, ms(step["at"])), _answers(busy.entitlements[key], ms(step["at"]))
            if one != other:
                return f"seed {history.seed}, step {number} {step}: {key}: idle {one}, busy {other}"
    return None


def _opened(history: History) -> ResourcePool:
    pool = decide(None, opening(history), ms(history.begins_at)).aggregate
    assert isinstance(pool, ResourcePool)
    return pool


def _decide(pool: ResourcePool, step: Plain, history: History, number: int) -> None:
    try:
        decide(pool, command_of(step, history.sets, number), ms(step["at"]))
    except CommandRefused:
        return
    finally:
        pool.take_events()


def _use_and_take_back(pool: ResourcePool, key: str, step: Plain, history: History, number: int) -> None:
    line = {"key": key, "quantity": 1, "mode": "report", "workspace": "", "subject": "", "usage": f"{key}-{number}"}
    _decide(pool, {"do": "RecordUsage", "at": step["at"], "lines": [line]}, history, number)
    _decide(pool, {"do": "ReverseUsage", "at": step["at"], "usage": line["usage"]}, history, number)


def _answers(held: Entitlement, now_ms: int) -> dict[str, Any]:
    """What is told of a key that nobody uses."""
    return {
        "consumed": held.consumed, "remaining": held.included_left, "owed": held.owed, "limit": held.limit,
        "elsewhere": held.elsewhere, "resets at": held.period_at(now_ms)[1],
        "left": {b.provision_id: b.left for b in held.burn_order() if not b.kept},
    }  # fmt: skip


assert POOL
