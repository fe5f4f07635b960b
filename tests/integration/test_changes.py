"""The Faust worker as a process of its own, on a real broker: killed, stopped, joined, and fed with what it cannot handle."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from tests.standing_still import standing_still

from entitlements.changes import pools, workspaces
from entitlements.changes.facts import Cause, Customer, PoolEvent, Position
from entitlements.ledger.topics import create_topics
from entitlements.local import LocalKafka
from entitlements.settings import Settings
from entitlements_schemas import Wire
from entitlements_schemas.catalogue import CUSTOMER_KEY
from entitlements_schemas.testing import TERMS

pytestmark = pytest.mark.timeout(180)

PARTITIONS = 3
SESSION_FOR = 1.5
WIRE = Wire()
Header = tuple[str, bytes]


OPENING: dict[str, Any] = {
    "billing_account_id": None, "name": "", "backfill_from": None, "time_zone": "UTC", "anchor_at": None, "defaults": [], "actor": "",
}  # fmt: skip


class Read(NamedTuple):
    place: tuple[int, int]
    key: bytes | None
    name: str
    record: dict[str, Any]
    headers: dict[str, bytes]


class Bus:
    """The topics of one test: events go in, changes come out."""

    def __init__(self, kafka: str, prefix: str) -> None:
        self.settings = Settings(kafka=kafka, topic_prefix=prefix, partitions=PARTITIONS)
        self.producer = Producer(
            {
                "bootstrap.servers": kafka,
                "linger.ms": 2,
                "enable.idempotence": True,
                "log_level": 0,
                "message.max.bytes": 8_000_000,
            }
        )
        self.sent = 0
        self.versions: Counter[str] = Counter()
        create_topics(self.settings)

    def opened(self, pool: str, partition: int, organization: str = "acme") -> PoolEvent:
        """Open a pool for an organization."""
        return self.event(pool, "PoolOpened", partition, organization_id=organization, **OPENING)

    def event(self, pool: str, name: str, partition: int, /, **record: Any) -> PoolEvent:
        """Publish as the publisher does, and say what was published."""
        self.sent += 1
        self.versions[pool] += 1
        version, at = self.versions[pool], 1_700_000_000_000 + self.sent
        full = {"originator_id": pool, "originator_version": version, "timestamp": at, "command_id": "c", **record}
        ce_type = f"entitlements.events.{name}"
        headers = [("ce_type", ce_type.encode()), *position(partition, self.sent)]
        self.send("events", WIRE.encode_plain(ce_type, full), pool.encode(), partition, headers)
        cause = Cause(f"pool/{pool}/{version}", pool, at, partition, Position(self.sent, 0))
        return PoolEvent(name, full, cause)

    def send(self, topic: str, value: bytes | None, key: bytes | None, partition: int, headers: list[Header]) -> None:
        self.producer.produce(self.settings.topic(topic), value, key, partition, headers=headers)  # type: ignore[arg-type]
        self.producer.poll(0)

    @cached_property
    def looking(self) -> Consumer:
        """Looks where things stand, again and again; it joins no group."""
        config = {
            "bootstrap.servers": self.settings.kafka,
            "group.id": self.settings.group("changes"),
            "enable.auto.commit": False,
        }
        return Consumer({**config, "auto.offset.reset": "earliest"})

    def ends(self, topic: str) -> dict[int, int]:
        name = self.settings.topic(topic)
        metadata = self.looking.list_topics(name, timeout=10).topics[name]
        places = [TopicPartition(name, partition) for partition in metadata.partitions]
        return {place.partition: end_of(self.looking, place) for place in places}

    def is_handled(self) -> bool:
        """Both steps have committed all that is there, and the first has written nothing meanwhile."""
        facts_before = self.ends("changes-facts")
        for topic in ("events", "changes-facts"):
            ends = self.ends(topic)
            places = [TopicPartition(self.settings.topic(topic), partition) for partition in range(PARTITIONS)]
            if any(place.offset < ends[place.partition] > 0 for place in self.looking.committed(places, timeout=10)):
                return False
        return facts_before == self.ends("changes-facts")

    def read(self, topic: str) -> list[Read]:
        """Everything in a topic, each partition in its order."""
        ends = {partition: end for partition, end in self.ends(topic).items() if end}
        found: list[Read] = []
        self.looking.assign([TopicPartition(self.settings.topic(topic), partition, 0) for partition in ends])
        while len(found) < sum(ends.values()):
            for message in self.looking.consume(10_000, timeout=0.3):
                assert message.error() is None
                name, record = WIRE.decode_plain(message.value())
                headers = dict(message.headers() or [])
                found.append(Read((message.partition(), message.offset()), message.key(), name, record, headers))
        self.looking.unassign()
        return sorted(found)


def end_of(consumer: Consumer, place: TopicPartition) -> int:
    for _ in range(50):
        with suppress(KafkaException):  # Right after a topic is made its leader is not known everywhere.
            return int(consumer.get_watermark_offsets(place, timeout=10)[1])
        time.sleep(0.1)
    raise AssertionError(f"{place} has no leader")


def position(partition: int, offset: int, index: int = 0) -> list[Header]:
    numbers = {"ledger_partition": partition, "ledger_offset": offset, "ledger_index": index}
    return [(name, str(number).encode()) for name, number in numbers.items()]


@pytest.fixture
def bus(kafka: str, topic_prefix: str) -> Bus:
    return Bus(kafka, topic_prefix)


class Worker:
    """A worker process, started again whenever it asks for it, as a supervisor does."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        given = {
            "ENTITLEMENTS_KAFKA": self._bus.settings.kafka,
            "ENTITLEMENTS_TOPIC_PREFIX": self._bus.settings.topic_prefix,
            "ENTITLEMENTS_PARTITIONS": str(PARTITIONS),
        }
        command = [sys.executable, "-m", "entitlements.changes", "--session-for", str(SESSION_FOR)]
        return subprocess.Popen(command, env=os.environ | given, start_new_session=True)

    def see(self) -> None:
        """Start it again if it asked for it; anything else is a failure."""
        status = self.process.poll()
        if status == 75:
            self.process = self._start()
        else:
            assert status is None, f"the worker ended with {status}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def stop(self) -> float:
        """Seconds that an orderly end took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        return time.monotonic() - began


@contextmanager
def working(bus: Bus, number: int = 1) -> Iterator[list[Worker]]:
    workers = [Worker(bus) for _ in range(number)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()


def wait_until(said: Callable[[], bool], workers: list[Worker], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not said():
        for worker in workers:
            worker.see()
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def quota(limit: int) -> dict[str, Any]:
    return {"limit": limit, "soft_limit": None, "hard_limit": limit, "period": "day", **TERMS}


def conferring(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "resource_key": key,
            "entitlement_type": "quota",
            "before": None,
            "after": after,
            "stacking": "sum",
            "contributions": [],
        }
        for key, after in values.items()
    ]


class History:
    """A random history. Pools n, n + 3, n + 6 ... are in partition n of the ledger and share only workspaces among themselves,
    so that the order of what happens to a workspace is given, and with it every change. Pools named "far" share workspaces
    across partitions: there only what is true in any order can be said. Two organizations have six of the pools each, and both
    have workspaces of the same ids.
    """

    def __init__(self, bus: Bus, seed: int) -> None:
        self.bus = bus
        self.random = random.Random(seed)
        self.happened = [
            bus.opened(f"{kind}-{number}", number % PARTITIONS, "acme" if number < 6 else "rival")
            for kind in ("near", "far")
            for number in range(12)
        ]

    def step(self) -> None:
        choose = self.random
        near = choose.random() < 0.7
        number = choose.randrange(12)
        partition = number % PARTITIONS
        pool = f"{'near' if near else 'far'}-{number}"
        workspace = f"w-{partition}-{choose.randrange(4)}" if near else f"far-{choose.randrange(4)}"
        key = choose.choice(["calls", "bytes", "sso"])
        kind = choose.random()
        if kind < 0.25:
            made = ("WorkspaceAssigned", {"workspace_id": workspace, "role": "primary", "actor": ""})
        elif kind < 0.4:
            made = ("WorkspaceUnassigned", {"workspace_id": workspace, "reason": "", "actor": ""})
        elif kind < 0.75:
            made = (
                "EntitlementsChanged",
                {"changes": conferring({key: quota(choose.randrange(1, 4)) if choose.random() < 0.7 else None})},
            )
        elif kind < 0.9:
            made = ("QuotaReset", {"resource_key": key, "period_start": 1, "period_end": 2, "consumed": 3})
        else:
            made = ("PoolSuspended", {"reason": "", "actor": ""})
        self.happened.append(self.bus.event(pool, made[0], partition, **made[1]))

    def expected(self) -> tuple[dict[tuple[Customer, str], list[str]], dict[Customer, set[str]], Counter[Customer]]:
        """For near workspaces: by customer and key the ids of the changes in order. For far ones: what they have in the end.
        And how many resets each far workspace hears of."""
        rows: dict[str, pools.PoolRow] = defaultdict(pools.PoolRow)
        customers: dict[Customer, workspaces.WorkspaceRow] = defaultdict(workspaces.WorkspaceRow)
        near: dict[tuple[Customer, str], list[str]] = defaultdict(list)
        resets: Counter[Customer] = Counter()
        offset = 0
        for happened in self.happened:
            if happened.name not in pools.RELEVANT:
                continue
            row = rows[happened.cause.pool_id]
            facts = pools.facts_of(row, happened)
            pools.take_in(row, happened)
            for fact in facts:
                offset += 1
                for change in workspaces.changes_of(customers[fact.customer], fact, offset):
                    record = change.record
                    if record["customer_id"].startswith("w-"):
                        near[customer_of(record), record["resource_key"]].append(record["change_id"])
                    elif change.name == "QuotaReset":
                        resets[customer_of(record)] += 1
                workspaces.take_in(customers[fact.customer], fact, offset)
        far = {
            customer: set(row.held)
            for customer, row in customers.items()
            if customer.workspace_id.startswith("far") and row.held
        }
        return near, far, resets


def customer_of(record: Mapping[str, Any]) -> Customer:
    return Customer(record["organization_id"], record["customer_id"])


def without_repeats(changes: list[Read]) -> list[Read]:
    seen: dict[str, Read] = {}
    for change in changes:
        first = seen.setdefault(change.record["change_id"], change)
        assert first.record == change.record, "a repeat says the same"
    return list(seen.values())


def key_of(customer: Customer) -> bytes:
    organization_id, customer_id = customer
    return WIRE.encode_plain(CUSTOMER_KEY, {"organization_id": organization_id, "customer_id": customer_id})


def assert_nothing_is_missing_or_invented(bus: Bus, history: History) -> int:
    """The number of repeats in the topic."""
    read = bus.read("changes")
    changes = without_repeats(read)
    near: dict[tuple[Customer, str], list[str]] = defaultdict(list)
    far: dict[Customer, set[str]] = defaultdict(set)
    resets: Counter[Customer] = Counter()
    for change in changes:
        record, short = change.record, change.name.rpartition(".")[2]
        customer, key = customer_of(record), record["resource_key"]
        assert change.key == key_of(customer)
        if customer.workspace_id.startswith("w-"):
            near[customer, key].append(record["change_id"])
        elif short == "QuotaReset":
            resets[customer] += 1
        else:
            assert (key in far[customer]) == (short != "EntitlementGranted"), "granted and revoked alternate"
            far[customer] ^= {key} if short != "EntitlementChanged" else set()
    wanted_near, wanted_far, wanted_resets = history.expected()
    assert near == wanted_near
    assert {name: keys for name, keys in far.items() if keys} == wanted_far
    assert resets == wanted_resets
    assert bus.ends("quarantine") == {0: 0}
    return len(read) - len(changes)


def play(history: History, workers: list[Worker], *, disturb: Callable[[], None], times: int) -> None:
    """Let events flow, and disturb at random moments while they are being handled."""
    for _ in range(times):
        written = sum(history.bus.ends("changes").values())
        deadline = time.monotonic() + 30
        while sum(history.bus.ends("changes").values()) == written:
            flow(history, workers, seconds=0.1)
            assert time.monotonic() < deadline, "nothing is handled"
        flow(history, workers, seconds=history.random.uniform(0, 1))
        disturb()
    flow(history, workers, seconds=1)
    history.bus.producer.flush()


def flow(history: History, workers: list[Worker], *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(12):
            history.step()
        for worker in workers:
            worker.see()
        time.sleep(0.05)


# --- What it does ----------------------------------------------------------------------------------------------------


def test_an_event_becomes_a_change_that_any_consumer_can_read(bus: Bus) -> None:
    with working(bus) as [worker]:
        bus.opened("p", 0)
        bus.event("p", "WorkspaceAssigned", 0, workspace_id="w", role="primary", actor="")
        happened = bus.event("p", "EntitlementsChanged", 0, changes=conferring({"calls": quota(50)}))
        bus.producer.flush()
        wait_until(lambda: sum(bus.ends("changes").values()) > 0, [worker])
        [change] = bus.read("changes")
        assert (change.key, change.name) == (key_of(Customer("acme", "w")), "entitlements.changes.EntitlementGranted")
        assert customer_of(change.record) == ("acme", "w")
        assert change.record["after"] == quota(50)
        assert change.record["effective_at"] == happened.cause.at
        assert (change.record["ledger_partition"], change.record["ledger_offset"]) == (0, 3)
        assert change.headers["ce_type"] == b"entitlement.granted"
        assert change.headers["ce_id"] == change.record["change_id"].encode()
        assert change.headers["ce_subject"] == b"w"
        assert change.headers["ce_organization"] == b"acme"
        wait_until(bus.is_handled, [worker])
        assert worker.stop() < 5


def test_killing_the_worker_at_random_moments_neither_loses_nor_invents_a_change(bus: Bus) -> None:
    history = History(bus, seed=random.randrange(10**6))
    with working(bus) as workers:
        play(history, workers, disturb=workers[0].kill, times=4)
        wait_until(bus.is_handled, workers)
    repeats = assert_nothing_is_missing_or_invented(bus, history)
    print(f"{len(history.happened)} events, {repeats} repeats")


def test_workers_that_join_and_leave_lose_nothing(bus: Bus) -> None:
    history = History(bus, seed=random.randrange(10**6))
    with working(bus) as workers:

        def join_or_leave() -> None:
            if len(workers) == 1:
                workers.append(Worker(bus))
            else:
                workers.pop(0).stop()

        play(history, workers, disturb=join_or_leave, times=4)
        wait_until(bus.is_handled, workers)
    assert_nothing_is_missing_or_invented(bus, history)


def test_a_worker_that_slept_while_another_took_over_writes_nothing_wrong_when_it_wakes(bus: Bus) -> None:
    history = History(bus, seed=random.randrange(10**6))
    with working(bus, number=2) as workers:

        def sleep() -> None:
            with standing_still(workers[0].process.pid):
                flow(history, workers, seconds=2.5 * SESSION_FOR)

        play(history, workers, disturb=sleep, times=1)
        wait_until(bus.is_handled, workers)
    assert_nothing_is_missing_or_invented(bus, history)


def test_a_broker_that_dies_and_comes_back_costs_no_change(tmp_path: Path, topic_prefix: str) -> None:
    with LocalKafka(tmp_path, fast=True) as kafka:
        bus = Bus(kafka.bootstrap, topic_prefix)
        history = History(bus, seed=random.randrange(10**6))
        with working(bus) as workers:

            def die_and_come_back() -> None:
                kafka.kill()
                flow(history, workers, seconds=2 * SESSION_FOR)
                kafka.start()

            play(history, workers, disturb=die_and_come_back, times=1)
            wait_until(bus.is_handled, workers)
        assert_nothing_is_missing_or_invented(bus, history)


def test_what_cannot_be_handled_goes_to_the_quarantine_and_stops_nobody(bus: Bus) -> None:
    good = WIRE.encode_plain(
        "entitlements.events.QuotaReset",
        {
            "originator_id": "p", "originator_version": 9, "timestamp": 1, "command_id": "c",
            "resource_key": "k", "period_start": 1, "period_end": 2, "consumed": 1,
        },
    )  # fmt: skip
    wanted: dict[bytes | None, str] = {
        None: "no_value",
        b"": "not_framed",
        b"not ours": "not_framed",
        b"\x00\x00\x00\x00\x01body": "unknown_schema_id",
        good[:-1]: "undecodable",
        good + b"\x00": "undecodable",
        b"\x00" * 2_000_000: "record_is_too_large",
    }
    unopened = WIRE.encode_plain(
        "entitlements.events.EntitlementsChanged",
        {
            "originator_id": "q", "originator_version": 9, "timestamp": 1, "command_id": "c",
            "changes": conferring({"calls": quota(1)}),
        },
    )  # fmt: skip
    assigned = WIRE.encode_plain(
        "entitlements.events.WorkspaceAssigned",
        {
            "originator_id": "q", "originator_version": 8, "timestamp": 1, "command_id": "c",
            "workspace_id": "w", "role": "primary", "may_overflow": False, "actor": "",
        },
    )  # fmt: skip
    with working(bus) as [worker]:
        bus.opened("p", 0)
        bus.event("p", "WorkspaceAssigned", 0, workspace_id="w", role="primary", actor="")
        for value in wanted:
            bus.send("events", value, b"p", 0, position(0, 100))
        bus.send("events", good, b"p", 0, [])
        bus.send("events", good, b"p", 0, position(1, 100))
        bus.send("events", good, b"another", 0, position(0, 100))
        bus.send("events", assigned, b"q", 0, position(0, 101))
        bus.send("events", unopened, b"q", 0, position(0, 102))
        bus.event("p", "EntitlementsChanged", 0, changes=conferring({"calls": quota(50)}))
        bus.producer.flush()
        wait_until(lambda: sum(bus.ends("changes").values()) == 1, [worker])
        bus.send("changes-facts", b"no fact", b"w", 0, [("a", b"b")])
        bus.producer.flush()
        wait_until(bus.is_handled, [worker])
    found = {
        (read.record["topic"].rpartition(".")[2], read.record["offset"]): read.record for read in bus.read("quarantine")
    }
    expected = [*wanted.items(), (good, "no_position"), (good, "wrong_place"), (good, "wrong_place")]
    assert [(found["events", offset]["value"], found["events", offset]["code"]) for offset in range(2, 12)] == expected
    assert found["events", 13]["code"] == "organization_is_unknown"
    [fact] = [record for (topic, _), record in found.items() if topic == "changes-facts"]
    assert (fact["code"], fact["value"], fact["key"], fact["found_by"]) == ("not_a_fact", b"no fact", b"w", "changes")
    assert fact["headers"] == [{"name": "a", "value": b"b"}]
    assert len(found) == 12
