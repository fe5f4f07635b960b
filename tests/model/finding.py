"""A failing history as people read it: the shortest one as a scenario file, with what the second model expects after its last step."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from tests.model.comparing import Comparison, of_book
from tests.model.shrinking import failure_of, shrink
from tests.model.telling import History, Plain, scenario


def shortest(history: History) -> History:
    """The shortest history that fails as this one does, without what comes after the difference."""
    found = shrink(history)
    failing = 0
    comparison = Comparison(found)
    for number, step in enumerate(found.steps):
        failing = number
        try:
            comparison.take(number, step)
        except Exception:  # noqa: BLE001 - whatever it is, it is the difference.
            break
    return replace(found, steps=found.steps[: failing + 1])


def told(history: History, rule: str = "") -> str:
    """The scenario file of a failing history; `rule`: which rule the domain breaks, and why."""
    failure = failure_of(history)
    about = f"{rule} {'' if failure is None else failure[1]}".strip()
    return scenario(history, about, expected(history))


def expected(history: History) -> Plain:
    """What the model says after the last step, in the words of scenario files."""
    comparison = Comparison(history)
    with suppress(Exception):  # The last step differs: that is what is told.
        comparison.run()
    expect: Plain = {}
    refused, lines = [code for code in comparison.verdicts if code is not None], "lines" in history.steps[-1]
    if refused:
        expect = {"refused_lines": refused} if lines else {"refused": refused[0]}
    keys = {key: of_book(book) for key, book in comparison.office.books.items() if book.is_known}
    names = ("consumed", "elsewhere", "remaining")
    return expect | {"keys": {key: {name: of[name] for name in names} for key, of in keys.items()}}
