"""Patterns of text: `*` stands for any characters, `?` for one. Everything else stands for itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

GLOB_CHARACTERS_MAX: Final = 256
#: Below so many characters of text the simple search is the quickest, whoever wrote either.
_SHORT: Final = 128

#: Seeks a part of a pattern in a text from one place to another, and says where it ends; -1: it is not there.
Seek = Callable[[str, int, int], int]


def is_pattern(glob: str) -> bool:
    """Whether it stands for more than one text."""
    return "*" in glob or "?" in glob


def holder(part: str) -> Seek:
    """Seeks a text within texts, in time that grows with the length of what is searched, and not with that of both.

    Python's own search takes both lengths multiplied at worst. Regular expressions seek a literal by the algorithm of Knuth, Morris and
    Pratt, which is slower where nobody means harm: so it is for long texts alone.
    """
    size = len(part)
    compiled: Callable[..., re.Match[str] | None] | None = None

    def seek(text: str, start: int, end: int) -> int:
        nonlocal compiled
        if end - start <= _SHORT:
            at = text.find(part, start, end)
            return at if at < 0 else at + size
        if compiled is None:
            compiled = re.compile(re.escape(part)).search
        found = compiled(text, start, end)
        return -1 if found is None else found.end()

    return seek


def _of_form(part: str) -> Seek:
    """The same for a part with `?` in it: its length times that of the text at worst, which sought_cost tells."""
    search = re.compile(_expression(part), re.DOTALL).search

    def seek(text: str, start: int, end: int) -> int:
        found = search(text, start, end)
        return -1 if found is None else found.end()

    return seek


def _expression(part: str) -> str:
    return "".join("." if sign == "?" else re.escape(sign) for sign in part)


def sought_cost(glob: str) -> tuple[int, int]:
    """What matching may cost: how many parts are sought, and how many characters those have that hold a `?`."""
    sought = [part for part in glob.split("*")[1:-1] if part]
    return len(sought), sum(len(part) for part in sought if "?" in part)


def matcher(glob: str) -> Callable[[str], bool]:
    """A function that says whether a text is one of those a glob stands for.

    What lies between two stars is sought from where the part before it ends, and never again.
    """
    first, *rest = glob.split("*")
    if not rest:
        return _same(glob)
    *between, last = rest
    begins, ends = _same(first), _same(last)
    seeks = tuple(_of_form(part) if "?" in part else holder(part) for part in between if part)
    head, tail, least = len(first), len(last), sum(map(len, rest)) + len(first)

    def matches(text: str) -> bool:
        size = len(text)
        if size < least or not begins(text[:head]) or not ends(text[size - tail :]):
            return False
        at, end = head, size - tail
        for seek in seeks:
            at = seek(text, at, end)
            if at < 0:
                return False
        return True

    return matches


def _same(form: str) -> Callable[[str], bool]:
    """Whether a text has the length and the characters of a form without `*`."""
    if "?" not in form:
        return form.__eq__
    fullmatch = re.compile(_expression(form), re.DOTALL).fullmatch
    return lambda text: fullmatch(text) is not None
