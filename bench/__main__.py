"""`python -m bench [--quick | --full] [NAME ...]`: measure, print tables, write bench/results.json."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
    following,
    latency,
    postgres,
    projection,
    remembered,
    results,
    serving,
    single_lines,
    strict_lines,
)
from bench.growth import api, curves, engines, ledger, pools, provisions
from bench.growth.curves import Points
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
    "following": following.measure,
    "postgres": postgres.single,
    "postgres_hot_row": postgres.hot,
    "postgres_batched": postgres.batched,
    "eventsourcing": es.measure,
    "decisions": decisions.measure,
    "folding": folding.measure,
    "remembered": remembered.measure,
    "access": access.measure,
    "caching": caching.measure,
    "serving": serving.measure,
    "fairness": fairness.measure,
    "large_work": beside_large_work.measure,
    "http_use": http.use,
    "http_check": http.check,
    "broker": broker.measure,
}
#: Measured only when named, each by its name or all as `growth`: they take a quarter of an hour.
GROWTH: Final[dict[str, Callable[[Place], dict[str, Points]]]] = {
    "growth_provisions": provisions.measure,
    "growth_pools": pools.measure,
    "growth_partitions": engines.partitions,
    "growth_engines": engines.engines,
    "growth_customers": api.customers,
    "growth_workers": api.workers,
    "growth_ledger": ledger.measure,
}
QUICK_SCALE: Final = 0.25
#: Load average per core from which on others use the machine too much for good figures.
BUSY: Final = 0.5


@dataclass
class Run:
    """What was measured, and words on it by figure."""

    figures: dict[str, float] = field(default_factory=dict)
    curves: dict[str, Points] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def main() -> None:
    """Measure what is named, or everything but growth."""
    arguments, chosen = _arguments()
    console, began = Console(), time.monotonic()
    if os.getloadavg()[0] > (os.cpu_count() or 1) * BUSY:
        console.print(f"The machine is busy (load {os.getloadavg()[0]:.1f}): figures will be lower than it can do.")
    run = _measure(console, chosen, quick=arguments.quick, full=arguments.full)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    machine += ", --quick" if arguments.quick else ""
    if run.figures:
        figures.show(run.figures, machine, run.notes)
    curves.show(run.curves)
    measured = f"{datetime.now(UTC).date()}, {machine}"
    results.write(results.of_run(run.figures, run.curves, measured), results.LAST_RUN)
    console.print(f"Written to bench/{results.LAST_RUN.name} after {time.monotonic() - began:.0f} s.")


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    """The options, and the names of what is measured in its order."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    named = f"of {', '.join(BENCHMARKS)}; none: all of these. Or growth, for all of {', '.join(GROWTH)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=named)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="smaller and once: under a minute and a half, less exact")
    size.add_argument("--full", action="store_true", help="growth up to 1M pools and 100M events: an hour and 15 GB")
    arguments = parser.parse_args()
    names = set(arguments.names)
    if "growth" in names:
        names = names - {"growth"} | GROWTH.keys()
    unknown = names - BENCHMARKS.keys() - GROWTH.keys()
    if unknown:
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}")
    return arguments, [name for name in (*BENCHMARKS, *GROWTH) if name in (names or BENCHMARKS)]


def _measure(console: Console, chosen: list[str], *, quick: bool, full: bool) -> Run:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    run = Run()
    # Into a file go lines that stay only.
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
                tell=lambda text: console.print(text, highlight=False, soft_wrap=True),
                full=full,
                notes=run.notes,
            )
            for name in chosen:
                progress.update(whole, description=name)
                if name in GROWTH:
                    run.curves |= GROWTH[name](place)
                else:
                    found = BENCHMARKS[name](place)
                    run.figures |= found
                    for figure, value in found.items():
                        place.tell(f"{figure} {value:,.1f}")
                progress.advance(whole)
    run.figures = figures.with_ratios(run.figures)
    return run


if __name__ == "__main__":
    main()
