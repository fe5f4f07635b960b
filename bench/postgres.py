"""The honest rival: a quota is a row, usage a conditional UPDATE, and the event an INSERT in the same transaction.

It gets what it needs to be fast: one statement and so one round trip a transaction, prepared; rows with room for updates in
place; the number of workers that is best of several, each a process of its own. fsync and synchronous_commit are on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import psycopg

from bench.place import Place
from bench.workers import Prepare, Step, best

#: More workers share an fsync, until they stand in each other's way: the sooner, the more rows each holds.
WORKERS: Final = (4, 8, 16, 32)
WORKERS_IN_THE_WAY: Final = (2, 4, 8)
ROWS: Final = 10_000
LINES_A_BATCH: Final = 100

TABLES: Final = """
drop schema if exists rival cascade;
create schema rival;
create table rival.quota (id integer primary key, consumed bigint not null, lim bigint not null) with (fillfactor = 50);
create table rival.usage_events (
    id bigint generated always as identity primary key,
    quota_id integer not null,
    quantity bigint not null,
    occurred_at timestamptz not null default now()
);
insert into rival.quota select n, 0, 2^50 from generate_series(0, 9999) n;
"""
SINGLE: Final = """
with counted as (
    update rival.quota set consumed = consumed + %(q)s where id = %(id)s and consumed + %(q)s <= lim returning id
)
insert into rival.usage_events (quota_id, quantity) select id, %(q)s from counted
"""
#: Rows are locked in their order first: two batches never wait in a circle.
BATCHED: Final = """
with lines as (
    select * from unnest(%(id)s::integer[], %(q)s::bigint[]) as line (id, q)
), locked as materialized (
    select quota.id, line.q from rival.quota join lines as line using (id) order by quota.id for update of quota
), counted as (
    update rival.quota set consumed = consumed + locked.q from locked
    where quota.id = locked.id and consumed + locked.q <= lim returning quota.id, locked.q
)
insert into rival.usage_events (quota_id, quantity) select id, q from counted
"""


def single(place: Place) -> dict[str, float]:
    """One line a transaction over 10,000 rows."""
    return {"postgres_update_per_s": _best(place, "postgres_update_per_s", WORKERS, ROWS, 1)}


def hot(place: Place) -> dict[str, float]:
    """One line a transaction, all on one row."""
    return {"postgres_update_per_s_hot_row": _best(place, "postgres_update_per_s_hot_row", WORKERS_IN_THE_WAY, 1, 1)}


def batched(place: Place) -> dict[str, float]:
    """100 lines of 100 rows in one statement."""
    return {
        "postgres_update_per_s_batched": _best(
            place, "postgres_update_per_s_batched", WORKERS_IN_THE_WAY, ROWS, LINES_A_BATCH
        )
    }


def _best(place: Place, figure: str, numbers: tuple[int, ...], rows: int, lines: int) -> float:
    with psycopg.connect(place.stack.postgres, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"show {setting}").fetchone() == ("on",), f"{setting} is to be on"

        def begin(_: int) -> Prepare:
            _check(connection)
            connection.execute(TABLES)
            connection.execute("vacuum analyze rival.quota")
            connection.execute("checkpoint")
            return partial(_worker, place.stack.postgres, rows, lines)

        connection.execute(TABLES)
        found = best(place, figure, numbers, begin)
        _check(connection)
        connection.execute("drop schema rival cascade")
    return found


@contextmanager
def _worker(url: str, rows: int, lines: int, number: int) -> Iterator[Step]:
    chance = random.Random(number)
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:

        def one() -> int:
            line = {"id": chance.randrange(rows), "q": chance.randint(1, 9)}
            return cursor.execute(SINGLE, line, prepare=True).rowcount

        def many() -> int:
            quantities = [chance.randint(1, 9) for _ in range(lines)]
            batch = {"id": chance.sample(range(rows), lines), "q": quantities}
            return cursor.execute(BATCHED, batch, prepare=True).rowcount

        step = one if lines == 1 else many
        step()  # Prepares the statement.
        yield step


def _check(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    consumed = connection.execute("select sum(consumed) from rival.quota").fetchone()
    recorded = connection.execute("select coalesce(sum(quantity), 0) from rival.usage_events").fetchone()
    assert consumed == recorded, f"rows say {consumed}, events {recorded}"
