"""The other rival: the `eventsourcing` library as it is meant, on Postgres, doing the same work.

An aggregate is a quota; using it checks the limit and triggers an event; every line is saved by itself. It gets what it
needs to be fast: each worker, a process of its own, has aggregates of its own and keeps them in the repository's cache,
uncopied, so that nothing is read back and nobody conflicts; the number of workers is the best of several.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from psycopg.conninfo import conninfo_to_dict

from bench.place import Place
from bench.workers import Prepare, Step, best

WORKERS: Final = (1, 2, 4, 8)
AGGREGATES: Final = 10_000
OPENED_AT_ONCE: Final = 500


class LimitExceeded(Exception):
    """The quota does not allow it."""


class Quota(Aggregate):
    """What may be used, and what was."""

    @event("Opened")
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.consumed = 0

    def use(self, quantity: int) -> None:
        """Use some of it."""
        if self.consumed + quantity > self.limit:
            raise LimitExceeded
        self._used(quantity)

    @event("Used")
    def _used(self, quantity: int) -> None:
        self.consumed += quantity


class Quotas(Application):
    """Opens quotas and records usage."""

    def open(self, count: int) -> list[UUID]:
        """Open many."""
        quotas = [Quota(limit=2**50) for _ in range(count)]
        for at in range(0, count, OPENED_AT_ONCE):
            self.save(*quotas[at : at + OPENED_AT_ONCE])
        return [quota.id for quota in quotas]

    def use(self, quota_id: UUID, quantity: int) -> None:
        """Record one line of strict usage."""
        quota: Quota = self.repository.get(quota_id)
        quota.use(quantity)
        self.save(quota)


def measure(place: Place) -> dict[str, float]:
    """Lines per second at the best number of workers."""
    environment = _environment(place.stack.postgres)

    def begin(workers: int) -> Prepare:
        with psycopg.connect(place.stack.postgres, autocommit=True) as connection:
            connection.execute("drop schema if exists eventsourcing_rival cascade")
            connection.execute("create schema eventsourcing_rival")
            Quotas(env=environment).close()  # Makes the tables, once.
            connection.execute("checkpoint")
        return partial(_worker, environment | {"CREATE_TABLE": "n"}, AGGREGATES // workers)

    return {"eventsourcing_per_s": best(place, "eventsourcing_per_s", WORKERS, begin)}


def _environment(url: str) -> dict[str, str]:
    server: dict[str, Any] = conninfo_to_dict(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": server["dbname"],
        "POSTGRES_HOST": server["host"],
        "POSTGRES_PORT": str(server["port"]),
        "POSTGRES_USER": server["user"],
        "POSTGRES_PASSWORD": server.get("password", "none"),
        "POSTGRES_SCHEMA": "eventsourcing_rival",
        "AGGREGATE_CACHE_MAXSIZE": str(AGGREGATES),
        "AGGREGATE_CACHE_FASTFORWARD": "n",
        "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",
    }


@contextmanager
def _worker(environment: dict[str, str], aggregates: int, number: int) -> Iterator[Step]:
    chance, quotas = random.Random(number), Quotas(env=environment)
    ids = quotas.open(aggregates)

    def step() -> int:
        quotas.use(chance.choice(ids), chance.randint(1, 9))
        return 1

    yield step
    quotas.close()
