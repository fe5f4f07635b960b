"""The access log on a real Kafka and a real Postgres: written, kept exactly once, read, and dropped."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer, TopicPartition

from entitlements.access.log import keeper, reading, reporting, tables, writer
from entitlements.access.log.entries import ACCESS_DECIDED, Entry
from entitlements.access.log.retention import Retention
from entitlements.access.log.rules import LogRules
from entitlements.access.log.writer import AccessLog
from entitlements.errors import InvalidRequest, RequestError, ServerIsAway
from entitlements.ledger import clients
from entitlements.ledger.topics import create_topics
from entitlements.operations.metrics import ACCESS_DROPPED
from entitlements.settings import Settings
from entitlements_projections.database import Connection
from entitlements_projections.migrations import migrate
from entitlements_projections.reading.listing import LIMIT_MAX
from entitlements_projections.rebuild import rebuild
from entitlements_schemas import Wire

PARTITIONS = 3
WIRE = Wire()


@dataclass
class Who:
    organization_id: str = "acme"
    key_id: str = "k1234567"
    key_organization_id: str = "operator"


@dataclass
class AsOf:
    position: str = "0:12,1:44"
    lag_ms: int = 7


@dataclass
class Asked:
    subject_id: str = "alice"
    action: str = "read"
    context: Any = None


@dataclass
class Decided:
    """A decision, as the deciding package's is."""

    allowed: bool = True
    reason_code: str = "allowed"
    customer_id: str = "ws"
    resource_key: str = "api_calls"
    quantity: int | None = 3
    entitlement_type: str | None = "quota"
    policy_version: int = 4
    source: str = "SERVICE"
    as_of: AsOf = field(default_factory=AsOf)
    decided_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    decision_id: str = field(default_factory=lambda: uuid4().hex)


CONTEXT = {
    "request_id": "r-1",
    "client": {"ip_address": "192.0.2.7", "user_agent": "curl/8"},
    "resource": {"type": "document", "id": "17"},
}


@pytest.fixture
def settings(kafka: str, database: str, topic_prefix: str) -> Settings:
    settings = Settings(
        kafka=kafka, postgres=database, topic_prefix=topic_prefix, partitions=PARTITIONS, session_timeout_for=1.0
    )
    create_topics(settings)
    tables.migrate(database)
    return settings


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    tables.migrate(database)
    with closing(tables.open_tables(database)) as connection:
        yield connection


@contextmanager
def keeping(settings: Settings) -> Iterator[None]:
    stopping = threading.Event()
    thread = threading.Thread(target=keeper.run, args=(settings, stopping))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(30)
        assert not thread.is_alive()


def eventually(holds: Callable[[], bool], within: float = 30.0) -> None:
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.05)


def count(connection: Connection) -> int:
    (rows,) = connection.execute("select count(*) from access_log").fetchone() or (0,)
    return int(rows)


def entry(**changes: Any) -> Entry:
    made: Entry = {
        "decision_id": uuid4().hex,
        "occurred_at": time.time_ns() // 1_000_000,
        "organization_id": "acme",
        "customer_id": "ws",
        "resource_key": "api_calls",
        "result": "allowed",
        "reason": "allowed",
        "source": "LOCAL",
    }
    empty = ("entitlement_type", "subject_id", "action", "request_id", "ip_address", "user_agent", "resource_type")
    more = {"quantity": None, "resource_id": "", "policy_version": 0, "as_of": "", "lag_ms": None, "count": 1}
    return dict.fromkeys(empty, "") | more | {"asked_by": "k", "asked_by_organization": "acme"} | made | changes


def produce(settings: Settings, values: list[bytes | None], producer: Producer | None = None) -> None:
    producer = producer or clients.producer(settings)
    for number, value in enumerate(values):
        producer.produce(settings.topic("access-log"), value, partition=number % PARTITIONS)
    assert producer.flush(30) == 0


def test_a_decision_arrives_with_every_field_it_had(settings: Settings, connection: Connection) -> None:
    decided = Decided(allowed=False, reason_code="quota_exceeded")
    with closing(AccessLog(settings)) as log:
        log.decided(Who(), Asked(context=CONTEXT), decided)
    with keeping(settings):
        eventually(lambda: count(connection) == 1)
    (shown,) = reading.page(connection, "acme")["items"]
    assert shown == {
        "occurred_at": decided.decided_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request_id": "r-1",
        "customer_id": "ws",
        "resource_key": "api_calls",
        "entitlement_type": "quota",
        "quantity": 3,
        "subject_id": "alice",
        "action": "read",
        "result": "denied",
        "reason": "quota_exceeded",
        "context": {
            "ip_address": "192.0.2.7",
            "user_agent": "curl/8",
            "resource": {"type": "document", "id": "17"},
        },
        "decision_id": decided.decision_id,
        "policy_version": 4,
        "as_of": {"position": "0:12,1:44", "lag_ms": 7},
        "source": "SERVICE",
        "count": 1,
        "asked_by": "k1234567",
        "asked_by_organization": "operator",
    }


