"""Both steps on a small log in memory that loses, cuts and delays whatever a broker may: crashes at every possible write."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from entitlements.changes.facts import Customer
from entitlements.changes.keys import Keys
from entitlements.changes.lane import Broken, Lane
from entitlements.changes.records import Outgoing, Quarantine
from entitlements.changes.steps import Pools, Workspaces
from entitlements.changes.tables import Loaded, Rows, _take
from entitlements.settings import Settings
from entitlements_schemas import Wire
from entitlements_schemas.catalogue import CUSTOMER_KEY

PARTITIONS = 2
ORGANIZATIONS = ("acme", "rival")
SETTINGS = Settings(kafka="nowhere:1", partitions=PARTITIONS)
WIRE = Wire()
FEATURE = {"limit": None, "soft_limit": None, "hard_limit": None, "period": None}
Place = tuple[str, int]


class Crash(Exception):
    """The process is gone."""


@dataclass
class Log:
    """What a broker keeps, and what is on its way to it: by partition in order, of which a crash lets only a first part arrive."""

    kept: dict[Place, list[Outgoing]] = field(default_factory=lambda: defaultdict(list))
    committed: dict[Place, int] = field(default_factory=dict)

    def load(self, topic: str, partitions: Iterable[int]) -> dict[int, Loaded]:
        loaded = {partition: Loaded() for partition in partitions}
        for partition, part in loaded.items():
            for record in self.kept[topic, partition]:
                _take(part, record.key, record.value)
        return loaded

    def next_offsets(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        return {partition: self.committed.get((topic, partition), 0) for partition in partitions}

    def first_offset_from(self, topic: str, partition: int, offset: int) -> int | None:
        return offset if offset < len(self.kept[topic, partition]) else None

    def message(self, topic: str, partition: int, offset: int) -> Any:
        record = self.kept[topic, partition][offset]
        return SimpleNamespace(
            topic=topic, partition=partition, offset=offset, timestamp=1.0,
            key=record.key, value=record.value, headers=record.headers,
        )  # fmt: skip


class Life:
    """One process, from its start to its crash before the n-th acknowledgement."""

    def __init__(self, log: Log, chance: random.Random, crash_after: int) -> None:
        self.log, self.chance, self.writes_left = log, chance, crash_after
        self.gone_to: list[tuple[str, int, int]] = []
        self.on_the_way: dict[Place, list[Outgoing]] = defaultdict(list)
        quarantine = Quarantine(SETTINGS, WIRE, 1_000_000)
        self.lanes = [
            Lane(
                step=step,
                rows=Rows(step.rows_topic),
                kafka=log,
                quarantine=quarantine,
                write=self.write,
                go_to=self.go_to,
                turn_for=60,
            )  # type: ignore[arg-type]
            for step in (Pools(SETTINGS, WIRE), Workspaces(SETTINGS, WIRE))
        ]

    async def write(self, record: Outgoing) -> Awaitable[None]:
        self.writes_left -= 1
        if self.writes_left < 0:
            raise Crash
        self.on_the_way[record.topic, record.partition].append(record)
        return self.acknowledged()

    async def go_to(self, topic: str, partition: int, offset: int) -> None:
        self.gone_to.append((topic, partition, offset))

    async def acknowledged(self) -> None:
        for place, records in self.on_the_way.items():
            self.log.kept[place] += records
        self.on_the_way.clear()

    async def run(self) -> None:
        """Until nothing is left to do, or the crash."""
        for lane in self.lanes:
            await lane.begin(set(range(PARTITIONS)), 1)
        while batches := [(lane, batch) for lane in self.lanes if (batch := self.batch(lane))]:
            lane, batch = self.chance.choice(batches)
            await lane.work(batch)
            if self.chance.random() < 0.3:
                self.log.committed.update(lane.committable())

    def batch(self, lane: Lane) -> list[tuple[Any, int]]:
        found: list[tuple[Any, int]] = []
        for (topic, partition), offset in lane.committable().items():
            end = len(self.log.kept[topic, partition])
            upto = min(end, offset + self.chance.randint(1, 12))
            found += [(self.log.message(topic, partition, at), 1) for at in range(offset, upto)]
        return found

    def arrives_later(self) -> list[Callable[[], None]]:
        """After the crash: of each partition a first part has arrived; the rest may still arrive, in order, if we only seemed dead."""
        later: list[Callable[[], None]] = []
        for place, records in self.on_the_way.items():
            cut = self.chance.randint(0, len(records))
            self.log.kept[place] += records[:cut]
            later.append(lambda place=place, rest=records[cut:]: self.log.kept[place].extend(rest))  # type: ignore[misc]
        return later


def a_history(log: Log, chance: random.Random, events: int) -> None:
    """Pools of one partition share workspaces, so that the order of each workspace's facts is given. Two organizations have
    workspaces of the same ids: each has pools in both partitions, whose events are in any order.
    """
    versions: dict[str, int] = defaultdict(int)
    for number in range(events):
        partition = chance.randrange(PARTITIONS)
        organization = chance.choice(ORGANIZATIONS)
        pool, workspace = f"{organization}-{partition}-{chance.randrange(3)}", f"w{partition}-{chance.randrange(3)}"
        opening = {"organization_id": organization, "billing_account_id": None, "name": "", "backfill_from": None}
        opening |= {"time_zone": "UTC", "anchor_at": None, "defaults": [], "actor": ""}
        name, record = (
            ("PoolOpened", opening)
            if pool not in versions
            else chance.choice(
                [
                    ("WorkspaceAssigned", {"workspace_id": workspace, "role": "primary", "actor": ""}),
                    ("WorkspaceUnassigned", {"workspace_id": workspace, "reason": "", "actor": ""}),
                    ("EntitlementsChanged", {"changes": [change(chance)]}),
                    ("QuotaReset", {"resource_key": "k", "period_start": 1, "period_end": 2, "consumed": number}),
                    ("ExceededWithdrawn", {"resource_key": "k", "limit": 2, "consumed": number}),
                    ("OverrideSet", override(chance, workspace)),
                    ("OverrideCleared", {"override_id": "o", "reason": "", "actor": ""}),
                ]
            )
        )
        versions[pool] += 1
        full = {
            "originator_id": pool,
            "originator_version": versions[pool],
            "timestamp": number,
            "command_id": "c",
            **record,
        }
        headers = [("ledger_partition", b"%d" % partition), ("ledger_offset", b"%d" % number), ("ledger_index", b"0")]
        value = WIRE.encode_plain(f"entitlements.events.{name}", full)
        log.kept[SETTINGS.topic("events"), partition].append(
            Outgoing(SETTINGS.topic("events"), partition, pool.encode(), value, headers)
        )


def override(chance: random.Random, workspace: str) -> dict[str, Any]:
    said = {"allowed": chance.random() < 0.5, "amount": chance.choice([None, 1]), "reason": "", "actor": ""}
    return {"override_id": "o", "resource_key": "k", "workspace_id": workspace, **said}


def change(chance: random.Random) -> dict[str, Any]:
    after = FEATURE | {"limit": chance.randrange(3)} if chance.random() < 0.6 else None
    key = chance.choice(["k", "l"])
    return {
        "resource_key": key, "entitlement_type": "limit", "before": None, "after": after, "stacking": "sum", "contributions": [],
    }  # fmt: skip


def changes_by_customer(log: Log) -> dict[Customer, list[bytes]]:
    """What each customer was told, without repeats. Granted and revoked alternate for each, and every record is where its key is."""
    told: dict[Customer, dict[bytes, None]] = defaultdict(dict)
    has: set[tuple[Customer, str]] = set()
    for partition in range(PARTITIONS):
        for record in log.kept[SETTINGS.topic("changes"), partition]:
            key, (name, change) = WIRE.decode_plain(record.key), WIRE.decode_plain(record.value)
            customer = Customer(change["organization_id"], change["customer_id"])
            assert key == (CUSTOMER_KEY, {"organization_id": customer[0], "customer_id": customer[1]})
            assert partition == Keys(WIRE, PARTITIONS).of(customer).partition
            assert change["pool_id"].startswith(customer.organization_id), "of its own organization's pools alone"
            if record.value in told[customer]:
                continue
            told[customer][record.value] = None
            place, short = (customer, change["resource_key"]), name.rpartition(".Entitlement")[2]
            if short in {"Granted", "Revoked", "Changed"}:
                assert (place in has) == (short != "Granted"), "granted and revoked alternate"
                has ^= {place} if short != "Changed" else set()
    return {customer: list(changes) for customer, changes in told.items()}


def lived_through(seed: int, crash_after: Callable[[random.Random], int]) -> tuple[Log, int]:
    """The log after as many lives as it takes, and the number of crashes."""
    chance, log, crashes = random.Random(seed), Log(), 0
    a_history(log, random.Random(seed), 120)
    later: list[Callable[[], None]] = []
    while True:
        life = Life(log, chance, crash_after(chance))
        try:
            asyncio.run(life.run())
        except Crash:
            crashes += 1
            later += life.arrives_later()
            chance.shuffle(later)
            while later and chance.random() < 0.5:
                later.pop()()
            continue
        if not later:
            return log, crashes
        later.pop()()


@pytest.mark.parametrize("seed", range(30))
def test_crashes_at_any_write_lose_nothing_and_invent_nothing(seed: int) -> None:
    wanted, _ = lived_through(seed, lambda _: 10**9)
    found, crashes = lived_through(seed, lambda chance: chance.randint(1, 60))
    assert crashes
    assert changes_by_customer(found) == changes_by_customer(wanted)


def test_the_histories_have_customers_of_one_id_in_both_organizations() -> None:
    told = changes_by_customer(lived_through(1, lambda _: 10**9)[0])
    assert {customer.workspace_id for customer in told if customer.organization_id == "acme"} & {
        customer.workspace_id for customer in told if customer.organization_id == "rival"
    }


def test_a_crash_before_each_single_write_loses_nothing_and_invents_nothing() -> None:
    wanted, _ = lived_through(1, lambda _: 10**9)
    for write in range(0, 200, 3):
        first = iter([write])
        found, crashes = lived_through(1, lambda _, first=first: next(first, 10**9))  # type: ignore[misc]
        assert crashes <= 1
        assert changes_by_customer(found) == changes_by_customer(wanted)


# --- What comes to a lane --------------------------------------------------------------------------------------------


def a_lane(log: Log) -> tuple[Lane, Life]:
    life = Life(log, random.Random(1), 10**9)
    return life.lanes[0], life


def test_records_that_were_skipped_on_the_way_are_asked_for_and_what_came_instead_waits() -> None:
    log = Log()
    a_history(log, random.Random(1), 40)
    lane, life = a_lane(log)
    topic = lane.step.topic

    async def run() -> None:
        await lane.begin({0}, 1)
        await lane.work([(log.message(topic, 0, offset), 1) for offset in (0, 2, 3)])
        assert lane.committable() == {(topic, 0): 1}
        assert life.gone_to == [(topic, 0, 1)]
        await lane.work([(log.message(topic, 0, offset), 1) for offset in (0, 1, 2)])
        assert lane.committable() == {(topic, 0): 3}

    asyncio.run(run())


def test_a_record_that_never_comes_breaks_the_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entitlements.changes.lane.ASK_AGAIN_EVERY", 0)
    log = Log()
    a_history(log, random.Random(1), 40)
    lane, _ = a_lane(log)

    async def run() -> None:
        await lane.begin({0}, 1)
        for _ in range(22):
            await lane.work([(log.message(lane.step.topic, 0, 2), 1)])

    with pytest.raises(Broken, match="expected offset 0, got 2"):
        asyncio.run(run())


def test_what_is_late_is_asked_for_unless_it_came_meanwhile() -> None:
    log = Log()
    a_history(log, random.Random(1), 40)
    lane, life = a_lane(log)

    async def run() -> None:
        await lane.begin({0, 1}, 1)
        await lane.work([(log.message(lane.step.topic, 0, 0), 1)])
        await lane.ask_for_what_is_late({0: 0, 1: 0})
        await lane.finish()
        await lane.ask_for_what_is_late({0: 1})

    asyncio.run(run())
    assert life.gone_to == [(lane.step.topic, 1, 0)]


def test_offsets_without_a_record_are_passed_over() -> None:
    log = Log()
    a_history(log, random.Random(1), 40)
    lane, _ = a_lane(log)
    log.first_offset_from = lambda topic, partition, offset: 2  # type: ignore[method-assign]

    async def run() -> None:
        await lane.begin({0}, 1)
        topic = lane.step.topic
        await lane.work([(log.message(topic, 0, 0), 1), (log.message(topic, 0, 2), 1)])

    asyncio.run(run())
    assert lane.committable() == {(SETTINGS.topic("events"), 0): 3}


def test_records_of_partitions_that_went_or_of_an_earlier_turn_are_left_to_others() -> None:
    log = Log()
    a_history(log, random.Random(1), 40)
    lane, _ = a_lane(log)

    async def run() -> None:
        await lane.begin({0}, 2)
        topic = lane.step.topic
        await lane.work([(log.message(topic, 0, 0), 1), (log.message(topic, 1, 0), 2)])
        assert lane.committable() == {(topic, 0): 0}
        await lane.finish()
        await lane.work([(log.message(topic, 0, 0), 2)])
        assert lane.committable() == {(topic, 0): 0}
        lane.end()
        assert lane.committable() == {}

    asyncio.run(run())
    assert lane.handled == 0


def test_a_batch_that_took_longer_than_the_group_waits_writes_no_rows() -> None:
    log = Log()
    a_history(log, random.Random(1), 40)
    lane, life = a_lane(log)
    lane._turn_for = -1

    async def run() -> None:
        await lane.begin({0}, 1)
        await lane.work([(log.message(lane.step.topic, 0, 0), 1)])

    with pytest.raises(Broken, match="took longer"):
        asyncio.run(run())
    assert not log.kept[lane.step.rows_topic, 0]
    assert not life.on_the_way
