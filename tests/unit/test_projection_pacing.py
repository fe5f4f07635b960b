"""How often a projector writes, on a clock that stands still until the test moves it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import pytest

from entitlements.ledger.pacing import Pace

EVERY_FOR = 0.02


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def reads_of(arrivals: Sequence[float], *, write_takes: float = 0.001, frames_max: int = 500) -> list[list[float]]:
    """What a projector reads of frames that come at these instants: by read its instant, then those of its frames."""
    clock, waiting, reads = Clock(), deque(arrivals), list[list[float]]()
    pace = Pace(EVERY_FOR, clock)
    while waiting:
        clock.now += pace.rest_for()
        clock.now = max(clock.now, waiting[0])  # The tail waits for the first frame and takes those that are there.
        frames = [waiting.popleft() for _ in range(frames_max) if waiting and waiting[0] <= clock.now]
        pace.has_read(len(frames), frames_max)
        reads.append([clock.now, *frames])
        clock.now += write_takes
    return reads


def test_a_frame_that_comes_after_a_pause_is_read_at_once() -> None:
    arrivals = [number * 0.05 for number in range(20)]
    assert reads_of(arrivals) == [[at, at] for at in arrivals]


def test_frames_that_keep_coming_share_transactions_and_none_waits_longer_than_that() -> None:
    arrivals = [number * 0.001 for number in range(2_000)]
    reads = reads_of(arrivals)
    assert len(reads) == pytest.approx(2.0 / EVERY_FOR, abs=1)
    assert sum(len(frames) for _, *frames in reads) == len(arrivals)
    assert max(at - frame for at, *frames in reads for frame in frames) <= EVERY_FOR + 1e-9


def test_writing_is_part_of_the_rest() -> None:
    arrivals = [number * 0.001 for number in range(1_000)]
    at_once = [at for at, *_ in reads_of(arrivals, write_takes=0.03)]
    between = [later - earlier for earlier, later in pairwise(at_once)]
    assert between == pytest.approx([0.03] * len(between)), (
        "a write that takes longer than the rest is followed by none"
    )


def test_a_projector_that_catches_up_never_rests() -> None:
    reads = reads_of([0.0] * 5_000, write_takes=0.001, frames_max=500)
    assert [at for at, *_ in reads] == pytest.approx([number * 0.001 for number in range(10)])


def test_a_read_of_nothing_is_no_reason_to_rest() -> None:
    pace = Pace(EVERY_FOR, Clock())
    pace.has_read(0, 500)
    assert pace.rest_for() == 0.0
    pace.has_read(1, 500)
    assert pace.rest_for() == EVERY_FOR
