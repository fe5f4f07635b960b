"""A key has its rate once, whichever worker of a process it asks."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from pathlib import Path
from random import Random

import pytest

from entitlements.api import serving
from entitlements.api.auth.rates import BURST_FOR, Rates
from entitlements.api.auth.shared_rates import ROWS, VARIABLE, SharedBuckets, shared_memory
from entitlements.api.identity import Identity
from entitlements.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such memory")

PER_S, WORKERS, SECONDS = 1_000.0, 4, 3.0


def who(key_id: str = "k", organization_id: str = "o", per_s: float = PER_S) -> Identity:
    return Identity(
        key_id=key_id,
        organization_id=organization_id,
        key_organization_id=organization_id,
        scopes=frozenset(),
        actor="",
        requests_per_s=per_s,
        body_bytes_max=1,
    )


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def test_workers_count_together_and_each_key_by_itself() -> None:
    clock, path = Clock(), shared_memory(WORKERS)
    first, second = (Rates(clock, SharedBuckets(path)) for _ in range(2))
    taken = 0
    while not (first, second)[taken % 2].take(who(per_s=100.0)):
        taken += 1
    assert taken == 100 * BURST_FOR
    assert first.take(who("other", per_s=100.0)) == second.take(who(organization_id="other", per_s=100.0)) == 0.0
    clock.now += 0.5
    assert [second.take(who(per_s=100.0)) > 0 for _ in range(51)] == [False] * 50 + [True]


def test_keys_that_share_a_row_take_nothing_of_each_other_and_begin_anew() -> None:
    clock = Clock()
    buckets = SharedBuckets(shared_memory(WORKERS))
    rates = Rates(clock, buckets)
    many = [who(f"k{number}", per_s=1.0) for number in range(2 * ROWS)]
    assert [rates.take(each) for each in many] == [0.0] * len(many)
    assert rates.take(many[-1]) > 0
    assert rates.take(who("new", per_s=1.0)) == 0.0


def ask(path: str, begin_at: float, taken: multiprocessing.Queue[int]) -> None:
    rates, asks = Rates(buckets=SharedBuckets(path)), who()
    time.sleep(max(0.0, begin_at - time.monotonic()))
    random = Random(os.getpid())
    count = 0
    while time.monotonic() < begin_at + SECONDS:
        count += rates.take(asks) == 0.0
        time.sleep(random.expovariate(PER_S))
    taken.put(count)


def test_what_all_workers_let_through_stays_within_a_tenth_of_the_rate() -> None:
    """Each is asked for more than all of them may let through."""
    context, path = multiprocessing.get_context("fork"), shared_memory(WORKERS)
    taken: multiprocessing.Queue[int] = context.Queue()
    begin_at = time.monotonic() + 0.2
    workers = [context.Process(target=ask, args=(path, begin_at, taken)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    counts = [taken.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join()
    allowed = PER_S * (SECONDS + BURST_FOR)
    assert 0.9 * allowed <= sum(counts) <= 1.1 * allowed, counts


def test_without_shared_memory_each_worker_has_its_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings(api_workers=4, api_processes=2)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    rates = serving._rates(settings)
    taken = 0
    while not rates.take(who(per_s=80.0)):
        taken += 1
    assert taken == pytest.approx(80 * BURST_FOR / 8, abs=1)


@pytest.mark.parametrize(("workers", "processes", "shares"), [(1, 1, 1), (1, 3, 3), (4, 1, 1), (4, 3, 3)])
def test_of_several_processes_each_has_its_share(
    monkeypatch: pytest.MonkeyPatch, workers: int, processes: int, shares: int
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if workers > 1:
        monkeypatch.setenv(VARIABLE, shared_memory(WORKERS))
    rates = serving._rates(Settings(api_workers=workers, api_processes=processes))
    taken = 0
    while not rates.take(who(per_s=90.0)):
        taken += 1
    assert taken == pytest.approx(90 * BURST_FOR / shares, abs=1)
