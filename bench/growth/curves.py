"""Every curve once: what grows, its unit and what it means. Progress lines, tables and the page of benchmarks are made of these."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from bench.place import Place
from entitlements.cli import output

#: What was measured, by the size at which it was.
Points: TypeAlias = dict[int, float]


class Curve(NamedTuple):
    """One figure at several sizes."""

    #: What grows: the name of the sizes.
    grows: str
    unit: str
    meaning: str


CURVES: Final[dict[str, Curve]] = {
    "growth_pools_lines_per_s": Curve("pools", "lines/s", "strict lines, 100 a batch, each of another pool"),
    "growth_pools_engine_mb": Curve("pools", "MB", "memory of the engine after that"),
    "growth_pools_take_over_s": Curve("pools", "s", "take-over of all six partitions from snapshots of all there is"),
    "growth_ledger_take_over_s": Curve("lines", "s", "take-over with snapshots; 100,000 lines are newer than these"),
    "growth_ledger_fold_s": Curve("lines", "s", "take-over without snapshots: the whole ledger is folded"),
    "growth_ledger_events": Curve("lines", "events", "in the ledger: lines of one pool decided together are one"),
    "growth_customers_checks_per_s": Curve("customers", "checks/s", "POST /v1/check, one worker, 16 connections"),
    "growth_customers_api_mb": Curve("customers", "MB", "memory of that worker and its supervisor"),
    "growth_provisions_line_us": Curve("provisions", "us", "deciding a line on a pool of 20 keys, rules only"),
    "growth_partitions_lines_per_s": Curve("partitions", "lines/s", "strict lines, 100 a batch, one engine"),
    "growth_partitions_commands_per_s": Curve("partitions", "commands/s", "strict lines one by one, one engine"),
    "growth_engines_lines_per_s": Curve("engines", "lines/s", "strict lines, 100 a batch, 12 partitions"),
    "growth_workers_checks_per_s": Curve("workers", "checks/s", "POST /v1/check, 64 connections, 100 customers"),
    "growth_workers_usage_per_s": Curve("workers", "requests/s", "POST /v1/usage, the same"),
}


def with_point(place: Place, found: dict[str, Points], grows: str, size: int, values: Mapping[str, float]) -> None:
    """Add what was measured at a size, and print it: a line that stays."""
    for name, value in values.items():
        assert CURVES[name].grows == grows, f"{name} does not grow with {grows}"
        found.setdefault(name, {})[size] = value
    said = ", ".join(f"{written(value)} {CURVES[name].unit}" for name, value in values.items())
    place.tell(f"{time.strftime('%H:%M:%S')}  {size:>11,} {grows}: {said}")


def written(value: float) -> str:
    """A value with as many digits as mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:,.2f}"


def show(curves: Mapping[str, Points]) -> None:
    """Print a table for each thing that grows."""
    by_what: dict[str, list[str]] = defaultdict(list)
    for name in curves:
        by_what[CURVES[name].grows].append(name)
    for grows, names in by_what.items():
        sizes = sorted({size for name in names for size in curves[name]})
        short = [name.removeprefix("growth_") for name in names]
        rows = [
            [f"{size:,}", *(written(curves[name][size]) if size in curves[name] else "" for name in names)]
            for size in sizes
        ]
        output.table((f">{grows}", *(f">{name}" for name in short)), rows)
