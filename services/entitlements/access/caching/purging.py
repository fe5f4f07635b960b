"""Purges answers from caches before the HTTP API, by surrogate key: `PURGE` with `Surrogate-Key: a|b` to each of their addresses."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Self

import httpx

from entitlements.access.caching.floors import Concerned
from entitlements.redacting import without_secrets

_log = logging.getLogger(__name__)

#: Seconds after which the same is purged once more: an answer that was on its way to the cache when it was purged, or came from a
#: process that had not heard yet, has arrived by then.
AGAIN_AFTER_FOR: Final = 2.0
#: Seconds for an answer of a cache, and between attempts while one is away.
ANSWER_WITHIN_FOR: Final = 2.0
TRY_AGAIN_AFTER_FOR: Final = 1.0
#: Names in one request, whose header stays under 8 KiB; of more than NAMES_MAX at once everything is purged.
NAMES_AT_ONCE_MAX: Final = 200
NAMES_MAX: Final = 5_000

#: The names of answers to purge for whom something concerns (http_caching has them).
Names = Callable[[Concerned], set[str]]


class Purger:
    """A listener of Invalidations. It only notes what to purge; a thread does it: `with Purger(...) as purger:`."""

    def __init__(
        self, addresses: Sequence[str], names_of: Names, *, every_answer: str, again_after_for: float = AGAIN_AFTER_FOR
    ) -> None:
        """addresses: URLs of caches. every_answer: the name that all answers have."""
        self._caches = [_Cache(address, every_answer) for address in addresses]
        self._names_of, self._again_after_for = names_of, again_after_for
        self._threads = [
            threading.Thread(target=cache.run, name="purger", daemon=True) for cache in self._caches
        ]  # One that is away makes no other wait.

    def __call__(self, concerned: Concerned) -> None:
        """Purge the answers of those concerned, now and once more."""
        names, now = self._names_of(concerned), time.monotonic()
        for cache in self._caches:
            cache.note(names, now)
            cache.note(names, now + self._again_after_for)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for cache in self._caches:
            cache.stop()
        for thread in self._threads:
            thread.join()


class _Cache:
    """One cache and what is to be purged there: by name when, in seconds of the monotonic clock."""

    def __init__(self, address: str, every_answer: str) -> None:
        self._address, self._every_answer = address, every_answer
        #: Why the last purge failed; it is said once.
        self._failure = ""
        self._due: list[tuple[float, set[str]]] = []
        self._changed = threading.Condition()
        self._stopped = False

    def note(self, names: set[str], at: float) -> None:
        with self._changed:
            self._due.append((at, names))
            if sum(len(each) for _, each in self._due) > NAMES_MAX:
                self._due = [(time.monotonic(), {self._every_answer}), (at, {self._every_answer})]
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def run(self) -> None:
        """Purge what is due until stopped. What a cache does not take is kept and tried again."""
        with httpx.Client(timeout=ANSWER_WITHIN_FOR) as client:
            while (names := self._wait()) is not None:
                failure = ""
                try:
                    self._purge(client, sorted(names))
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    failure = without_secrets(f"{error}")
                    self.note(names, time.monotonic() + TRY_AGAIN_AFTER_FOR)
                self._say(failure)

    def _say(self, failure: str) -> None:
        """Once, and again when it changes: it is tried each second."""
        if failure != self._failure:
            self._failure, address = failure, without_secrets(self._address)
            if failure:
                _log.warning("Purge of %s failed, retrying: %s", address, failure)
            else:
                _log.info("Purge of %s succeeds again.", address)

    def _wait(self) -> set[str] | None:
        """The names that are due; None: stopped."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                due = [each for at, each in self._due if at <= now]
                if due:
                    self._due = [(at, each) for at, each in self._due if at > now]
                    return set().union(*due)
                next_at = min((at for at, _ in self._due), default=None)
                self._changed.wait(None if next_at is None else next_at - now)
        return None

    def _purge(self, client: httpx.Client, names: list[str]) -> None:
        for first in range(0, len(names), NAMES_AT_ONCE_MAX):
            header = {"Surrogate-Key": "|".join(names[first : first + NAMES_AT_ONCE_MAX])}
            client.request("PURGE", self._address, headers=header).raise_for_status()
