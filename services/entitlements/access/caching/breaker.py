"""Passes by what does not answer: after a failure it is left alone for a moment, then one caller tries it again."""

from __future__ import annotations

import time
from threading import Lock
from typing import Final

#: Seconds for which nothing is asked after a failure.
OPEN_FOR: Final = 1.0


class Breaker:
    """Whether to ask at all. Safe between threads."""

    def __init__(self, open_for: float = OPEN_FOR) -> None:
        self._open_for = open_for
        self._is_open = False
        self._try_at = 0.0
        self._lock = Lock()

    def lets_through(self) -> bool:
        """Whether to ask now. While it is open one caller may, each time open_for seconds are over."""
        if not self._is_open:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._try_at:
                return False
            self._try_at = now + self._open_for  # The others wait for what becomes of this one.
            return True

    def failed(self) -> None:
        """It did not answer."""
        self._try_at = time.monotonic() + self._open_for
        self._is_open = True

    def worked(self) -> None:
        """It answered."""
        self._is_open = False