def test_a_report_that_is_sent_twice_is_kept_once_and_a_bad_one_is_told(
    settings: Settings, connection: Connection
) -> None:
    told = [
        {
            "decision_id": f"d{number}",
            "allowed": True,
            "reason_code": "allowed",
            "customer_id": "ws",
            "resource_key": "api_calls",
            "decided_at": datetime.now(UTC).isoformat(),
            "source": "LOCAL",
        }
        for number in range(10)
    ]
    told.insert(3, {"decision_id": "bad"})
    with closing(AccessLog(settings)) as log:
        answers = [reporting.accept(log, Who(), told) for _ in range(2)]
        reporting.accept(log, Who("other"), told[:1])  # The same ids of another organization are others.
    assert answers[0] == answers[1]
    assert (answers[0]["accepted"], [refused["index"] for refused in answers[0]["refused"]]) == (10, [3])
    with keeping(settings):
        eventually(lambda: count(connection) == 11)
        time.sleep(0.3)
    assert count(connection) == 11


def test_too_many_reports_at_once_are_refused(settings: Settings) -> None:
    with closing(AccessLog(settings)) as log, pytest.raises(InvalidRequest):
        reporting.accept(log, Who(), [None] * (reporting.REPORTED_MAX + 1))


def test_without_a_broker_no_decision_waits_or_fails_and_what_is_missing_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "QUEUED_MAX", 1_000)
    monkeypatch.setattr(writer, "CLOSE_WITHIN_FOR", 0.5)
    before = dropped()
    log = AccessLog(Settings(kafka="127.0.0.1:1"))
    asked, decided, slowest = Asked(), Decided(), 0.0
    monkeypatch.setattr(writer, "SLICE", 1)
    for _ in range(20_000):
        began = time.perf_counter()
        log.decided(Who(), asked, decided)
        slowest = max(slowest, time.perf_counter() - began)
    began = time.perf_counter()
    with pytest.raises(ServerIsAway) as full:  # An answer of 503: the client keeps them, and sends them again.
        reporting.accept(log, Who(), [None] * 1_001)
    assert full.value.code == "server_is_away"
    log.close()
    assert time.perf_counter() - began < 5
    assert slowest < 1.0  # Another thread may have had its turn; nobody waited for the broker's 30 seconds.
    assert dropped() - before == 20_000


def dropped() -> float:
    return sum(sample.value for metric in ACCESS_DROPPED.collect() for sample in metric.samples)


class Strange(Decided):
    """A decision that cannot be read."""

    @property
    def resource_key(self) -> str:  # type: ignore[override]
        raise AttributeError("nobody knows")

    @resource_key.setter
    def resource_key(self, _: str) -> None:
        pass


def test_a_decision_that_cannot_be_written_costs_no_other_one(settings: Settings, connection: Connection) -> None:
    with closing(AccessLog(settings)) as log:
        log.decided(Who(), Asked(), Strange())
        log.decided(Who(), Asked(), Decided(customer_id=7))  # type: ignore[arg-type]
        log.decided(Who(), Asked(context={"client": {"user_agent": "\0\udcff"}}), Decided())
    with keeping(settings):
        eventually(lambda: count(connection) == 1)


def test_what_cannot_be_read_is_put_into_quarantine_and_the_rest_is_kept(
    settings: Settings, connection: Connection
) -> None:
    good = [WIRE.encode_plain(ACCESS_DECIDED, entry()) for _ in range(30)]
    tomorrow = time.time_ns() // 1_000_000 + 86_400_000
    bad: list[bytes | None] = [
        None,
        b"",
        b"\xde\xad\xbe\xef\x00\x01",
        good[0][:-3],
        WIRE.encode_plain(ACCESS_DECIDED, entry(occurred_at=tomorrow)),
        WIRE.encode_plain(ACCESS_DECIDED, entry(occurred_at=-5)),
        WIRE.encode_plain(ACCESS_DECIDED, entry(result="perhaps")),
        WIRE.encode_plain(ACCESS_DECIDED, entry(count=0)),
        WIRE.encode_plain(ACCESS_DECIDED, entry(user_agent="a\0b")),
        WIRE.encode_plain("entitlements.outcomes.Outcome", OUTCOME),
    ]
    produce(settings, [*good[:10], *bad, *good[10:]])
    with keeping(settings):
        eventually(lambda: count(connection) == 30)
    assert quarantined(settings) == len(bad)


