"""A new owner goes on from snapshots and the ledger's tail; whatever is wrong with the snapshots, nothing is lost."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from confluent_kafka import Producer
from tests.faults import driving
from tests.faults.driving import WIRE, eventually, line, open_pool, pools_on, provision, quota, use

from entitlements import testing
from entitlements.errors import LedgerHasAGap
from entitlements.ledger import recovery
from entitlements.ledger.caller import Caller
from entitlements.ledger.partition import Partition
from entitlements.ledger.recovery import recover
from entitlements.ledger.snapshots import MARK, NOTHING, SNAPSHOT
from entitlements.ledger.states import dump_state
from entitlements.settings import Settings

ROUND = "entitlements.ledger.snapshots.ROUND_EVERY_FOR"
POOLS = 3
Records = dict[str, Any]


@dataclass
class Stored:
    """What the snapshots of a partition were when damage was done: values by key, oldest first."""

    older: dict[str, bytes]
    newest: dict[str, bytes]

    @property
    def pool(self) -> str:
        return next(key for key in self.newest if key.startswith("pool/"))


def record(value: bytes) -> Records:
    return WIRE.decode_plain(value).record


def mark_at(stored: Stored, **changes: Any) -> bytes:
    """The mark, at another position."""
    mark = record(stored.newest["mark"])
    offset, last_command, digest, tips = json.loads(mark["position"])
    at = {"offset": offset, "last_command": last_command, "hash": digest} | changes
    mark["position"] = json.dumps([at["offset"], at["last_command"], at["hash"], tips])
    return WIRE.encode_plain(MARK, mark)


def changed(stored: Stored, key: str, **changes: Any) -> bytes:
    return WIRE.encode_plain(MARK if key == "mark" else SNAPSHOT, record(stored.newest[key]) | changes)


#: What happened to the snapshots of a partition: (key, value) pairs written after them. Each case has its own partition.
DAMAGE: dict[str, Callable[[Stored], dict[str, bytes | None]]] = {
    "nothing": lambda s: {},
    "random bytes instead of a snapshot": lambda s: {s.pool: b"\x00\x00\x00\x00\x01 what is this?"},
    "half of a snapshot": lambda s: {s.pool: s.newest[s.pool][: len(s.newest[s.pool]) // 2]},
    "a state that is none": lambda s: {s.pool: changed(s, s.pool, state=b"{}")},
    "a snapshot of another pool": lambda s: {s.pool: changed(s, s.pool, aggregate_id="somebody")},
    "a snapshot of another format": lambda s: {s.pool: changed(s, s.pool, state_format=99)},
    "an old snapshot over a newer one": lambda s: {s.pool: s.older[s.pool]},
    "a snapshot is gone": lambda s: {s.pool: None},
    "the mark is gone": lambda s: {"mark": None},
    "a mark of another format": lambda s: {"mark": changed(s, "mark", state_format=99)},
    "a mark that is no position": lambda s: {"mark": changed(s, "mark", position="somewhere")},
    "an old mark under newer snapshots": lambda s: {"mark": s.older["mark"]},
}
CASES = {name: number for number, name in enumerate(DAMAGE)}
#: Marks that are whole and say what the ledger does not: then the ledger has been cut or changed.
CONTRADICTIONS: dict[str, Callable[[Stored], dict[str, bytes | None]]] = {
    "a mark with another hash": lambda s: {"mark": mark_at(s, hash="00" * 32)},
    "a mark with another command": lambda s: {"mark": mark_at(s, last_command=10_000)},
    "a mark of an earlier frame with a later hash": lambda s: {"mark": mark_at(s, offset=0)},
    "a mark beyond the ledger's end": lambda s: {"mark": mark_at(s, offset=10_000)},
}
#: Damage that leaves the snapshots usable.
HARMLESS = {"nothing", "an old mark under newer snapshots"}


@pytest.fixture(scope="module")
def damaged(kafka: str) -> Settings:
    """A partition for each case of damage."""
    return partitions_with(kafka, DAMAGE)


@pytest.fixture(scope="module")
def contradicted(kafka: str) -> Settings:
    """A partition for each contradiction."""
    return partitions_with(kafka, CONTRADICTIONS)


def partitions_with(kafka: str, damage: dict[str, Callable[[Stored], dict[str, bytes | None]]]) -> Settings:
    """Rounds of snapshots were taken, usage went on after them, then the damage was done."""
    settings = driving.settings_for(kafka, testing.unique_prefix(), partitions=len(damage))
    everywhere = [pools(settings, number) for number in range(len(damage))]
    with Caller(settings) as caller:
        with driving.engine(settings, {ROUND: 0.2}):
            commands = [(open_pool(p), provision(p, quota(100))) for of_partition in everywhere for p in of_partition]
            caller.call_all([command for both in commands for command in both])
            older = eventually(partial(snapshots, settings))
            caller.call_all([use(p, line(7, usage_id="a")) for of_partition in everywhere for p in of_partition])
            newest = eventually(partial(snapshots, settings))
        with driving.engine(settings, {ROUND: 3600.0}):
            caller.call_all([use(p, line(5, usage_id="b")) for of_partition in everywhere for p in of_partition[:2]])
    producer = Producer({"bootstrap.servers": kafka})
    for number, what_happened in enumerate(damage.values()):
        for key, value in what_happened(Stored(older[number], newest[number])).items():
            producer.produce(settings.topic("snapshots"), value, key, number)
    assert producer.flush(10) == 0
    return settings


def pools(settings: Settings, number: int) -> list[str]:
    ids = pools_on(number, settings.partitions)
    return [next(ids) for _ in range(POOLS)]


def snapshots(settings: Settings) -> dict[int, dict[str, bytes]] | None:
    """The newest of each key by partition; None while a partition has no mark that knows of all events of its ledger."""
    found: dict[int, dict[str, bytes]] = {}
    truth = driving.read_ledger(settings)
    for number, messages in driving.read_all(settings, "snapshots").items():
        found[number] = {m.key().decode(): m.value() for m in messages}  # type: ignore[union-attr, misc]
        if "mark" not in found[number] or record(found[number]["mark"])["events"] < len(truth.events[number]):
            return None
    return found


def states(partition: Partition) -> dict[str, bytes]:
    return {a.id: dump_state(a) for of_kind in partition.aggregates.values() for a in of_kind.values()}


@pytest.fixture
def folded_alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[Settings, int], Partition]:
    """A partition as the ledger alone makes it."""

    def fold(settings: Settings, number: int) -> Partition:
        with monkeypatch.context() as patched:
            patched.setattr(recovery, "restore", lambda *_: NOTHING)
            return recover(settings, number, threading.Event())

    return fold


@pytest.mark.parametrize("name", CASES)
def test_the_state_is_that_of_the_ledger_whatever_happened_to_the_snapshots(
    damaged: Settings,
    folded_alone: Callable[[Settings, int], Partition],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames: list[int] = []
    monkeypatch.setattr(Partition, "fold", counting(Partition.fold, frames))
    recovered = recover(damaged, CASES[name], threading.Event())
    used_snapshots = len(frames)
    alone = folded_alone(damaged, CASES[name])
    assert recovered.position == alone.position
    assert states(recovered) == states(alone)
    assert recovered.pools_due(2**60, 100) == alone.pools_due(2**60, 100)
    if name in HARMLESS:
        assert used_snapshots < len(frames) - used_snapshots, "the snapshots were not used: nothing was tested"


def counting(real: Any, frames: list[int]) -> Any:
    def fold(self: Partition, *arguments: Any) -> Any:
        frames.append(self.number)
        return real(self, *arguments)

    return fold


def test_a_new_engine_goes_on_with_the_totals_of_the_old_one(damaged: Settings) -> None:
    with driving.engine(damaged), Caller(damaged) as caller:
        outcomes = caller.call_all(
            [use(p, line(7, usage_id="a"), line(2)) for n in CASES.values() for p in pools(damaged, n)]
        )
    assert all(outcome.accepted_lines == 2 for outcome in outcomes)
    truth = driving.read_ledger(damaged)
    for number in CASES.values():
        assert [truth.totals[pool, "api_calls"] for pool in pools(damaged, number)] == [14, 14, 9]
    assert truth.rivals == 0


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_ledger_that_is_not_what_a_snapshot_saw_stops_a_new_owner(contradicted: Settings, name: str) -> None:
    number = list(CONTRADICTIONS).index(name)
    with pytest.raises(LedgerHasAGap, match=rf"Frame \d+ of partition {number} "):
        recover(contradicted, number, threading.Event())
