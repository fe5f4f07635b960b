"""Where the cells of a table go: side by side where they fit, else one block a row.

A column named ~ holds prose: it may fold between words. All others hold ids, keys, quantities and instants, which are never broken. One
named ? is left out where it does not fit beside the others.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from entitlements.cli.output import Styled, text, visible

_GAP: Final = "   "
#: Prose in a narrower column than this is hard to read; its table becomes blocks.
_PROSE_MIN: Final = 20
#: The longest line below headings: in a file a cell of prose may be as long as it likes.
_RULE_MAX: Final = 120
_DIM: Final = "dim"


@dataclass(frozen=True)
class _Cell:
    """What is written, without styles, and its style."""

    written: str
    style: str = ""

    @property
    def width(self) -> int:
        return cell_len(self.written)


@dataclass(frozen=True)
class _Column:
    name: str
    is_right: bool
    is_prose: bool
    is_optional: bool
    cells: tuple[_Cell, ...]

    @property
    def is_empty(self) -> bool:
        return not any(cell.written for cell in self.cells)

    @property
    def width(self) -> int:
        return max(cell.width for cell in (_Cell(self.name), *self.cells))

    @property
    def word_width(self) -> int:
        """Of its longest word."""
        return max((cell_len(word) for cell in self.cells for word in cell.written.split()), default=0)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str, width: int | None) -> Iterator[Text]:
    """The lines of a table that fits into a width (None: any does)."""
    if title:
        yield Text(visible(title), "bold")
    all_of_them = [_column(name, [row[place] for row in rows]) for place, name in enumerate(columns)]
    filled = [column for column in all_of_them if not column.is_empty]
    required = [column for column in filled if not column.is_optional]
    for kept in (all_of_them, filled, required):
        if not rows or _fits([column.width for column in kept], width):
            yield from _side_by_side(kept, [column.width for column in kept])
            return
    folded = _folded(required, width or 0)
    yield from _blocks(filled, width) if folded is None else _side_by_side(required, folded)


def facts(pairs: Mapping[str, Any], title: str, width: int | None) -> Iterator[Text]:
    """The lines of names and values below one another."""
    if title:
        yield Text(visible(title), "bold")
    yield from _pairs([(_Cell(name), _cell(value), True) for name, value in pairs.items()], "", width)


def _cell(value: Any) -> _Cell:
    value, style = value if isinstance(value, Styled) else (value, "")
    return _Cell(visible(text(value)), style)


def _column(name: str, values: Sequence[Any]) -> _Column:
    first = name[:1]
    return _Column(name.lstrip(">~?"), first == ">", first == "~", first == "?", tuple(map(_cell, values)))


def _fits(widths: Sequence[int], width: int | None) -> bool:
    return width is None or sum(widths) + len(_GAP) * (len(widths) - 1) <= width


def _folded(columns: Sequence[_Column], width: int) -> list[int] | None:
    """The width of each column when prose folds; None: it would be too narrow."""
    prose = sorted((column for column in columns if column.is_prose), key=lambda column: column.width)
    left = width - len(_GAP) * (len(columns) - 1) - sum(column.width for column in columns if not column.is_prose)
    widths = {}
    for place, column in enumerate(prose):
        widths[column.name] = min(column.width, left // (len(prose) - place))
        left -= widths[column.name]
        if widths[column.name] < max(min(column.width, _PROSE_MIN), column.word_width):
            return None
    return [widths.get(column.name, column.width) for column in columns] if left >= 0 else None


def _side_by_side(columns: Sequence[_Column], widths: Sequence[int]) -> Iterator[Text]:
    yield _line([(_Cell(column.name, "bold"), column, width) for column, width in zip(columns, widths, strict=True)])
    yield Text("─" * min(_RULE_MAX, sum(widths) + len(_GAP) * (len(widths) - 1)), _DIM)
    for row in zip(*(column.cells for column in columns), strict=True):
        folded = [
            _fold(cell, width) if column.is_prose else [cell]
            for cell, column, width in zip(row, columns, widths, strict=True)
        ]
        for number in range(max(map(len, folded))):
            cells = [lines[number] if number < len(lines) else _Cell("") for lines in folded]
            yield _line(list(zip(cells, columns, widths, strict=True)))


def _line(cells: Sequence[tuple[_Cell, _Column, int]]) -> Text:
    line = Text()
    for place, (cell, column, width) in enumerate(cells):
        padding = " " * (width - cell.width)
        line.append(_GAP if place else "")
        line.append(padding if column.is_right else "")
        line.append(cell.written, cell.style)
        line.append("" if column.is_right else padding)
    line.rstrip()
    return line


def _blocks(columns: Sequence[_Column], width: int | None) -> Iterator[Text]:
    first, *others = columns
    for number, cell in enumerate(first.cells):
        if number and len(others) > 1:
            yield Text()
        if cell.written:
            yield Text.assemble((f"{first.name} ", _DIM), (cell.written, cell.style or "bold"))
        yield from _pairs([(_Cell(c.name), c.cells[number], c.is_prose) for c in others], "  ", width)


def _pairs(pairs: Sequence[tuple[_Cell, _Cell, bool]], indent: str, width: int | None) -> Iterator[Text]:
    """Names and values below one another, without those that have no value. The third of each: whether it may fold."""
    pairs = [pair for pair in pairs if pair[1].written]
    margin = len(indent) + max((name.width for name, _, _ in pairs), default=0) + 2
    for name, value, folds in pairs:
        lines = _fold(value, max(_PROSE_MIN, width - margin)) if folds and width is not None else [value]
        for number, part in enumerate(lines):
            said = "" if number else indent + name.written
            yield Text.assemble((said + " " * (margin - cell_len(said)), _DIM), (part.written, part.style))


def _fold(cell: _Cell, width: int) -> list[_Cell]:
    if cell.width <= width:
        return [cell]
    lines = textwrap.wrap(cell.written, width, break_long_words=False, break_on_hyphens=False)
    return [_Cell(line, cell.style) for line in lines]
