"""A plot of lines as SVG: the same bytes for the same numbers, readable on light and on dark pages, in grey, and without a library.

An axis is logarithmic where its values lie far apart, and begins at zero otherwise. Lines differ by colour, mark and dashes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 720
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 700, 48, 320
_LEGEND_ROW: Final = 22
#: From this ratio of the largest to the smallest value on an axis is logarithmic.
_FAR_APART: Final = 20
_COLOURS: Final = (
    ("#0060a8", "#6cb8ff"),
    ("#c24e00", "#ff9d57"),
    ("#00785a", "#3fd6a8"),
    ("#a3417d", "#f094c8"),
    ("#806000", "#e3bf4b"),
)
_MARKS: Final = ("M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", "M-4 -4h8v8h-8z", "M0 -5l5 9h-10z", "M0 -5l5 5l-5 5l-5 -5z", "M-4 -4l8 8M-4 4l8 -8")  # fmt: skip
_DASHES: Final = ("none", "7 3", "2 3", "9 3 2 3", "12 4")

#: What a line goes through, by x.
Line = Mapping[float, float]


@dataclass(frozen=True)
class _Axis:
    """Where the values of an axis lie, in pixels."""

    low: float
    high: float
    is_log: bool
    begin: int
    end: int

    def at(self, value: float) -> float:
        low, high, value = (math.log10(each) if self.is_log else each for each in (self.low, self.high, value))
        return self.begin + (value - low) / (high - low) * (self.end - self.begin)


def plot(title: str, x_label: str, y_label: str, lines: Mapping[str, Line]) -> str:
    """The picture. Labels name the units; every line has its name in the legend and at least one point, all above zero."""
    sizes = sorted({size for line in lines.values() for size in line})
    values = [value for line in lines.values() for value in line.values()]
    x, y = _x_axis(sizes), _y_axis(values)
    height = _BOTTOM + 62 + _LEGEND_ROW * ((len(lines) + 1) // 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(title)}</title><desc>{escape(_in_words(lines))}</desc><style>{_style(len(lines))}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/><text class="title" x="{_LEFT}" y="26">{escape(title)}</text>',
        *(_across(y, value) for value in _ticks(y)),
        *(_below(x, size) for size in sizes),
        f'<path class="axis" d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}"/>',
        f'<text x="{(_LEFT + _RIGHT) // 2}" y="{_BOTTOM + 42}" text-anchor="middle">{escape(_named(x_label, x))}</text>',
        f'<text transform="translate(18 {(_TOP + _BOTTOM) // 2}) rotate(-90)" text-anchor="middle">{escape(_named(y_label, y))}</text>',
    ]
    for number, (name, line) in enumerate(lines.items()):
        parts += _drawn(number, name, [(x.at(size), y.at(value)) for size, value in sorted(line.items())])
    return "\n".join((*parts, "</svg>", ""))


def _named(label: str, axis: _Axis) -> str:
    return f"{label} (logarithmic)" if axis.is_log else label


def short(value: float) -> str:
    """A number as an axis shows it: 500, 10k, 1.5M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


def _x_axis(sizes: Sequence[float]) -> _Axis:
    low, high = sizes[0], sizes[-1]
    if low == high:
        low, high = low / 2, high * 2
    return _Axis(low, high, high / low >= _FAR_APART, _LEFT + 24, _RIGHT - 24)


def _y_axis(values: Sequence[float]) -> _Axis:
    low, high = min(values), max(values)
    if high / low >= _FAR_APART:
        return _Axis(low / 1.6, high * 1.6, True, _BOTTOM, _TOP)
    step = _step(high)
    return _Axis(0.0, step * math.ceil(high / step * 1.02), False, _BOTTOM, _TOP)


def _step(high: float) -> float:
    """Between two ticks of four to eight: 1, 2 or 5 times a power of ten."""
    rough = high / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return min((factor * power for factor in (1, 2, 5, 10)), key=lambda step: abs(step - rough))


def _ticks(axis: _Axis) -> list[float]:
    if not axis.is_log:
        step = _step(axis.high)
        return [step * number for number in range(round(axis.high / step) + 1)]
    powers = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
    factors = (1, 2, 5) if axis.high / axis.low < 1_000 else (1,)
    ticks = (factor * 10.0**power for power in powers for factor in factors)
    return [tick for tick in ticks if axis.low <= tick <= axis.high]


def _across(axis: _Axis, value: float) -> str:
    at = f"{axis.at(value):.1f}"
    return (
        f'<path class="grid" d="M{_LEFT} {at}H{_RIGHT}"/>'
        f'<text x="{_LEFT - 8}" y="{at}" dy="4" text-anchor="end">{short(float(f"{value:.6g}"))}</text>'
    )


def _below(axis: _Axis, size: float) -> str:
    at = f"{axis.at(size):.1f}"
    return (
        f'<path class="axis" d="M{at} {_BOTTOM}v5"/>'
        f'<text x="{at}" y="{_BOTTOM + 20}" text-anchor="middle">{short(size)}</text>'
    )


def _drawn(number: int, name: str, points: Sequence[tuple[float, float]]) -> list[str]:
    kind, mark = number % len(_COLOURS), _MARKS[number % len(_MARKS)]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    left, top = _LEFT + (number % 2) * 310, _BOTTOM + 66 + _LEGEND_ROW * (number // 2)
    return [
        f'<g class="line l{kind}"><path class="way" d="M{path}"/>',
        *(f'<path class="mark" transform="translate({x:.1f} {y:.1f})" d="{mark}"/>' for x, y in points),
        f'<path class="way" d="M{left} {top}h28"/><path class="mark" transform="translate({left + 14} {top})" d="{mark}"/></g>',
        f'<text x="{left + 36}" y="{top}" dy="4">{escape(name)}</text>',
    ]


def _style(lines: int) -> str:
    def colours(at: int) -> str:
        return "".join(
            f".l{kind}{{stroke:{_COLOURS[kind][at]};fill:{_COLOURS[kind][at]}}}"
            for kind in range(min(lines, len(_COLOURS)))
        )

    dashes = "".join(f".l{kind} .way{{stroke-dasharray:{_DASHES[kind]}}}" for kind in range(min(lines, len(_DASHES))))
    return (
        "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-size:16px;font-weight:600}.page{fill:#fff}"
        ".grid{stroke:#d8dee4}.axis{stroke:#57606a;fill:none}.way{fill:none;stroke-width:2}.mark{stroke-width:1.5}"
        f"{colours(0)}{dashes}"
        "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}.grid{stroke:#30363d}.axis{stroke:#8b949e}"
        f"{colours(1)}}}"
    )


def _in_words(lines: Mapping[str, Line]) -> str:
    return "; ".join(
        f"{name}: {', '.join(f'{value:g} at {size:g}' for size, value in sorted(line.items()))}"
        for name, line in lines.items()
    )
