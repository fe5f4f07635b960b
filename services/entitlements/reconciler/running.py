"""Runs the rollouts: round after round, until nothing is behind; then it looks again every second."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Final

import psycopg

from entitlements.errors import OutcomeUnknown, ServerIsAway
from entitlements.ledger.caller import Caller, Outcome
from entitlements.reconciler.wanted import ROLLOUTS, Rollout, Source
from entitlements.settings import Settings
from entitlements_projections import reading
from entitlements_projections.database import Connection, connect
from entitlements_projections.errors import NotReachedYet

#: Rows of one page: so many commands are under way at once.
PAGE: Final = 500
LOOK_EVERY_FOR: Final = 1.0
#: Seconds to wait for the read models to show what was decided.
VISIBLE_WITHIN_FOR: Final = 10.0
#: Seconds before a pool that refused is asked again: doubled from the first to the last.
REFUSED_FOR_MIN: Final = 5.0
REFUSED_FOR_MAX: Final = 600.0

_log = logging.getLogger(__name__)
#: A rollout's query, and the place of a row in it.
_Place = tuple[str, tuple[str, str]]


def run(settings: Settings, stopping: threading.Event) -> None:
    """Run until stopping is set. Raises ServerIsAway, KafkaException: then it is to be run again."""
    try:
        with connect(settings.postgres) as connection, Caller(settings) as caller:
            rounds = Rounds(connection, caller)
            while not stopping.is_set():
                if not rounds.go(stopping):
                    stopping.wait(LOOK_EVERY_FOR)
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable) as error:
        raise ServerIsAway(f"Postgres, or its tables: {error}") from error


@dataclass(slots=True)
class _Refusal:
    until: float
    pause_for: float


@dataclass
class Rounds:
    """Sends what is behind, and waits until it is not any more."""

    connection: Connection
    caller: Caller
    page: int = PAGE
    _refused: dict[_Place, _Refusal] = field(default_factory=dict)
    _reached: dict[int, int] = field(default_factory=dict)

    def go(self, stopping: threading.Event) -> int:
        """One round of every rollout; how many commands were accepted."""
        accepted, source = 0, Source(self.connection)
        for rollout in ROLLOUTS:
            after = ("", "")
            while not stopping.is_set():
                rows = rollout.page(self.connection, after, self.page)
                accepted += self._ask(rollout, source, rows)
                if len(rows) < self.page:
                    break
                after = rows[-1][0]
        self._wait_until_visible()
        return accepted

    def _ask(self, rollout: Rollout, source: Source, rows: list[tuple[tuple[str, str], dict[str, object]]]) -> int:
        now = time.monotonic()
        asked = []
        for place, row in rows:
            refused = self._refused.get((rollout.query, place))
            if refused is None or refused.until <= now:
                command = rollout.ask(source, row)
                if command is not None:
                    asked.append((place, command, self.caller.send(command)))
        accepted = 0
        for place, command, future in asked:
            try:
                outcome = self.caller.wait(command, future)
            except OutcomeUnknown:
                continue  # The next round sees what became of it.
            accepted += self._note(rollout, place, outcome)
        if accepted:
            _log.info("%s: updated %d", rollout.name, accepted)
        return accepted

    def _note(self, rollout: Rollout, place: tuple[str, str], outcome: Outcome) -> int:
        if outcome.is_accepted:
            self._refused.pop((rollout.query, place), None)
            self._reached[outcome.partition] = max(outcome.frame_offset, self._reached.get(outcome.partition, -1))
            return 1
        known = self._refused.get((rollout.query, place))
        pause_for = REFUSED_FOR_MIN if known is None else min(2 * known.pause_for, REFUSED_FOR_MAX)
        self._refused[rollout.query, place] = _Refusal(time.monotonic() + pause_for, pause_for)
        if known is None:
            _log.warning("%s: %s of pool %s was refused: %s", rollout.name, place[1], place[0], outcome.message)
        return 0

    def _wait_until_visible(self) -> None:
        """Else the next round would send the same again: harmless, and useless."""
        try:
            reading.wait_for_all(self.connection, self._reached, VISIBLE_WITHIN_FOR)
        except NotReachedYet as error:
            _log.warning("The read models are behind: %s", error)
        self._reached.clear()
