"""Tables for people, or one JSON document for machines. Nobody else prints.

On a terminal everything fits its width; in a file or a pipe nothing is folded or padded, unless COLUMNS says how wide it is. Ids, keys
and instants are never cut: a table that is too wide loses its empty columns, and becomes one block a row if it is still too wide.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO, TypeAlias

if TYPE_CHECKING:
    from rich.text import Text

#: Hears how many are done, and of how many.
Progress: TypeAlias = Callable[[int, int], None]
#: Characters of a progress bar; of its time; and of all that stands beside a sentence and its bar: spinner, count and time, with gaps.
_BAR_MIN: Final = 8
_BAR_MAX: Final = 24
_TIME_WIDTH: Final = 7
_BESIDE_BAR: Final = 1 + len("10,000/10,000") + _TIME_WIDTH + 4
#: The width for rich where there is none.
_UNBOUNDED: Final = 10_000
#: Characters by which a text shows in another order than it is written.
_REORDERING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Styled(NamedTuple):
    """A value in a colour or weight of the terminal."""

    value: Any
    style: str


def document(content: Mapping[str, Any]) -> None:
    """Print one JSON document; instants as ISO 8601 in UTC."""
    print(_json(content, indent=2 if sys.stdout.isatty() else None))


def line_of_json(content: Mapping[str, Any]) -> None:
    """Print one JSON document as a line of a stream, at once."""
    print(_json(content), flush=True)


def say(sentence: str = "") -> None:
    """Print a sentence, with rich's markup. Put in names that callers chose by `strong` or `literal`."""
    from rich.errors import MarkupError
    from rich.text import Text

    try:
        shown = Text.from_markup(visible(sentence), emoji=False)
    except MarkupError:
        shown = Text(visible(sentence))
    _print(shown, folds=True)


def strong(name: object) -> str:
    """An id or a name as markup, in bold."""
    return f"[bold]{literal(name)}[/bold]"


def literal(value: object) -> str:
    """A text as markup that stands for just that text."""
    from rich.markup import escape

    return escape(visible(str(value)))


def plain(text: str) -> None:
    """Print text as it is, line by line."""
    print("\n".join(visible(line) for line in text.split("\n")), end="")


def note(sentence: str) -> None:
    """Print a sentence beside the output: on standard error."""
    print(visible(sentence), file=sys.stderr)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """Print a table, and an empty line. A column whose name starts with > is aligned to the right, one with ~ holds prose that may fold."""
    from entitlements.cli import layout

    for shown in layout.table(columns, list(rows), title, width_of(sys.stdout)):
        _print(shown)
    print()


def facts(pairs: Mapping[str, Any], title: str = "") -> None:
    """Print names and values below one another, and an empty line; those without a value are left out."""
    from entitlements.cli import layout

    for shown in layout.facts(pairs, title, width_of(sys.stdout)):
        _print(shown)
    print()


def width_of(stream: TextIO) -> int | None:
    """How many characters fit into a line; None: any number, as in a file or a pipe for which COLUMNS says nothing."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdecimal() and int(columns):
        return int(columns)
    return os.get_terminal_size(stream.fileno()).columns or None if stream.isatty() else None


def visible(text: str) -> str:
    """A text without characters that steer a terminal or reorder what it shows: those are shown as escapes."""
    return (
        text if text.isprintable() else "".join(c.encode("unicode_escape").decode() if _steers(c) else c for c in text)
    )


def _steers(character: str) -> bool:
    import unicodedata

    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or character in _REORDERING


def text(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def amount(quantity: int | None, scale: int = 0) -> str:
    """A quantity of a key as people see it: 1250 at scale 2 is 12.50."""
    if quantity is None:
        return "unlimited"
    if scale == 0:
        return f"{quantity:,}"
    sign, digits = ("-" if quantity < 0 else ""), f"{abs(quantity):0{scale + 1}d}"
    return f"{sign}{int(digits[:-scale]):,}.{digits[-scale:]}"


def counted(number: int, thing: str) -> str:
    """A number of things: 1 row, 2 rows."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


@contextmanager
def progress(sentence: str) -> Iterator[Progress]:
    """Show on standard error how far something is; gives a callable that hears (done, in all)."""
    import time

    if not sys.stderr.isatty():
        started = time.monotonic()
        yield lambda done, total: None  # noqa: ARG005
        note(f"{sentence} ... {time.monotonic() - started:.1f} s")
        return
    from rich.progress import Progress as Bar

    console = _console(stderr=True)
    with Bar(*progress_columns(sentence, console.width), console=console) as bar:
        task = bar.add_task(sentence, total=None, count="")

        def hear(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None, count=f"{done:,}/{total:,}" if total else "")

        yield hear
        end = bar.tasks[0].total or 1
        bar.update(task, completed=end, total=end)


def progress_columns(sentence: str, width: int) -> list[Any]:
    """The columns of a progress bar that fit a width: the bar gets shorter, and a long sentence folds; nothing is cut."""
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    bar = max(_BAR_MIN, min(_BAR_MAX, width - len(sentence) - _BESIDE_BAR))
    return [
        SpinnerColumn(finished_text="[green]✓[/green]", table_column=Column(no_wrap=True)),
        TextColumn("{task.description}", table_column=Column()),
        BarColumn(bar_width=bar, table_column=Column(no_wrap=True, min_width=bar)),
        TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=_TIME_WIDTH)),
    ]


def _print(shown: Text, *, folds: bool = False) -> None:
    """Print a rich text. folds: what is too long goes on in the next line, between words only."""
    width = width_of(sys.stdout)
    # A word that is wider than the line is left to the terminal: a line end within it would be copied with it.
    folds = folds and max(map(len, shown.plain.split()), default=0) <= (width or 0)
    console = _console()
    for line in shown.wrap(console, width) if folds and width else [shown]:
        line.rstrip()
        console.print(line, highlight=False, overflow="ignore", crop=False, no_wrap=True)


def _console(*, stderr: bool = False) -> Any:
    from rich.console import Console

    return Console(stderr=stderr, width=width_of(sys.stderr if stderr else sys.stdout) or _UNBOUNDED)


def _json(content: Any, indent: int | None = None) -> str:
    """JSON in which nothing steers a terminal: json itself escapes only what lies below U+0020."""
    written = json.dumps(content, default=_plain, ensure_ascii=False, indent=indent)
    if written.isprintable():
        return written
    return "".join(json.dumps(c)[1:-1] if c != "\n" and _steers(c) else c for c in written)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
