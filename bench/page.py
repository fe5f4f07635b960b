"""`python -m bench.page`: merges the last run into docs/benchmarks/results.json, and makes the tables and plots of docs/benchmarks.md of
that. Prose around them stays. What was not measured leaves a note.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench import results
from bench.figures import FIGURES
from bench.growth.curves import CURVES, written
from bench.plots import CHECKS, CONNECTIONS, PLOTS, WAYS, drawn
from bench.results import Results

PAGE: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_BLOCK: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
#: A cell with a number, with two, or with none.
_NUMERIC: Final = re.compile(r"[\d,. /]*")
_NOT_MEASURED: Final = "*Not measured yet.*"
_PROCESSES: Final = ("kafka", "postgres", "api", "engine", "projector", "publisher", "changes", "other")
_AIM: Final = re.compile(r"(<=|>=|<|>) ([\d,.]+)")
#: Pictures of each table, above it.
_PICTURES: Final = {
    "usage": ("usage_per_s", "usage_p50_ms", "usage_p99_ms"),
    "processes": ("usage_cpu_us",),
    "checks": ("checks_per_s", "checks_p99_ms"),
    "growth_pools": ("growth_pools_rate", "growth_pools_memory", "growth_pools_take_over"),
    "growth_customers": ("growth_customers", "growth_customers_memory"),
} | {name: (name,) for name in ("growth_ledger", "growth_provisions", "growth_partitions", "growth_engines", "growth_workers")}  # fmt: skip


def main() -> None:
    """Write results, pictures and page."""
    found = results.merged(results.read(results.PUBLISHED), results.read(results.LAST_RUN))
    results.write(found, results.PUBLISHED)
    write(found, PAGE)


def write(found: Results, page: Path) -> None:
    """Make a page of results, and its pictures in the folder of its name."""
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    for name in PLOTS:
        picture = drawn(name, found)
        if picture is not None:
            (folder / f"{name}.svg").write_text(picture, encoding="utf-8")

    def filled(block: re.Match[str]) -> str:
        return block[1] + "\n".join(("", *_of_block(block[2], found, folder.name), "", "")) + block[3]

    page.write_text(_BLOCK.sub(filled, page.read_text(encoding="utf-8")), encoding="utf-8")


def _of_block(name: str, found: Results, folder: str) -> Iterator[str]:
    tables = {
        "usage": _usage, "checks": _checks, "processes": _processes, "ratios": _ratios, "losses": _losses, "others": _others,
        "measured": _measured,
    }  # fmt: skip
    if name not in tables and not name.startswith("growth_"):
        yield f"*There is no table {name}.*"
        return
    for picture in _PICTURES.get(name, ()):
        if drawn(picture, found) is not None:
            yield from (f"![{PLOTS[picture].title}]({folder}/{picture}.svg)", "")
    lines = list(tables[name](found) if name in tables else _curves(name, found))
    yield from lines or [_NOT_MEASURED]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table, without rows that hold nothing; without any row nothing at all. Columns of numbers are aligned to the right."""
    measured = [row for row in rows if any(cell.strip(" /") for cell in row[1:])]
    if not measured:
        return
    columns = zip(*measured, strict=True)
    ruler = ["--:" if all(map(_NUMERIC.fullmatch, column)) else "---" for column in columns]
    for row in (head, ruler, *measured):
        yield f"| {' | '.join(row)} |"


def _value(found: Results, name: str) -> str:
    return written(float(found[name]["value"])) if name in found else ""


def _of_ways(found: Results, ways: Mapping[str, str], connections: Sequence[int]) -> Iterator[str]:
    head = ["", *(f"{number}: per s" for number in connections), *(f"{number}: p50 / p99 ms" for number in connections)]
    rows = []
    for name, meaning in ways.items():
        rates = [_value(found, f"{name}_{number}_per_s") for number in connections]
        waits = [
            f"{_value(found, f'{name}_{number}_p50_ms')} / {_value(found, f'{name}_{number}_p99_ms')}"
            for number in connections
        ]
        rows.append([meaning, *rates, *waits])
    yield from _table(head, rows)


