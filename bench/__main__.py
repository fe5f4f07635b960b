"""`python -m bench [--quick] [NAME ...]`: measure, print a table, write bench/results.json."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench import (
    access,
    beside_large_work,
    broker,
    caching,
    decisions,
    es,
    fairness,
    figures,
    folding,
    latency,
    postgres,
    projection,
    serving,
    single_lines,
    strict_lines,
)
from bench.place import Place, a_stack
from bench.whole import http

#: In this order: the projection reads the ledger that the first one wrote.
BENCHMARKS: Final[dict[str, Callable[[Place], dict[str, float]]]] = {
    "strict_lines": strict_lines.wide,
    "strict_lines_hot_pool": strict_lines.hot,
    "strict_lines_fsync": strict_lines.flushed,
    "commands": single_lines.wide,
    "commands_hot_pool": single_lines.hot,
    "latency": latency.measure,
    "projection": projection.measure,
    "postgres": postgres.single,
    "postgres_hot_row": postgres.hot,
    "postgres_batched": postgres.batched,
    "eventsourcing": es.measure,
    "decisions": decisions.measure,
    "folding": folding.measure,
    "access": access.measure,
    "caching": caching.measure,
    "serving": serving.measure,
    "fairness": fairness.measure,
    "large_work": beside_large_work.measure,
    "http_use": http.use,
    "http_check": http.check,
    "broker": broker.measure,
}
QUICK_SCALE: Final = 0.25
#: Load average per core from which on others use the machine too much for good figures.
BUSY: Final = 0.5


def main() -> None:
    """Measure what is named, or everything."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; none: all")
    parser.add_argument("--quick", action="store_true", help="smaller and once: under a minute and a half, less exact")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - BENCHMARKS.keys()
    if unknown:
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}")
    console, began = Console(), time.monotonic()
    if os.getloadavg()[0] > (os.cpu_count() or 1) * BUSY:
        console.print(f"The machine is busy (load {os.getloadavg()[0]:.1f}): figures will be lower than it can do.")
    chosen = [name for name in BENCHMARKS if not arguments.names or name in arguments.names]
    measured, notes = _measure(console, chosen, quick=arguments.quick)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    figures.show(measured, machine + (", --quick" if arguments.quick else ""), notes)
    figures.write_results(measured)
    console.print(
        f"Written to {figures.RESULTS.relative_to(figures.RESULTS.parent.parent)} after {time.monotonic() - began:.0f} s."
    )


def _measure(console: Console, chosen: list[str], *, quick: bool) -> tuple[dict[str, float], dict[str, str]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    measured: dict[str, float] = {}
    # Into a file go figures only.
    bars = Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal)
    with bars as progress:
        whole = progress.add_task("starts Kafka and Postgres", total=len(chosen))
        step = progress.add_task("", total=1.0)
        with a_stack() as stack:
            place = Place(
                stack=stack,
                scale=QUICK_SCALE if quick else 1.0,
                rounds=1 if quick else 3,
                say=lambda text: progress.update(step, description=f"  {text}", completed=0.0),
                progress=lambda done: progress.update(step, completed=done),
            )
            for name in chosen:
                progress.update(whole, description=name)
                found = BENCHMARKS[name](place)
                measured |= found
                progress.advance(whole)
                for figure, value in found.items():
                    console.print(f"{figure} {value:,.1f}")
    return figures.with_ratios(measured), place.notes


if __name__ == "__main__":
    main()
