"""The rivals' workers: so many processes that begin together and count what they get done in a while."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from bench.place import Place

#: One step of work; how many lines it did.
Step = Callable[[], int]
#: Makes the step of the worker of a number, in its process; picklable.
Prepare = Callable[[int], AbstractContextManager[Step]]

MEASURED_FOR = 2.5
MEASURED_FOR_QUICK = 1.5
BEGIN_FOR_MAX = 120.0


def best(place: Place, figure: str, numbers: tuple[int, ...], begin: Callable[[int], Prepare]) -> float:
    """Lines per second with the best of several numbers of workers; all rates go into the figure's note."""
    quick = place.scale < 1
    rates = {}
    for workers in numbers[1:3] if quick else numbers:
        place.say(f"{workers} workers")
        rates[workers] = rate(begin(workers), workers, MEASURED_FOR_QUICK if quick else MEASURED_FOR)
    found = ", ".join(f"{workers}: {each:,.0f}" for workers, each in rates.items())
    place.notes[figure] = f"best number of workers of {found}"
    return max(rates.values())


def rate(prepare: Prepare, workers: int, measured_for: float) -> float:
    """Lines per second of so many workers. Raises what a worker raised."""
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(workers), context.Queue()
    processes = [
        context.Process(target=_work, args=(number, prepare, measured_for, ready, results), daemon=True)
        for number in range(workers)
    ]
    for process in processes:
        process.start()
    try:
        done = [_count(results.get(timeout=BEGIN_FOR_MAX + measured_for)) for _ in processes]
    except BaseException:
        for process in processes:
            process.kill()
        raise
    for process in processes:
        process.join()
    return sum(done)


def _count(result: float | str) -> float:
    assert isinstance(result, float), f"a worker failed: {result}"
    return result


def _work(number: int, prepare: Prepare, measured_for: float, ready: Any, results: Any) -> None:
    try:
        with prepare(number) as step:
            ready.wait(BEGIN_FOR_MAX)
            began, count = time.perf_counter(), 0
            while time.perf_counter() - began < measured_for:
                count += step()
            took = time.perf_counter() - began
        results.put(count / took)
    except Exception as error:
        results.put(f"{type(error).__name__}: {error}")
        raise
