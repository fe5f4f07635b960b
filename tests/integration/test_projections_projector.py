"""The projector and the rebuild on a real Kafka and a real Postgres."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from random import Random
from typing import Any, Protocol

import psycopg
import pytest
from confluent_kafka.admin import NewTopic
from tests.readers import a_reader

from entitlements.errors import LedgerIsCorrupt
from entitlements.ledger import clients
from entitlements.ledger.chain import HASH_HEADER
from entitlements.ledger.tail import LedgerFrame
from entitlements.settings import Settings
from entitlements_projections import locks, projector, reporting
from entitlements_projections.comparing import TABLES, compare
from entitlements_projections.database import Connection, connect
from entitlements_projections.errors import FrameCannotBeProjected, LockIsHeld
from entitlements_projections.migrations import migrate
from entitlements_projections.positions import read_offsets
from entitlements_projections.rebuild import Report, rebuild
from entitlements_projections.testing import (
    AT_MS,
    QUOTA,
    SyntheticLedger,
    pool_with_a_plan,
    random_history,
    usage_line,
    use,
    write,
)

PARTITIONS = 3


class Append(Protocol):
    def __call__(self, frames: Iterable[LedgerFrame], *, broken: bool = False) -> None: ...


@pytest.fixture
def settings(kafka: str, database: str, topic_prefix: str) -> Iterator[Settings]:
    settings = Settings(kafka=kafka, postgres=database, topic_prefix=topic_prefix, partitions=PARTITIONS)
    admin = clients.admin(settings)
    admin.create_topics([NewTopic(settings.topic("ledger"), PARTITIONS)])[settings.topic("ledger")].result(30)
    migrate(database)
    yield settings
    admin.delete_topics([settings.topic("ledger")])[settings.topic("ledger")].result(30)


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    with closing(connect(settings.postgres)) as connection:
        yield connection


@pytest.fixture
def append(settings: Settings) -> Append:
    """Writes frames to the ledger as an engine does; broken: the last byte of each is flipped on the way."""
    producer = clients.producer(settings)

    def append(frames: Iterable[LedgerFrame], *, broken: bool = False) -> None:
        placed: list[Any] = []
        expected = []
        for frame in frames:
            value = frame.value[:-1] + bytes([frame.value[-1] ^ 1]) if broken else frame.value
            producer.produce(
                settings.topic("ledger"),
                value,
                partition=frame.partition,
                headers=[(HASH_HEADER, hashlib.sha256(frame.value).digest())],
                on_delivery=lambda _, message: placed.append((message.partition(), message.offset())),
            )
            expected.append((frame.partition, frame.offset))
        producer.flush(30)
        assert sorted(placed) == sorted(expected)

    return append


@contextmanager
def projecting(settings: Settings) -> Iterator[threading.Thread]:
    stopping = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            projector.run(settings, stopping)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the test's thread.
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stopping.set()
        thread.join(30)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def until(condition: Callable[[], bool], within_for: float = 30.0) -> None:
    deadline = time.monotonic() + within_for
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def ends(ledger: SyntheticLedger) -> dict[int, int]:
    return {partition: frames[-1].offset for partition, frames in ledger.streams.items() if frames}


def different(report: Report) -> list[str]:
    return [table.table for table in report.tables if not table.equal]


def test_what_a_projector_keeps_equals_a_rebuild_although_its_connections_are_cut(
    settings: Settings, connection: Connection, append: Append
) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    random_history(ledger, Random(17), 450)
    frames = [frame for batch in ledger.interleaved(Random(1), 5) for frame in batch]
    cut = b"select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    with projecting(settings):
        for place in range(0, len(frames), 60):
            append(frames[place : place + 60])
            time.sleep(0.2)
            connection.execute(cut)
        until(lambda: read_offsets(connection) == ends(ledger))
    told: list[tuple[int, int]] = []
    report = rebuild(settings, progress=lambda done, total: told.append((done, total)), compare_only=True)
    assert (report.equal, report.swapped, different(report)) == (True, False, [])
    assert report.offsets == ends(ledger)
    assert {table for table in TABLES if not report.rows[table]} <= {"pool_ondemand_config"}
    assert told[0] == (0, len(frames))
    assert told[-1] == (len(frames), len(frames))
    assert told == sorted(told)
    schemas = b"select nspname from pg_namespace where nspname like 'entitlements%' order by 1"
    assert connection.execute(schemas).fetchall() == [("entitlements",), ("entitlements_reporting",)]


def test_tables_that_are_behind_the_ledger_are_no_match(
    settings: Settings, connection: Connection, append: Append
) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    pool_with_a_plan(ledger)
    append([frame for stream in ledger.streams.values() for frame in stream])
    empty = rebuild(settings, compare_only=True, catch_up_within_for=0.1)
    assert (empty.rows_match, empty.equal, different(empty)) == (True, False, [])
    assert [(each.partition, each.compared, each.frames) for each in empty.behind] == [
        (partition, 0, end + 1) for partition, end in sorted(ends(ledger).items())
    ]
    with projecting(settings):  # It is waited for.
        assert rebuild(settings, compare_only=True).equal


def test_a_projector_without_new_frames_notices_that_its_tables_were_lost(
    settings: Settings, connection: Connection, append: Append
) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    pool_with_a_plan(ledger)
    append([frame for stream in ledger.streams.values() for frame in stream])
    with projecting(settings):
        until(lambda: read_offsets(connection) == ends(ledger))
        connection.execute(b"drop schema entitlements cascade")
        migrate(settings.postgres)
        assert read_offsets(connection) == {}
        until(lambda: read_offsets(connection) == ends(ledger))
    assert rebuild(settings, compare_only=True).equal


def test_a_rebuild_names_what_differs_and_puts_it_right(
    settings: Settings, connection: Connection, append: Append
) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    random_history(ledger, Random(17), 450)
    frames = [frame for stream in ledger.streams.values() for frame in stream]
    append(frames)
    write(connection, frames)
    connection.execute(b"update resource_pools set name = 'Forged' where pool_id = 'pool-1'")
    connection.execute(b"delete from grants where grant_id = (select min(grant_id) from grants)")

    checked = rebuild(settings, compare_only=True)
    assert different(checked) == ["resource_pools", "grants"]
    pools = next(table for table in checked.tables if table.table == "resource_pools")
    assert (pools.only_live, pools.only_rebuilt) == (1, 1)
    assert (pools.live_samples[0]["name"], pools.rebuilt_samples[0]["name"]) == ("Forged", "Pool-1")

    assert different(rebuild(settings)) == ["resource_pools", "grants"]
    assert rebuild(settings, compare_only=True).equal


def test_views_of_analysts_and_views_on_them_read_the_rebuilt_tables_even_after_a_crash_in_between(
    settings: Settings, connection: Connection, append: Append, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    random_history(ledger, Random(17), 150)
    frames = [frame for stream in ledger.streams.values() for frame in stream]
    append(frames)
    write(connection, frames)
    reporting.install(settings.postgres)
    connection.execute(
        b"create view public.mine as select distinct pool_id, pool_name from entitlements_reporting.pool_entitlements"
    )
    mine = b"select * from public.mine order by 1"
    before = connection.execute(mine).fetchall()
    connection.execute(b"update resource_pools set name = 'Forged'")

    installs: list[None] = []

    def crashing(conninfo: str) -> list[str]:
        installs.append(None)
        if len(installs) == 2:
            raise KeyboardInterrupt  # Swapped, and not renewed yet.
        return install(conninfo)

    install = reporting.install
    monkeypatch.setattr(reporting, "install", crashing)
    with pytest.raises(KeyboardInterrupt):
        rebuild(settings)
    assert connection.execute(mine).fetchall() != before, "the view still reads the tables that were swapped out"
    assert rebuild(settings).swapped
    assert len(installs) == 4
    assert connection.execute(mine).fetchall() == before
    connection.execute(b"set role entitlements_reader")
    assert connection.execute(b"select count(*) > 0 from entitlements.pool_provisions").fetchone() == (True,)
    assert connection.execute(b"select count(*) > 0 from entitlements_reporting.customer_entitlements").fetchone() == (
        True,
    )


def test_readers_with_open_transactions_and_advisory_locks_hold_up_no_rebuild_but_the_renewal_of_views(
    settings: Settings, connection: Connection, append: Append, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    random_history(ledger, Random(17), 150)
    frames = [frame for stream in ledger.streams.values() for frame in stream]
    append(frames[:100])
    write(connection, frames[:100])
    reporting.install(settings.postgres)
    monkeypatch.setattr(locks, "GIVE_UP_AFTER_FOR", 0.6)
    with a_reader(settings.postgres) as ana, closing(psycopg.connect(ana)) as reader, projecting(settings):
        for lock in ("projections:entitlements", "rebuild", "reporting", "migrations"):
            reader.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (f"entitlements.{lock}",))
        reader.execute("select count(*) from entitlements_reporting.customer_entitlements")
        assert rebuild(settings, compare_only=True).equal
        with pytest.raises(LockIsHeld, match=f"The new tables are live, .* held by {reader.info.user}"):
            rebuild(settings)
        append(frames[100:])
        until(lambda: read_offsets(connection) == ends(ledger))
        reader.rollback()
        assert rebuild(settings).equal
    assert connection.execute(b"select to_regnamespace('entitlements_retired')").fetchone() == (None,)


def test_rebuilds_at_once_take_turns(settings: Settings, connection: Connection, append: Append) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    random_history(ledger, Random(17), 150)
    frames = [frame for stream in ledger.streams.values() for frame in stream]
    append(frames)
    write(connection, frames)
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda _: rebuild(settings), range(3)))
    assert all(report.equal and report.swapped for report in reports)
    schemas = b"select nspname from pg_namespace where nspname like 'entitlements%' order by 1"
    assert connection.execute(schemas).fetchall() == [("entitlements",), ("entitlements_reporting",)]


def test_a_projector_goes_on_in_rebuilt_tables_that_were_swapped_in_under_it(
    settings: Settings, connection: Connection, append: Append
) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    random_history(ledger, Random(17), 450)
    frames = [frame for batch in ledger.interleaved(Random(2), 5) for frame in batch]
    stopping = threading.Event()

    def keep_writing() -> None:
        for frame in frames[100:]:
            append([frame])
            stopping.wait(0.01)

    append(frames[:100])
    with projecting(settings):
        writer = threading.Thread(target=keep_writing)
        writer.start()
        reports = [rebuild(settings) for _ in range(3)]
        stopping.set()
        writer.join()
        until(lambda: read_offsets(connection) == ends(ledger))
    assert [(report.swapped, different(report)) for report in reports] == [(True, [])] * 3
    assert rebuild(settings, compare_only=True).equal


def test_lost_tables_are_rebuilt_from_the_ledger_alone(
    settings: Settings, connection: Connection, append: Append
) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    random_history(ledger, Random(17), 450)
    frames = [frame for stream in ledger.streams.values() for frame in stream]
    append(frames)
    connection.execute(b"drop schema entitlements cascade")
    assert rebuild(settings).swapped
    migrate(settings.postgres, "reference")
    with closing(connect(settings.postgres, "reference")) as reference:
        write(reference, frames)
    assert [table for table in compare(connection, "entitlements", "reference") if not table.equal] == []
    assert read_offsets(connection) == ends(ledger)


def test_two_projectors_share_the_partitions_and_one_takes_over(
    settings: Settings, connection: Connection, append: Append
) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    random_history(ledger, Random(17), 450)
    frames = [frame for batch in ledger.interleaved(Random(3), 5) for frame in batch]
    third = len(frames) // 3
    with projecting(settings):
        append(frames[:third])
        with projecting(settings):
            append(frames[third : 2 * third])
            time.sleep(1)
        append(frames[2 * third :])
        until(lambda: read_offsets(connection) == ends(ledger))
    assert rebuild(settings, compare_only=True).equal


def test_a_flipped_byte_in_the_ledger_stops_the_projector_and_names_the_frame(
    settings: Settings, connection: Connection, append: Append
) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    pool_with_a_plan(ledger)
    (frame,) = ledger.ask(AT_MS + 1, use("pool", usage_line(QUOTA)))
    append(ledger.streams[frame.partition][:-1])
    append([frame], broken=True)
    with (
        pytest.raises(LedgerIsCorrupt, match=f"Frame {frame.offset} of partition {frame.partition}"),
        projecting(settings) as thread,
    ):
        thread.join(30)
    assert read_offsets(connection).get(frame.partition, -1) < frame.offset


def test_a_projector_waits_for_tables_that_are_not_made_yet(settings: Settings, append: Append) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    pool_with_a_plan(ledger)
    append([frame for stream in ledger.streams.values() for frame in stream])
    with psycopg.connect(settings.postgres, autocommit=True) as admin:
        admin.execute("drop schema entitlements cascade")
    with projecting(settings):
        time.sleep(0.5)
        migrate(settings.postgres)
        with closing(connect(settings.postgres)) as connection:
            until(lambda: read_offsets(connection) == ends(ledger))


def test_a_projector_stops_when_the_database_refuses_what_the_ledger_says(
    settings: Settings, connection: Connection, append: Append
) -> None:
    ledger = SyntheticLedger(PARTITIONS)
    pool_with_a_plan(ledger)
    append([frame for stream in ledger.streams.values() for frame in stream])
    connection.execute(b"alter table resource_pools add constraint no_pools check (name <> 'Pool')")
    with pytest.raises(FrameCannotBeProjected, match="no_pools"), projecting(settings) as thread:
        thread.join(30)
    assert read_offsets(connection) == {}
