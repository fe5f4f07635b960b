"""Reads from real streaming replicas: only from those that are fresh enough and have what is asked for; a dead one is passed by."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.caching_places import views_at

from entitlements.access.caching.floors import Concerned, Floors
from entitlements.access.caching.replicated import Replicated
from entitlements.local.postgres import LocalPostgres, LocalReplica
from entitlements_projections.database import connect
from entitlements_projections.migrations import migrate
from entitlements_projections.replicas import LOOK_EVERY_FOR, TRY_AGAIN_AFTER_FOR, Replicas
from entitlements_projections.testing import (
    AT_MS,
    FEATURE,
    QUOTA,
    SyntheticLedger,
    pool_with_a_plan,
    usage_line,
    use,
    write,
)

LAG_FOR = 0.6


class Installation:
    """A primary that a ledger is projected into, and two replicas."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.primary = stack.enter_context(LocalPostgres(folder / "primary", fast=True, replicated=True))
        migrate(self.primary.url)
        names = ("one", "two")
        self.replicas = [
            stack.enter_context(LocalReplica(folder / name, self.primary.url, fast=True)) for name in names
        ]
        self.urls = [replica.url for replica in self.replicas]
        self.watched = stack.enter_context(Replicas(self.primary.url, self.urls, lag_max_for=LAG_FOR))
        self.floors = Floors()
        of_replicas = {url: views_at(url, stack) for url in self.urls}
        self.source = Replicated(views_at(self.primary.url, stack), of_replicas, self.watched, floors=self.floors)
        self.ledger = SyntheticLedger(partitions=1)
        pool_with_a_plan(self.ledger)
        self.project(0)

    def project(self, first: int) -> int:
        """Write the frames from an offset on; the offset of the last one."""
        frames = self.ledger.streams[0][first:]
        with closing(connect(self.primary.url)) as connection:
            write(connection, frames)
        return frames[-1].offset

    def happens(self) -> int:
        """A call is used; the offset of its frame."""
        first = len(self.ledger.streams[0])
        self.ledger.ask(AT_MS + first, use("pool", usage_line(QUOTA)))
        return self.project(first)

    def waits_until(self, holds: Callable[[], bool], within_for: float = 10.0) -> None:
        until = time.monotonic() + within_for
        while not holds():
            assert time.monotonic() < until, self.watched.lags()
            time.sleep(0.02)

    def both_have_everything(self) -> bool:
        return set(self.watched.fresh({0: len(self.ledger.streams[0]) - 1})) == set(self.urls)

    def asks(self, at_least: int | None = None) -> tuple[int, str]:
        """The position of the answer and who gave it."""
        before = self.source.counts.hits
        document = json.loads(self.source.load("acme", ["ws"], None if at_least is None else {0: at_least})["ws"])
        assert document["entitlements"][FEATURE]["allowed"]
        by = "replica" if self.source.counts.hits > before else "primary"
        return int(document["as_of"]["position"].removeprefix("0:")), by


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with ExitStack() as stack:
        yield Installation(tmp_path_factory.mktemp("replicas"), stack)


@pytest.fixture(autouse=True)
def well(installation: Installation) -> None:
    installation.waits_until(installation.both_have_everything)


def paused(installation: Installation, number: int, *, pause: bool) -> None:
    with closing(connect(installation.urls[number])) as connection:
        connection.execute("select pg_wal_replay_pause()" if pause else "select pg_wal_replay_resume()")


def test_replicas_take_turns_and_the_primary_rests(installation: Installation) -> None:
    asked = [installation.watched.fresh()[0] for _ in range(4)]
    assert set(asked) == set(installation.urls)
    assert {installation.asks()[1] for _ in range(4)} == {"replica"}


def test_an_idle_installation_has_replicas_that_are_fresh(installation: Installation) -> None:
    time.sleep(LAG_FOR + 0.3)
    assert installation.both_have_everything()
    assert max(installation.watched.lags().values()) <= 2 * LOOK_EVERY_FOR + 0.1


def test_a_replica_that_falls_behind_is_passed_by_until_it_has_caught_up(installation: Installation) -> None:
    paused(installation, 0, pause=True)
    try:
        installation.happens()
        installation.waits_until(lambda: installation.watched.fresh() == [installation.urls[1]])
        assert installation.watched.lags()[installation.urls[0]] > LAG_FOR
    finally:
        paused(installation, 0, pause=False)
    installation.waits_until(installation.both_have_everything)


def test_no_answer_is_older_than_the_lag_that_is_allowed(installation: Installation) -> None:
    for number in (0, 1):
        paused(installation, number, pause=True)
    try:
        reached = installation.happens()
        happened_at = time.monotonic()
        installation.waits_until(lambda: installation.asks()[0] >= reached)
        assert time.monotonic() - happened_at <= LAG_FOR + 0.5
        assert installation.asks() == (reached, "primary")
    finally:
        for number in (0, 1):
            paused(installation, number, pause=False)


def test_a_position_is_asked_of_a_replica_that_has_it_or_else_of_the_primary(installation: Installation) -> None:
    for number in (0, 1):
        paused(installation, number, pause=True)
    try:
        reached = installation.happens()
        assert installation.asks(at_least=reached) == (reached, "primary")
    finally:
        for number in (0, 1):
            paused(installation, number, pause=False)
    installation.waits_until(lambda: installation.asks(at_least=reached) == (reached, "replica"))


def test_a_replica_without_what_is_known_about_a_customer_is_not_asked_for_it(installation: Installation) -> None:
    for number in (0, 1):
        paused(installation, number, pause=True)
    try:
        reached = installation.happens()
        installation.floors.rise(0, reached, Concerned(customers=frozenset({("acme", "ws")})))
        assert installation.asks() == (reached, "primary")
    finally:
        for number in (0, 1):
            paused(installation, number, pause=False)


def test_replicas_that_die_are_passed_by_without_an_error_and_tried_again(installation: Installation) -> None:
    for replica in installation.replicas:
        replica.kill()
    try:
        for _ in range(20):
            installation.asks()
        assert installation.asks()[1] == "primary"
        assert installation.watched.fresh() == []
    finally:
        for replica in installation.replicas:
            replica.restart()
    installation.waits_until(installation.both_have_everything, TRY_AGAIN_AFTER_FOR + 20)
    installation.waits_until(lambda: installation.asks()[1] == "replica")


def test_without_a_primary_replicas_answer_no_longer_than_their_bound(installation: Installation) -> None:
    """What the primary has is not known any more, so nothing may be said about how far behind they are."""
    installation.primary.kill()
    try:
        assert installation.watched.fresh()
        installation.waits_until(lambda: not installation.watched.fresh(), LAG_FOR + 1)
    finally:
        installation.primary.restart()
    installation.waits_until(installation.both_have_everything, 30)
