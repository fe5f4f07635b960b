"""Days come and go: partitions are made ahead, dropped when nothing in them is kept any more, and thinned in between."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from entitlements.access.log import tables
from entitlements.access.log.rules import LogRules
from entitlements_projections.database import Connection

#: Seconds between two looks, and rows deleted in one statement: a delete never holds a reader or a keeper up for long.
LOOK_EVERY_FOR: Final = 3_600.0
ROWS_MAX: Final = 5_000


def keep_days(connection: Connection, rules: LogRules, today: date | None = None) -> int:
    """Make today's and tomorrow's partition, drop days that are over, delete what is not kept so long; rows deleted.

    A day is over when it has ended as long ago as its keys are kept. Repeats do nothing; an interruption is gone on with.
    """
    today = today or datetime.now(UTC).date()
    tables.create_days(connection, (today, today + timedelta(days=1)))
    deleted = 0
    for day in tables.days(connection):
        age_days = (today - day).days
        if age_days > rules.keep_for_days_max:
            tables.drop_day(connection, day)
        elif age_days > 0:
            deleted += _thin(connection, rules, day, age_days)
    return deleted


def _thin(connection: Connection, rules: LogRules, day: date, age_days: int) -> int:
    """Delete the keys of a day that are not kept so long."""
    bounds = tables.bounds_of(day)
    keys = [row[0] for row in connection.execute(tables.statement("keys_of_day"), bounds).fetchall()]
    over = [key for key in keys if rules.of(key).keep_for_days < age_days]
    deleted = 0
    while over:
        rows = connection.execute(
            tables.statement("expire"), bounds | {"resource_keys": over, "at_most": ROWS_MAX}
        ).rowcount
        deleted += rows
        if rows < ROWS_MAX:
            break
    return deleted
