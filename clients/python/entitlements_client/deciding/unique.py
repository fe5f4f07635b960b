"""Ids that nobody else has."""

from __future__ import annotations

import os
from typing import Final

#: Ids that nobody has been given yet: the kernel is asked for many at once.
_ids: list[str] = []
_AT_ONCE: Final = 256
os.register_at_fork(after_in_child=_ids.clear)


def new_id() -> str:
    """An id that nobody else has: 128 random bits, as 32 hexadecimal digits."""
    try:
        return _ids.pop()
    except IndexError:
        text = os.urandom(16 * _AT_ONCE).hex()
        _ids.extend(text[at : at + 32] for at in range(32, len(text), 32))
        return text[:32]
