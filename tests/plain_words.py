"""Words of a private language that are given up in the texts people meet. What to write instead is in CONTRIBUTING.md.

One list for pages, the command line, errors, log lines, metrics and alerts, so that a word cannot come back anywhere.
"""

from __future__ import annotations

import re
from typing import Final

#: Given up everywhere. Each is a pattern of whole words, in upper and lower case alike.
GIVEN_UP: Final = (
    "whoever", "whomever", "anew", "borne?", "bears", "confers?", "conferr\\w+", "meant", "tenants?", "told", "tells", "said",
    "asked", "hears?", "heard", "thereof", "so many", "so much", "at work", "any more", "for ever", "what one has", "one's own",
    "in the name of", "begins? to", "be had", "is none of", "of ours", "(?<!there )(?:is|are) no (?!longer|such|more)",
)  # fmt: skip
#: Given up in texts of one line too: help, errors, log lines. A page may need them, where it tells how something works.
IN_ONE_LINE: Final = (
    "whatever", "stands? in", "stands? for itself", "is taken", "are taken", "was taken", "left out", "asks", "says?", "tell",
    "(?:is|are|has been) there(?! is)",
)  # fmt: skip


def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


_EVERYWHERE: Final = _pattern(GIVEN_UP)
_IN_ONE_LINE: Final = _pattern((*GIVEN_UP, *IN_ONE_LINE))


def given_up_in(text: str, *, one_line: bool = False) -> list[str]:
    """The given-up words in a text, each once, in alphabetical order. Code in backticks does not count."""
    prose = " ".join(re.sub(r"`[^`]*`", "", text).split())
    pattern = _IN_ONE_LINE if one_line else _EVERYWHERE
    return sorted({match[0].lower() for match in pattern.finditer(prose)})
