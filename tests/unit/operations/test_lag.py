"""The lag of a partition, from what is seen of it."""

from __future__ import annotations

import pytest

from entitlements.operations.health import NotReady, Readiness, check_lag
from entitlements.operations.lag import _ENDS_MAX, PartitionLag


def test_who_knows_everything_is_not_behind_however_long_nothing_came() -> None:
    lag = PartitionLag()
    assert lag.see(0, 0, 0.0) == 0
    assert lag.see(10, 10, 100.0) == 0
    assert lag.see(10, 10, 5_000.0) == 0
    assert lag.see(11, 10, 5_001.0) == 0.0  # Seen just now.
    assert lag.see(11, 10, 5_003.5) == 2.5
    assert lag.see(11, 11, 5_004.0) == 0
    assert lag.frames == 0


def test_the_lag_is_the_age_of_the_oldest_end_that_is_not_known() -> None:
    lag = PartitionLag()
    for second in range(10):
        lag.see(second * 10, 0, float(second))
    assert lag.see(90, 55, 10.0) == 10.0 - 6.0  # The end 60 was first seen at second 6.
    assert lag.frames == 35


def test_a_lag_without_end_takes_bounded_memory_and_is_still_told() -> None:
    lag = PartitionLag()
    for second in range(5 * _ENDS_MAX):
        seconds = lag.see(second + 1, 0, float(second))
    assert seconds == 5 * _ENDS_MAX - 1
    assert len(lag._ends) == _ENDS_MAX


def test_tables_that_are_ahead_of_what_was_seen_of_the_log_are_not_behind() -> None:
    lag = PartitionLag()
    assert lag.see(5, 9, 1.0) == 0
    assert lag.frames == 0


def test_a_partition_is_first_caught_up_with_and_again_when_its_position_goes_back() -> None:
    lag = PartitionLag()
    lag.see(11, 0, 0.0)
    assert lag.goal == 11
    lag.see(14, 10, 1.0)
    assert lag.goal == 11  # What comes meanwhile is a lag, and no reason to wait for ever.
    lag.see(15, 11, 2.0)
    assert lag.goal is None
    lag.see(15, 15, 3.0)
    lag.see(15, 4, 4.0)  # The tables were dropped, or restored from a copy.
    assert (lag.goal, lag.known) == (15, 4)
    lag.see(15, 15, 5.0)
    assert lag.goal is None


def test_read_models_that_are_incomplete_are_not_ready_however_small_their_lag_is() -> None:
    with pytest.raises(
        NotReady, match=r"have 0 of 11 frames of partition 0, and 1 more partition is incomplete\."
    ) as error:
        check_lag(0.0, {0: (0, 11), 2: (3, 4)}, 30.0)
    assert error.value.measured == {"lag_seconds": 0.0}
    with pytest.raises(NotReady, match="are 45 s behind"):
        check_lag(45.0, {}, 30.0)
    assert check_lag(0.25, {}, 30.0) == {"lag_seconds": 0.2}


def test_a_process_that_needs_nobody_is_ready() -> None:
    readiness = Readiness("registry", {})
    assert readiness.ready()[0] == readiness.alive()[0] == 200
    readiness.close()