OUTCOME = {"caller": "c", "partition": 0, "frame_offset": 0, "results": []}


def quarantined(settings: Settings) -> int:
    with closing(clients.reader(settings)) as consumer:
        return clients.watermarks(consumer, TopicPartition(settings.topic("quarantine"), 0))[1]


def test_what_only_postgres_refuses_costs_its_own_record_and_no_other(
    settings: Settings, connection: Connection
) -> None:
    connection.execute("alter table access_log add constraint odd check (customer_id <> 'odd')")
    values = [WIRE.encode_plain(ACCESS_DECIDED, entry(customer_id="odd" if n == 17 else "ws")) for n in range(40)]
    produce(settings, list(values))
    with keeping(settings):
        eventually(lambda: count(connection) == 39)
    assert quarantined(settings) == 1


_processes = multiprocessing.get_context("spawn")


def _keep_for_ever(settings: Settings) -> None:
    keeper.run(settings, threading.Event())


def test_a_keeper_that_is_killed_again_and_again_loses_and_doubles_nothing(
    settings: Settings, connection: Connection
) -> None:
    expected = 30_000
    values: list[bytes | None] = [WIRE.encode_plain(ACCESS_DECIDED, entry()) for _ in range(expected)]
    produce(settings, values[: expected // 2])
    kills = 0
    for round_ in range(3):
        process = _processes.Process(target=_keep_for_ever, args=(settings,), daemon=True)
        process.start()
        goal = (round_ + 1) * expected // 8
        eventually(lambda goal=goal: count(connection) >= goal)  # type: ignore[misc]
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
    produce(settings, values[expected // 2 :])
    with keeping(settings):
        eventually(lambda: count(connection) == expected, 60)
    assert kills == 3
    ends = tables.positions(connection)
    assert sum(ends.values()) == expected
    assert quarantined(settings) == 0


def test_two_keepers_share_the_work_and_keep_everything_once(settings: Settings, connection: Connection) -> None:
    with keeping(settings), keeping(settings):
        producer = clients.producer(settings)
        for _ in range(20):
            produce(settings, [WIRE.encode_plain(ACCESS_DECIDED, entry()) for _ in range(60)], producer)
            time.sleep(0.05)
        eventually(lambda: count(connection) == 1_200)


def test_a_keeper_that_was_overtaken_goes_on_where_the_table_says(settings: Settings, connection: Connection) -> None:
    produce(settings, [WIRE.encode_plain(ACCESS_DECIDED, entry()) for _ in range(9)])
    with keeping(settings):
        eventually(lambda: count(connection) == 9)
        connection.execute("update access_log_positions set next_offset = next_offset - 2")
        connection.execute("delete from access_log")
        produce(settings, [WIRE.encode_plain(ACCESS_DECIDED, entry()) for _ in range(3)])
        eventually(lambda: count(connection) == 9)  # Of each partition the last two, once more, and the new one.
    assert sum(tables.positions(connection).values()) == 12


def test_a_rebuild_of_the_read_models_leaves_the_access_log_as_it_is(
    settings: Settings, connection: Connection
) -> None:
    produce(settings, [WIRE.encode_plain(ACCESS_DECIDED, entry())])
    with keeping(settings):
        eventually(lambda: count(connection) == 1)
    migrate(settings.postgres)
    rebuild(settings)
    assert count(connection) == 1


def keep(connection: Connection, *entries: Entry) -> None:
    tables.create_days(connection, {tables.day_of(each["occurred_at"]) for each in entries})
    tables.write(connection, entries, {})


def test_pages_show_everything_once_the_newest_first_whatever_is_decided_meanwhile(connection: Connection) -> None:
    now = time.time_ns() // 1_000_000
    keep(connection, *(entry(decision_id=f"d{n:03}", occurred_at=now - n // 4) for n in range(100)))
    shown: list[str] = []
    cursor = None
    while True:
        page = reading.page(connection, "acme", cursor=cursor, limit=7)
        shown += [decision["decision_id"] for decision in page["items"]]
        keep(connection, entry(occurred_at=now + 1_000))
        cursor = page["next"]
        if cursor is None:
            break
    assert len(shown) == 100
    assert set(shown) == {f"d{n:03}" for n in range(100)}
    back = [decision["decision_id"] for decision in page["items"][::-1]]
    while (cursor := page["previous"]) is not None:
        page = reading.page(connection, "acme", cursor=cursor, limit=9)
        back += [decision["decision_id"] for decision in page["items"][::-1]]
    assert [one for one in back if one in set(shown)] == shown[::-1]


def test_nobody_has_to_say_since_when_to_see_all_that_is_kept(connection: Connection) -> None:
    now, day = time.time_ns() // 1_000_000, 86_400_000
    keep(connection, *(entry(decision_id=f"d{days}", occurred_at=now - days * day) for days in (0, 6, 30, 80)))
    first = reading.page(connection, "acme", limit=2)
    then = reading.page(connection, "acme", limit=2, cursor=first["next"])
    seen = [decision["decision_id"] for page in (first, then) for decision in page["items"]]
    assert (seen, then["next"]) == (["d0", "d6", "d30", "d80"], None)
    in_a_year = datetime.now(UTC) + timedelta(days=365)
    assert len(reading.page(connection, "acme", until=in_a_year)["items"]) == 4


def test_an_organization_sees_its_own_decisions_and_only_those_that_fit(connection: Connection) -> None:
    now = time.time_ns() // 1_000_000
    keep(
        connection,
        entry(decision_id="a", customer_id="one"),
        entry(decision_id="b", customer_id="two", result="denied"),
        entry(decision_id="c", resource_key="seats", customer_id="two"),
        entry(decision_id="d", organization_id="other"),
        entry(decision_id="e", occurred_at=now - 3_600_000),
    )

    def seen(**filters: Any) -> set[str]:
        return {decision["decision_id"] for decision in reading.page(connection, "acme", **filters)["items"]}

    assert seen() == {"a", "b", "c", "e"}
    assert seen(customer_id="two") == {"b", "c"}
    assert seen(customer_id="two", resource_key="seats") == {"c"}
    assert seen(result="denied") == {"b"}
    half_an_hour_ago = datetime.now(UTC) - timedelta(minutes=30)
    assert seen(since=half_an_hour_ago) == {"a", "b", "c"}
    assert seen(until=half_an_hour_ago) == {"e"}
    assert reading.page(connection, "nobody") == {"items": [], "next": None, "previous": None}


def test_any_year_may_be_asked_for(connection: Connection) -> None:
    years = [(1, 1, 1, 0), (1969, 1, 1, 0), (9999, 12, 31, 23)]
    for (year, month, day, hour), offset in itertools.product(years, (-23, 0, 23)):
        at = datetime(year, month, day, hour, tzinfo=timezone(timedelta(hours=offset)))
        for filters in ({"since": at}, {"until": at}):
            assert reading.page(connection, "acme", **filters)["items"] == []


WRONG: list[dict[str, Any]] = [
    {"limit": 0},
    {"limit": LIMIT_MAX + 1},
    {"result": "maybe"},
    {"customer_id": "a\0b"},
    {"since": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is what is wrong with it.
    {"cursor": "?"},
    {"cursor": "e30"},
    {"cursor": "WyIyMDI2LTAxLTAxIiwgImQiXQ"},
    {"cursor": "\udcff"},
    {"cursor": "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjU5IiwgIiJd", "limit": 0},
]


def test_a_question_that_makes_no_sense_is_refused(connection: Connection) -> None:
    for wrong in WRONG:
        with pytest.raises(RequestError):
            reading.page(connection, "acme", **wrong)


def test_a_key_is_kept_as_long_as_its_rule_says_and_a_day_that_is_over_is_dropped(connection: Connection) -> None:
    rules = LogRules.parse('{"short": {"keep_for_days": 2}, "*": {"keep_for_days": 10}}')
    retention = Retention(rules)
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    ages = (0, 1, 2, 3, 9, 10, 11, 30)
    for age in ages:
        at = int((noon - timedelta(days=age)).timestamp() * 1_000)
        for key in ("short", "long"):
            keep(connection, entry(decision_id=f"{key}{age}", resource_key=key, occurred_at=at))
    assert retention.keep(connection) == 3  # short at 3, 9 and 10 days; days 11 and 30 are dropped whole.
    left = {row[0] for row in connection.execute("select decision_id from access_log").fetchall()}
    assert left == {"short0", "short1", "short2", "long0", "long1", "long2", "long3", "long9", "long10"}
    assert retention.keep(connection) == 0
    today = noon.date()
    assert max(tables.days(connection)) == today + timedelta(days=1)
    assert Retention(rules).keep(connection, today + timedelta(days=1)) == 1, "short2 is over tomorrow"
    assert min(tables.days(connection)) == today - timedelta(days=9)


def test_what_is_older_than_its_key_is_kept_never_comes_in(settings: Settings, connection: Connection) -> None:
    old = time.time_ns() // 1_000_000 - 91 * 86_400_000
    produce(
        settings,
        [WIRE.encode_plain(ACCESS_DECIDED, entry(occurred_at=old)), WIRE.encode_plain(ACCESS_DECIDED, entry())],
    )
    with keeping(settings):
        eventually(lambda: sum(tables.positions(connection).values()) == 2)
    assert count(connection) == 1
