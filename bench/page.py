"""`python -m bench.page`: writes the tables of docs/benchmarks.md anew, from results.json. Prose around them stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.figures import FIGURES, RESULTS

PAGE: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_BLOCK: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_CONNECTIONS: Final = (1, 8, 64, 256)
_WAYS: Final = {
    "http_use": "strict usage, all customers in turn",
    "http_use_zipf": "strict usage, some customers far more often (Zipf)",
    "baseline_use": "FastAPI and Postgres",
    "procedure_use": "FastAPI and a stored procedure",
    "valkey_use": "FastAPI and Valkey, a Lua script",
}
_CHECKS: Final = {"http_check_all": "check, all customers in turn", "baseline_check": "FastAPI and a SELECT"}

Results = Mapping[str, Mapping[str, Any]]


def main() -> None:
    """Write the tables."""
    results: Results = json.loads(RESULTS.read_text(encoding="utf-8"))
    tables = {"usage": _usage, "checks": _checks, "processes": _processes, "ratios": _ratios, "others": _others}

    def filled(found: re.Match[str]) -> str:
        return found[1] + "\n".join(("", *tables[found[2]](results), "", "")) + found[3]

    PAGE.write_text(_BLOCK.sub(filled, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] + ["--:"] * (len(head) - 1), *rows):
        yield f"| {' | '.join(row)} |"


def _value(results: Results, name: str) -> str:
    found = results.get(name)
    if found is None:
        return ""
    value = float(found["value"])
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:,.2f}"


def _of_ways(results: Results, ways: Mapping[str, str], connections: Sequence[int]) -> Iterator[str]:
    head = ["", *(f"{number}: per s" for number in connections), *(f"{number}: p50 / p99 ms" for number in connections)]
    rows = []
    for name, meaning in ways.items():
        rates = [_value(results, f"{name}_{number}_per_s") for number in connections]
        waits = [
            f"{_value(results, f'{name}_{number}_p50_ms')} / {_value(results, f'{name}_{number}_p99_ms')}"
            for number in connections
        ]
        rows.append([meaning, *rates, *waits])
    yield from _table(head, rows)


def _usage(results: Results) -> Iterator[str]:
    yield from _of_ways(results, _WAYS, _CONNECTIONS)


def _checks(results: Results) -> Iterator[str]:
    yield from _of_ways(results, _CHECKS, (8, 64))


def _processes(results: Results) -> Iterator[str]:
    names = ("kafka", "postgres", "api", "engine", "projector", "publisher", "changes", "other")
    rows = [
        [
            f"{number} connections",
            _value(results, f"http_use_{number}_cpu_us"),
            *(_value(results, f"http_use_{number}_cpu_us_{name}") for name in names),
            _value(results, f"baseline_use_{number}_cpu_us"),
        ]
        for number in (8, 64)
    ]
    yield from _table(["us a request", "all", *names, "FastAPI and Postgres"], rows)


def _ratios(results: Results) -> Iterator[str]:
    rows = [
        [f"`{name}`", _value(results, name), figure.aim, figure.meaning]
        for name, figure in FIGURES.items()
        if name.startswith("ratio_") and name in results
    ]
    yield from _table(["ratio", "measured", "aim", "of"], rows)


def _others(results: Results) -> Iterator[str]:
    rows = [
        [f"`{name}`", _value(results, name), figure.unit, figure.aim, figure.meaning]
        for name, figure in FIGURES.items()
        if name in results and not name.startswith(("ratio_", *_WAYS, *_CHECKS))
    ]
    yield from _table(["figure", "measured", "unit", "aim", "what it is"], rows)


if __name__ == "__main__":
    main()
