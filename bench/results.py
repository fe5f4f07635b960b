"""Results as JSON: those of the last run, and those that the page of benchmarks shows, into which runs are merged.

A figure is {"value", "unit", "measured"}, a curve {"points": {size: value}, "grows", "unit", "measured"}; `measured` says when and
on what machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from bench.figures import FIGURES
from bench.growth.curves import CURVES, Points

#: Of the last run. Git ignores it.
LAST_RUN: Final = Path(__file__).with_name("results.json")
#: What the page is made of, part of the repository.
PUBLISHED: Final = Path(__file__).parent.parent / "docs" / "benchmarks" / "results.json"

#: By their names.
Results: TypeAlias = Mapping[str, Mapping[str, Any]]


def of_run(figures: Mapping[str, float], curves: Mapping[str, Points], measured: str) -> Results:
    """The results of a run. measured: when and where."""
    found: dict[str, dict[str, Any]] = {
        name: {"value": round(value, 3), "unit": FIGURES[name].unit, "measured": measured}
        for name, value in figures.items()
    }
    for name, points in curves.items():
        rounded = {str(size): round(value, 3) for size, value in sorted(points.items())}
        curve = CURVES[name]
        found[name] = {"points": rounded, "grows": curve.grows, "unit": curve.unit, "measured": measured}
    return found


def merged(before: Results, newer: Results) -> Results:
    """Newer results replace those of the same name; a curve keeps its points at sizes that were not measured this time."""
    found = {name: dict(result) for name, result in before.items()}
    for name, result in newer.items():
        points = {**found.get(name, {}).get("points", {}), **result.get("points", {})}
        found[name] = dict(result)
        if points:
            found[name]["points"] = dict(sorted(points.items(), key=lambda point: float(point[0])))
    return found


def read(path: Path) -> Results:
    """Results from a file; none if there is no such file."""
    if not path.exists():
        return {}
    found: Results = json.loads(path.read_text(encoding="utf-8"))
    return found


def write(results: Results, path: Path) -> None:
    """Write results into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