def _usage(found: Results) -> Iterator[str]:
    yield from _of_ways(found, WAYS, CONNECTIONS)


def _checks(found: Results) -> Iterator[str]:
    yield from _of_ways(found, CHECKS, (8, 64))


def _processes(found: Results) -> Iterator[str]:
    rows = [
        [
            f"{number} connections",
            _value(found, f"http_use_{number}_cpu_us"),
            *(_value(found, f"http_use_{number}_cpu_us_{name}") for name in _PROCESSES),
            _value(found, f"baseline_use_{number}_cpu_us"),
        ]
        for number in (8, 64)
    ]
    yield from _table(["us a request", "all", *_PROCESSES, "FastAPI and Postgres"], rows)


def _ratios(found: Results) -> Iterator[str]:
    rows = [
        [
            f"`{name}`",
            _value(found, name),
            figure.aim,
            _reached(figure.aim, found[name]),
            figure.meaning,
        ]
        for name, figure in FIGURES.items()
        if name.startswith("ratio_") and name in found
    ]
    yield from _table(["ratio", "measured", "aim", "reached", "of"], rows)


def _reached(aim: str, result: Mapping[str, Any]) -> str:
    bound = _AIM.fullmatch(aim)
    if bound is None:
        return ""
    value, limit = float(result["value"]), float(bound[2].replace(",", ""))
    return (
        "yes"
        if {"<=": value <= limit, ">=": value >= limit, "<": value < limit, ">": value > limit}[bound[1]]
        else "no"
    )


def _losses(found: Results) -> Iterator[str]:
    """Where a rival answers more requests a second than we do, the worst first."""
    losses = []
    for ours, ways in (("http_use", WAYS), ("http_check_all", CHECKS)):
        for rival, meaning in ways.items():
            for number in CONNECTIONS:
                names = (f"{ours}_{number}_per_s", f"{rival}_{number}_per_s")
                if rival.startswith("http_") or not found.keys() >= {*names}:
                    continue
                we, they = (float(found[name]["value"]) for name in names)
                if they > we:
                    what = "checks" if ways is CHECKS else "strict usage"
                    among = "1 connection" if number == 1 else f"{number} connections"
                    losses.append((they / we, [f"{what}, {among}", meaning, written(they), written(we)]))
    rows = [[*row, f"{times:.1f}"] for times, row in sorted(losses, reverse=True)]
    yield from _table(["", "rival", "rival: per s", "ours: per s", "times"], rows)


def _curves(group: str, found: Results) -> Iterator[str]:
    names = [name for name in CURVES if name.startswith(f"{group}_") and name in found]
    sizes = sorted({int(size) for name in names for size in found[name]["points"]})
    rows = [
        [
            f"{size:,}",
            *(written(points[str(size)]) if str(size) in (points := found[name]["points"]) else "" for name in names),
        ]
        for size in sizes
    ]
    if names:
        head = [CURVES[names[0]].grows, *(f"{CURVES[name].unit}: {CURVES[name].meaning}" for name in names)]
        yield from _table(head, rows)


def _others(found: Results) -> Iterator[str]:
    rows = [
        [f"`{name}`", _value(found, name), figure.unit, figure.aim, _reached(figure.aim, found[name]), figure.meaning]
        for name, figure in FIGURES.items()
        if name in found and not name.startswith(("ratio_", *WAYS, *CHECKS))
    ]
    yield from _table(["figure", "measured", "unit", "aim", "reached", "what it is"], rows)
    unknown = sorted(found.keys() - FIGURES.keys() - CURVES.keys())
    if unknown:
        yield from ("", f"*Results without a table: {', '.join(f'`{name}`' for name in unknown)}.*")


def _measured(found: Results) -> Iterator[str]:
    """When and where, and how much of it."""
    by_when = Counter(str(result.get("measured", "unknown")) for result in found.values())
    rows = [[when, f"{count}"] for when, count in sorted(by_when.items())]
    yield from _table(["measured", "results"], rows)


if __name__ == "__main__":
    main()
