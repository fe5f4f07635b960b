"""How fast a projector brings an empty database up to a ledger full of usage.

Counted are usage lines and all other events; an event of usage is its lines. The clock starts when the first batch is committed, so starting
the process and joining the group are not counted, nor is what that batch held.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import psycopg

from bench import strict_lines
from bench.place import Place, a_process
from bench.reading import Chain, WrittenFrame
from entitlements_projections.migrations import migrate

CATCH_UP_FOR_MAX: Final = 240.0
LOOK_EVERY_FOR: Final = 0.05
#: A batch may be larger than what is left of a small ledger: rows below say how large it is.
_OFFSETS: Final = "select partition, ledger_offset from entitlements.projection_positions"


def measure(place: Place) -> dict[str, float]:
    """Read the ledger of the batches into Postgres."""
    if "wide" not in place.ledgers:
        strict_lines.wide(replace(place, rounds=1))
    settings = place.ledgers["wide"]
    place.say("reads the ledger")
    frames = Chain(settings).read_on().frames
    goal = {frame.partition: frame.offset for frame in frames}
    migrate(settings.postgres)
    place.say("projects")
    with (
        psycopg.connect(settings.postgres, autocommit=True) as connection,
        a_process(settings, "projector") as projector,
    ):
        began, at_first = _until(place, connection, projector, dict.fromkeys(goal, -1), sum(goal.values()))
        ended, at_end = _until(place, connection, projector, goal, sum(goal.values()))
        _check(connection, frames)
    done = _size(frames, at_end) - _size(frames, at_first)
    place.notes["projection_events_per_s"] = f"{done:,} in {ended - began:.1f} s"
    return {"projection_events_per_s": done / (ended - began)}


def _until(
    place: Place,
    connection: psycopg.Connection[tuple[int, int]],
    projector: subprocess.Popen[bytes],
    goal: Mapping[int, int],
    whole: int,
) -> tuple[float, dict[int, int]]:
    """Wait for offsets (all of them; -1: for any progress at all); when they were seen, and what was reached."""
    until = time.monotonic() + CATCH_UP_FOR_MAX
    while True:
        reached = dict(connection.execute(_OFFSETS).fetchall())
        now = time.monotonic()
        place.progress(sum(reached.values()) / whole)
        if reached and all(reached.get(partition, -1) >= offset for partition, offset in goal.items()):
            return now, reached
        assert projector.poll() is None, "the projector ended"
        assert now < until, f"the projector stands at {reached}, to be at {goal}"
        time.sleep(LOOK_EVERY_FOR)


def _size(frames: list[WrittenFrame], reached: Mapping[int, int]) -> int:
    return sum(frame.events + frame.lines for frame in frames if frame.offset <= reached.get(frame.partition, -1))


def _check(connection: psycopg.Connection[tuple[int, int]], frames: list[WrittenFrame]) -> None:
    found = connection.execute(
        "select count(*), coalesce(sum(quantity), 0)::bigint from entitlements.usage_events"
    ).fetchone()
    there = (sum(frame.lines for frame in frames), sum(frame.quantity for frame in frames))
    assert found == there, f"the ledger has {there} lines and quantity, the table {found}"
