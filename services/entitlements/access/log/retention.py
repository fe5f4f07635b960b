"""Days come and go: partitions are made ahead, dropped when nothing in them is kept any more, and thinned in between."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from entitlements.access.log import tables
from entitlements.access.log.rules import LogRules
from entitlements_projections.database import Connection

#: Seconds between two looks, until the next one when a day could not be dropped, and rows deleted in one statement: a delete never holds a reader or a keeper up for long.
LOOK_EVERY_FOR: Final = 3_600.0
TRY_AGAIN_AFTER_FOR: Final = 60.0
ROWS_MAX: Final = 5_000


class Retention:
    """Keeps the days of the access log by its rules. Knows what it has done: a day is looked through once for each age that matters."""

    def __init__(self, rules: LogRules) -> None:
        self._rules = rules
        #: (day, for how many days its longest-kept keys that are over were kept).
        self._thinned: set[tuple[date, int]] = set()
        #: Whether a day that is over is still there, because somebody's open transaction has read the log.
        self.is_held_up = False

    def keep(self, connection: Connection, today: date | None = None) -> int:
        """Make today's and tomorrow's partition, drop days that are over, delete what is not kept so long; rows deleted.

        A day is over when it has ended as long ago as its keys are kept. Repeats do nothing; an interruption is gone on with.
        A day that cannot be dropped yet makes it held up.
        """
        today = today or datetime.now(UTC).date()
        tables.create_days(connection, (today, today + timedelta(days=1)))
        deleted = 0
        self.is_held_up = False
        for day in tables.leaving(connection):
            self.is_held_up |= not tables.drop_day(connection, day)
        for day in tables.days(connection):
            age_days = (today - day).days
            over = [kept for kept in self._rules.kept_for_days if kept < age_days]
            if len(over) == len(self._rules.kept_for_days):
                self.is_held_up |= not tables.drop_day(connection, day)
            elif over and (day, max(over)) not in self._thinned:
                deleted += self._thin(connection, day, age_days)
                self._thinned.add((day, max(over)))
        return deleted

    def _thin(self, connection: Connection, day: date, age_days: int) -> int:
        """Delete the keys of a day that are not kept so long."""
        bounds = tables.bounds_of(day)
        keys = [row[0] for row in connection.execute(tables.statement("keys_of_day"), bounds).fetchall()]
        over = [key for key in keys if self._rules.of(key).keep_for_days < age_days]
        parameters = bounds | {"resource_keys": over, "at_most": ROWS_MAX}
        deleted = rows = 0
        while over and (deleted == 0 or rows == ROWS_MAX):
            rows = connection.execute(tables.statement("expire"), parameters).rowcount
            deleted += rows
            if rows == 0:
                break
        return deleted
