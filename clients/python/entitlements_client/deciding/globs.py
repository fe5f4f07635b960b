"""Patterns of text: `*` stands for any characters, `?` for one. Everything else stands for itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

GLOB_CHARACTERS_MAX: Final = 256


def is_pattern(glob: str) -> bool:
    """Whether it stands for more than one text."""
    return "*" in glob or "?" in glob


def matcher(glob: str) -> Callable[[str], object]:
    """A function that says whether a text is one of those a glob stands for.

    What lies between two stars is sought once and never again (an atomic group), so no glob takes longer than its length times
    that of the text, whoever wrote either.
    """
    first, *rest = ("".join("." if sign == "?" else re.escape(sign) for sign in part) for part in glob.split("*"))
    if not rest:
        return re.compile(first, re.DOTALL).fullmatch
    *between, last = rest
    sought = "".join(f"(?>.*?{part})" for part in between if part)
    return re.compile(f"{first}{sought}.*{last}", re.DOTALL).fullmatch
