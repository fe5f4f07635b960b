"""Tables for people, or one JSON document for machines. Nobody else prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

#: Hears how many are done, and of how many.
Progress: TypeAlias = Callable[[int, int], None]


def document(content: Mapping[str, Any]) -> None:
    """Print one JSON document; instants as ISO 8601 in UTC."""
    print(json.dumps(content, default=_plain, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def line_of_json(content: Mapping[str, Any]) -> None:
    """Print one JSON document as a line of a stream, at once."""
    print(json.dumps(content, default=_plain, ensure_ascii=False), flush=True)


def say(sentence: str = "") -> None:
    """Print a sentence, with rich's markup."""
    _console().print(sentence, highlight=False)


def plain(text: str) -> None:
    """Print text as it is."""
    print(text, end="")


def note(sentence: str) -> None:
    """Print a sentence beside the output: on standard error."""
    print(sentence, file=sys.stderr)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "", folding: Collection[str] | None = None
) -> None:
    """Print a table. A column whose name starts with > is aligned to the right.

    folding: the columns that may fold, where not all may: the others are never cut, so a line may be longer than the terminal.
    """
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold", pad_edge=False)
    cells = [[text(cell) for cell in row] for row in rows]
    for number, column in enumerate(columns):
        name, is_whole = column.removeprefix(">"), folding is not None and column not in folding
        shown.add_column(
            name,
            justify="right" if column.startswith(">") else "left",
            overflow="fold",
            no_wrap=is_whole,
            min_width=max(len(name), *(len(row[number]) for row in cells), 0) if is_whole else None,
        )
    for row in cells:
        shown.add_row(*row)
    _console().print(shown, crop=folding is None)


def facts(pairs: Mapping[str, Any], title: str = "") -> None:
    """Print names and values below one another; those without a value are left out."""
    from rich.table import Table

    shown = Table(
        box=None, show_header=False, title=title or None, title_justify="left", title_style="bold", pad_edge=False
    )
    shown.add_column(style="dim")
    shown.add_column(overflow="fold")
    for name, value in pairs.items():
        if value not in (None, ""):
            shown.add_row(name, text(value))
    _console().print(shown)


def text(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return str(value)


def amount(quantity: int | None, scale: int = 0) -> str:
    """A quantity of a key as people see it: 1250 at scale 2 is 12.50."""
    if quantity is None:
        return "unlimited"
    if scale == 0:
        return f"{quantity:,}"
    sign, digits = ("-" if quantity < 0 else ""), f"{abs(quantity):0{scale + 1}d}"
    return f"{sign}{int(digits[:-scale]):,}.{digits[-scale:]}"


@contextmanager
def progress(sentence: str) -> Iterator[Progress]:
    """Show on standard error how far something is; gives a callable that hears (done, in all)."""
    import time

    if not sys.stderr.isatty():
        started = time.monotonic()
        yield lambda done, total: None  # noqa: ARG005
        note(f"{sentence} ... {time.monotonic() - started:.1f} s")
        return
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(finished_text="[green]✓[/green]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=_console(stderr=True)) as bar:
        task = bar.add_task(sentence, total=None, count="")

        def hear(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None, count=f"{done:,}/{total:,}" if total else "")

        yield hear
        end = bar.tasks[0].total or 1
        bar.update(task, completed=end, total=end)


def _console(*, stderr: bool = False) -> Any:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # A pipe or file has no width: nothing is to be cut or folded there.
    return Console(stderr=stderr, width=None if stream.isatty() else 160)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
