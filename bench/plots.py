"""What is plotted: each picture once, with the results that it shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from bench.results import Results
from bench.svg import Line, plot

CONNECTIONS: Final = (1, 8, 64, 256)
#: Ways to record usage and to check, by the beginning of their figures' names, as the page names them.
WAYS: Final = {
    "http_use": "strict usage, customers at random",
    "http_use_zipf": "strict usage, some customers far more often (Zipf)",
    "baseline_use": "FastAPI and Postgres",
    "procedure_use": "FastAPI and a stored procedure",
    "valkey_use": "FastAPI and Valkey, a Lua script",
}
CHECKS: Final = {"http_check_all": "check, customers at random", "baseline_check": "FastAPI and a SELECT"}
#: The same in a legend.
_LEGEND: Final = WAYS | {
    "http_use": "Entitlements", "http_use_zipf": "Entitlements, customers by Zipf", "http_check_all": "Entitlements",
}  # fmt: skip


class Plot(NamedTuple):
    """A picture. lines: names of curves, or beginnings of the names of figures at each number of connections, by legend."""

    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, str]
    #: The end of the figures' names; empty: the lines are curves.
    figure: str = ""


def _of_connections(title: str, y_label: str, ways: Mapping[str, str], figure: str) -> Plot:
    return Plot(title, "connections", y_label, {_LEGEND.get(way, text): way for way, text in ways.items()}, figure)


PLOTS: Final[dict[str, Plot]] = {
    "usage_per_s": _of_connections("Strict usage over HTTP", "requests/s", WAYS, "per_s"),
    "usage_p50_ms": _of_connections("Strict usage over HTTP: half are answered within", "ms", WAYS, "p50_ms"),
    "usage_p99_ms": _of_connections("Strict usage over HTTP: 99 of 100 are answered within", "ms", WAYS, "p99_ms"),
    "usage_cpu_us": _of_connections("Processor time of one request of usage, all processes", "µs", WAYS, "cpu_us"),
    "checks_per_s": _of_connections("Checks over HTTP", "requests/s", CHECKS, "per_s"),
    "checks_p99_ms": _of_connections("Checks over HTTP: 99 of 100 are answered within", "ms", CHECKS, "p99_ms"),
    "growth_pools_rate": Plot(
        "More pools: strict usage", "pools", "lines/s", {"100 lines a batch, each of another pool": "growth_pools_lines_per_s"}
    ),
    "growth_pools_memory": Plot("More pools: memory of the engine", "pools", "MB", {"engine": "growth_pools_engine_mb"}),
    "growth_pools_take_over": Plot(
        "More pools: take-over from snapshots", "pools", "seconds", {"all six partitions": "growth_pools_take_over_s"}
    ),
    "growth_ledger": Plot(
        "A longer ledger: take-over", "lines of usage in the ledger", "seconds",
        {"with snapshots": "growth_ledger_take_over_s", "without: all is folded": "growth_ledger_fold_s"},
    ),
    "growth_provisions": Plot(
        "More provisions of a pool: one decision", "provisions", "µs", {"a line of usage, rules only": "growth_provisions_line_us"}
    ),
    "growth_partitions": Plot(
        "More partitions, one engine: strict usage", "partitions", "lines/s",
        {"100 lines a batch": "growth_partitions_lines_per_s", "one line a command": "growth_partitions_commands_per_s"},
    ),
    "growth_engines": Plot(
        "More engines, 12 partitions: strict usage", "engines", "lines/s", {"100 lines a batch": "growth_engines_lines_per_s"}
    ),
    "growth_customers": Plot(
        "More customers: checks of one worker", "customers", "checks/s", {"POST /v1/check": "growth_customers_checks_per_s"}
    ),
    "growth_customers_memory": Plot(
        "More customers: memory of the API", "customers", "MB", {"one worker and its supervisor": "growth_customers_api_mb"}
    ),
    "growth_workers": Plot(
        "More workers of the API", "workers", "requests/s",
        {"POST /v1/check": "growth_workers_checks_per_s", "POST /v1/usage": "growth_workers_usage_per_s"},
    ),
}  # fmt: skip


def drawn(name: str, results: Results) -> str | None:
    """The picture as SVG; None: nothing of it was measured."""
    shown = PLOTS[name]
    lines = {legend: line for legend, of in shown.lines.items() if (line := _line(results, of, shown.figure))}
    return plot(shown.title, shown.x_label, shown.y_label, lines) if lines else None


def _line(results: Results, of: str, figure: str) -> Line:
    if figure:
        names = {number: f"{of}_{number}_{figure}" for number in CONNECTIONS}
        found = {number: results[name]["value"] for number, name in names.items() if name in results}
    else:
        found = {int(size): value for size, value in results.get(of, {}).get("points", {}).items()}
    return {
        float(size): float(value) for size, value in found.items() if value > 0
    }  # Zero has no place on a logarithmic axis.
