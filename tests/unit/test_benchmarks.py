"""The page of benchmarks and its pictures are made of results, whatever of them there is."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from bench import page, results
from bench.__main__ import BENCHMARKS, GROWTH
from bench.figures import FIGURES, show
from bench.growth.curves import CURVES
from bench.growth.curves import show as show_curves
from bench.plots import PLOTS, drawn
from bench.svg import plot, short
from tests.plain_words import given_up_in

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
RUN = results.of_run(
    {
        "http_use_1_per_s": 232.0, "http_use_1_p50_ms": 3.7, "http_use_64_per_s": 921.0, "http_use_64_p50_ms": 61.04,
        "baseline_use_1_per_s": 827.0, "baseline_use_64_per_s": 600.0, "ratio_use_64": 1.535, "ratio_use_8": 0.5,
        "strict_lines_per_s": 98_123.4,
    },
    {"growth_pools_take_over_s": {1_000: 0.31, 10_000: 1.19}, "growth_ledger_fold_s": {100_000: 2.0, 10_000_000: 90.0}},
    "2026-12-01, 2 cores",
)  # fmt: skip
BLOCKS = (
    "usage",
    "checks",
    "ratios",
    "losses",
    "others",
    "measured",
    "growth_pools",
    "growth_engines",
    "no_such_table",
)


@pytest.fixture
def a_page(tmp_path: Path) -> Path:
    blocks = "\n\n".join(f"## {name}\n\n<!-- table: {name} -->\nold\n<!-- end -->" for name in BLOCKS)
    file = tmp_path / "benchmarks.md"
    file.write_text(f"# Benchmarks\n\n{blocks}\n\nProse stays.\n")
    return file


def block(file: Path, name: str) -> str:
    return file.read_text().partition(f"<!-- table: {name} -->")[2].partition("<!-- end -->")[0]


def test_tables_are_filled(a_page: Path) -> None:
    page.write(RUN, a_page)
    assert "| strict usage, customers at random | 232 |  | 921 |  | 3.70 /  |" in block(a_page, "usage")
    assert "| `ratio_use_64` | 1.53 | >= 1.5 | yes |" in block(a_page, "ratios")
    assert "| `ratio_use_8` | 0.50 | >= 0.8 | no |" in block(a_page, "ratios")
    assert "| `strict_lines_per_s` | 98,123 | lines/s | >= 100,000 | no |" in block(a_page, "others")
    assert "| 10,000 | 1.19 |" in block(a_page, "growth_pools")
    assert "2026-12-01, 2 cores" in block(a_page, "measured")
    assert "old" not in a_page.read_text()
    assert a_page.read_text().endswith("Prose stays.\n")


def test_where_rivals_are_faster_is_listed(a_page: Path) -> None:
    page.write(RUN, a_page)
    losses = block(a_page, "losses")
    assert "| strict usage, 1 connection | FastAPI and Postgres | 827 | 232 | 3.6 |" in losses
    assert "64 connections" not in losses


def test_what_was_not_measured_leaves_a_note(a_page: Path) -> None:
    page.write({}, a_page)
    assert "Not measured yet" in block(a_page, "usage")
    assert "Not measured yet" in block(a_page, "growth_engines")
    assert "There is no table no_such_table" in block(a_page, "no_such_table")
    assert not list(a_page.with_suffix("").glob("*.svg"))


def test_results_that_nobody_knows_leave_a_note(a_page: Path) -> None:
    page.write({**RUN, "of_yesterday_per_s": {"value": 1.0}}, a_page)
    assert "*Results without a table: `of_yesterday_per_s`.*" in block(a_page, "others")


def test_the_same_results_make_the_same_bytes(a_page: Path) -> None:
    def written() -> dict[str, bytes]:
        page.write(RUN, a_page)
        return {file.name: file.read_bytes() for file in [a_page, *a_page.with_suffix("").iterdir()]}

    first = written()
    assert len(first) > 3
    assert written() == first


def test_pictures_that_a_page_shows_are_there_and_valid(a_page: Path) -> None:
    page.write(RUN, a_page)
    shown = re.findall(r"!\[(.+?)\]\((.+?)\)", a_page.read_text())
    assert ("More pools: take-over from snapshots", "benchmarks/growth_pools_take_over.svg") in shown
    for _, path in shown:
        root = ET.fromstring((a_page.parent / path).read_text())
        assert (root.tag, root.findtext(f"{SVG}title") is not None) == (f"{SVG}svg", True)


def test_a_picture_names_lines_units_and_values() -> None:
    picture = drawn("growth_ledger", RUN)
    assert picture is not None
    texts = [text.text for text in ET.fromstring(picture).iter(f"{SVG}text")]
    assert {
        "lines of usage in the ledger (logarithmic)",
        "seconds (logarithmic)",
        "without: all is folded",
        "100k",
        "10M",
    } <= {*texts}
    assert "2 at 100000, 90 at 1e+07" in picture
    assert "with snapshots" not in texts, "it was not measured"


@pytest.mark.parametrize(
    "line", [{1.0: 5.0}, {1.0: 3.0, 256.0: 3.0}, {1.0: 0.001, 2.0: 10_000.0}, {7.0: 99.0, 8.0: 101.0, 9.0: 1e9}]
)
def test_points_and_ticks_lie_within_the_picture(line: dict[float, float]) -> None:
    root = ET.fromstring(plot("<a & b>", "x", "y", {"one": line, "two": line}))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    marks = [
        re.findall(r"[\d.]+", mark.attrib["transform"])
        for mark in root.iter(f"{SVG}path")
        if "transform" in mark.attrib
    ]
    assert len(marks) == 2 * (len(line) + 1)
    for across, down in marks:
        assert 84 <= float(across) <= width
        assert 48 <= float(down) <= height
    for text in root.iter(f"{SVG}text"):
        assert 0 <= float(text.attrib.get("y", 0)) <= height


@pytest.mark.parametrize(("value", "shown"), [(0.5, "0.5"), (999, "999"), (1_500, "1.5k"), (10_000_000, "10M")])
def test_numbers_of_axes_are_short(value: float, shown: str) -> None:
    assert short(value) == shown


def test_newer_results_replace_older_ones_and_others_stay() -> None:
    newer = results.of_run(
        {"strict_lines_per_s": 1.0}, {"growth_pools_take_over_s": {10_000: 2.0, 100_000: 9.0}}, "today"
    )
    found = results.merged(RUN, newer)
    assert found["strict_lines_per_s"] == {"value": 1.0, "unit": "lines/s", "measured": "today"}
    assert found["http_use_1_per_s"] == RUN["http_use_1_per_s"]
    assert found["growth_pools_take_over_s"]["points"] == {"1000": 0.31, "10000": 2.0, "100000": 9.0}
    assert list(found["growth_pools_take_over_s"]["points"]) == ["1000", "10000", "100000"]
    assert results.merged(found, {}) == found


def test_results_come_back_from_a_file(tmp_path: Path) -> None:
    assert results.read(tmp_path / "none.json") == {}
    results.write(RUN, tmp_path / "folder" / "results.json")
    assert results.read(tmp_path / "folder" / "results.json") == RUN


def test_the_page_is_made_of_the_published_results(tmp_path: Path) -> None:
    """Whoever changes one of them by hand is told: run `python -m bench.page`."""
    copy = tmp_path / "benchmarks.md"
    copy.write_text(page.PAGE.read_text())
    page.write(results.read(results.PUBLISHED), copy)
    assert copy.read_text() == page.PAGE.read_text()
    for picture in copy.with_suffix("").iterdir():
        assert picture.read_bytes() == (page.PAGE.with_suffix("") / picture.name).read_bytes()


def test_every_curve_is_plotted_and_every_benchmark_of_growth_has_one() -> None:
    plotted = {name for shown in PLOTS.values() if not shown.figure for name in shown.lines.values()}
    assert plotted == CURVES.keys() - {"growth_ledger_events"}
    assert {name for name in GROWTH if any(curve.startswith(f"{name}_") for curve in CURVES)} == GROWTH.keys()
    assert not GROWTH.keys() & BENCHMARKS.keys()


def test_meanings_use_the_plain_words_of_the_field() -> None:
    texts = [figure.meaning for figure in FIGURES.values()] + [curve.meaning for curve in CURVES.values()]
    assert not {text for text in texts if given_up_in(text) or "workspace" in text}


def test_what_is_printed_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show(
        dict.fromkeys(FIGURES, 1_234_567.8),
        "2 cores",
        {"command_p99_ms": "from the scheduled instant 12.3; longest 44"},
    )
    show_curves({name: {1_000_000: 1_234_567.8} for name in CURVES})
    printed = capsys.readouterr().out
    assert all(name in printed for name in FIGURES)
    assert [line for line in printed.splitlines() if len(line) > 80] == []
