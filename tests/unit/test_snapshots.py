"""Rounds of snapshots, without Kafka: whatever is decided in between, and wherever a writer dies, nothing is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.nightly import examples

from entitlements.domain import remembered
from entitlements.domain.commands import Command
from entitlements.examples import (
    NOON_MS,
    POOL,
    assign_workspace,
    line,
    open_pool,
    provision_pool,
    quota,
    record_usage,
)
from entitlements.examples_of_terms import reverse_usage
from entitlements.ledger import snapshots as module
from entitlements.ledger.chain import ChainPosition, ChainReader
from entitlements.ledger.chunks import chunk_key, dump_chunk, names_in
from entitlements.ledger.frames import wire
from entitlements.ledger.partition import LoggedCommand, Partition
from entitlements.ledger.records import name_of_command, shape_of
from entitlements.ledger.snapshots import CHUNK, MARK, NOTHING, SNAPSHOT, Snapshots, restore
from entitlements.ledger.states import closed_chunks, dump_state
from entitlements.settings import Settings

HOUR_MS = 3_600_000
SETTINGS = Settings()
Record = tuple[str, bytes | None]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of three rows, rounds without a pause, and one step of them at a time."""
    monkeypatch.setattr(remembered, "CHUNK_ROWS", 3)
    monkeypatch.setattr(module, "ROUND_EVERY_FOR", 0.0)
    monkeypatch.setattr(module, "SLICE_FOR", 0.0)


class Topic:
    """The topic of snapshots of one partition, and the producer that writes to it."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.refuses: Callable[[str], bool] = lambda _: False
        self._delivered: list[Callable[[], None]] = []

    def produce(self, _: str, value: bytes | None, *, key: str, partition: int, on_delivery: Any) -> None:
        assert partition == 0
        failed = self.refuses(key)
        if not failed:
            self.records.append((key, value))
        self._delivered.append(lambda: on_delivery("it failed" if failed else None, None))

    def poll(self) -> None:
        delivered, self._delivered = self._delivered, []
        for each in delivered:
            each()

    def newest(self, until: int | None = None) -> dict[str, bytes]:
        """What compaction leaves of the first records."""
        found = dict(self.records[:until])
        return {key: value for key, value in found.items() if value is not None}

    def named(self) -> set[str]:
        """The keys of the chunks that the snapshots name."""
        records = {key: wire().decode_plain(value) for key, value in self.newest().items()}
        return {
            chunk_key(key, name)
            for key, found in records.items()
            if found.name == SNAPSHOT
            for name in names_in(found.record)
        }

    def chunks(self) -> set[str]:
        return {key for key, value in self.newest().items() if wire().decode_plain(value).name == CHUNK}


class Writer:
    """A partition, its ledger and its snapshots."""

    def __init__(self, topic: Topic) -> None:
        self.topic, self.partition, self.chain = topic, Partition(0, 1), ChainReader(0, ChainPosition())
        self.snapshots = Snapshots(SETTINGS, topic, self.partition)  # type: ignore[arg-type]
        self.frames: list[tuple[bytes, ChainPosition]] = []
        self.offsets, self.now_ms = count(), NOON_MS

    def decide(self, *commands: Command) -> None:
        logged = [LoggedCommand(next(self.offsets), self.now_ms, bytes_of(command)) for command in commands]
        value, digest = self.partition.to_frame(self.partition.decide(logged, frozenset()), "me")
        self.chain.read(len(self.frames), value, digest)
        self.partition.position = self.chain.position
        self.frames.append((value, self.chain.position))

    def step(self) -> bool:
        """One step of a round; whether there was one."""
        self.topic.poll()
        return self.snapshots.work()

    def end_round(self) -> None:
        while self.step() and self.snapshots.is_writing:
            pass


def bytes_of(command: Command) -> bytes:
    return wire().encode_plain(name_of_command(command), shape_of(type(command)).to_record(command))


def whole(partition: Partition) -> dict[str, Any]:
    return {
        a.id: (dump_state(a), [dump_chunk(type(chunk), chunk.as_columns()) for chunk in closed_chunks(a)])
        for of_kind in partition.aggregates.values()
        for a in of_kind.values()
    }


def take_over(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, until: int | None = None
) -> tuple[Partition, module.Restored]:
    """As whoever finds the first records of the topic, and the whole ledger."""
    partition = Partition(0, 1)
    monkeypatch.setattr(module, "_read_newest", lambda *_: writer.topic.newest(until))
    restored = restore(SETTINGS, partition)
    partition.position, partition.events = restored
    for value, position in writer.frames:
        if position.offset > restored.position.offset:
            partition.fold(value, position)
    return partition, restored


def opened(pools: int = 1) -> Writer:
    writer = Writer(Topic())
    for at in range(pools):
        pool: dict[str, Any] = {"pool_id": f"{POOL}-{at}"}
        writer.decide(open_pool(**pool), provision_pool("p", quota("calls", 10**6), **pool))
    return writer


def use(pool: int, *usage_ids: str) -> Command:
    lines = [line("calls", 1, usage_id=usage_id) for usage_id in usage_ids]
    return record_usage(*lines, pool_id=f"{POOL}-{pool}")


def anything(random: Random, writer: Writer, number: int) -> Command:
    """Usage, reversals of it, and answers that are remembered; time passes."""
    writer.now_ms += random.choice((0, 1, HOUR_MS // 60, HOUR_MS // 60, HOUR_MS, 25 * HOUR_MS))
    pool = random.randrange(2)
    lines = [f"u-{number}-{at}" for at in range(random.randrange(1, 5))]
    if random.random() < 0.3:
        known = list(writer.partition.aggregates["pool"][f"{POOL}-{pool}"].usage_ids)
        return reverse_usage(random.choice(known or ["nothing"]), pool_id=f"{POOL}-{pool}")
    if random.random() < 0.3:
        return assign_workspace(f"w-{number}", pool_id=f"{POOL}-{pool}", idempotency_key=f"k-{number}")
    return use(pool, *lines)


@settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_wherever_a_writer_dies_the_newest_snapshots_are_whole(seed: int) -> None:
    random, writer, has_mark = Random(seed), opened(pools=2), False
    for number in range(60):
        writer.decide(anything(random, writer, number))
        for _ in range(random.choice((0, 1, 1, 2, 5, 30))):
            writer.step()
    expected = whole(writer.partition)
    with pytest.MonkeyPatch.context() as monkeypatch:
        for until, (key, _) in enumerate(writer.topic.records, 1):
            has_mark = has_mark or key == "mark"
            partition, restored = take_over(writer, monkeypatch, until)
            assert (restored is not NOTHING) is has_mark
            assert whole(partition) == expected
            assert partition.events == partition.count_events() == writer.partition.count_events()
    assert has_mark


@settings(max_examples=examples(10), deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_a_topic_that_lacks_any_of_its_records_leads_to_the_same_state(seed: int) -> None:
    random, writer = Random(seed), opened(pools=2)
    for number in range(60):
        writer.decide(anything(random, writer, number))
        writer.end_round()
    expected = whole(writer.partition)
    with pytest.MonkeyPatch.context() as monkeypatch:
        for key in writer.topic.newest():
            before = list(writer.topic.records)
            writer.topic.records.append((key, None))
            partition, restored = take_over(writer, monkeypatch)
            assert restored is NOTHING
            assert whole(partition) == expected
            writer.topic.records[:] = before


@settings(max_examples=examples(10), deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_whoever_comes_next_leaves_no_chunk_that_nothing_names(seed: int) -> None:
    random, writer = Random(seed), opened(pools=2)
    for number in range(60):
        writer.decide(anything(random, writer, number))
        for _ in range(random.choice((0, 1, 5, 30))):
            writer.step()
    with pytest.MonkeyPatch.context() as monkeypatch:
        del writer.topic.records[random.randrange(len(writer.topic.records)) :]
        writer.partition, _ = take_over(writer, monkeypatch)
    writer.snapshots = Snapshots(SETTINGS, writer.topic, writer.partition)  # type: ignore[arg-type]
    writer.decide(use(0, "late-0"), use(1, "late-1"))
    writer.end_round()
    assert writer.topic.chunks() == writer.topic.named()


def test_a_chunk_that_stays_as_it_is_is_written_once() -> None:
    writer = opened()
    for number in range(20):
        writer.decide(use(0, f"u-{number}"))
        writer.end_round()
    keys = [key for key, value in writer.topic.records if "\0" in key and value is not None]
    assert len(keys) == len(set(keys)) == len(writer.topic.named()) == 6


def test_a_reversal_writes_one_chunk_anew_and_deletes_the_old_one() -> None:
    writer = opened()
    writer.decide(use(0, *(f"u-{number}" for number in range(20))))
    writer.end_round()
    before = writer.topic.named()
    del writer.topic.records[:]
    writer.decide(reverse_usage("u-7", pool_id=f"{POOL}-0"))
    writer.end_round()
    (new, snapshot, mark, old) = writer.topic.records
    assert [kind_of(each) for each in (new, snapshot, mark, old)] == [CHUNK, SNAPSHOT, MARK, None]
    assert old[0] in before
    assert new[0] not in before


def kind_of(record: Record) -> str | None:
    return None if record[1] is None else wire().decode_plain(record[1]).name


def test_what_is_over_is_deleted() -> None:
    writer = opened()
    writer.decide(use(0, *(f"u-{number}" for number in range(20))))
    writer.end_round()
    writer.now_ms += 25 * HOUR_MS
    for number in range(3):
        writer.decide(use(0, *(f"new-{number}-{at}" for at in range(3))))
    writer.end_round()
    assert writer.topic.chunks() == writer.topic.named()
    assert len(writer.topic.chunks()) == 3


@pytest.mark.parametrize("rows", [30, 3_000])
def test_a_step_writes_one_record_and_no_record_grows_with_what_is_remembered(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decisions wait for one step at most. Before, the state of a pool was one record, and with too many ids it did not fit into one."""
    monkeypatch.setattr(remembered, "CHUNK_ROWS", 10)
    monkeypatch.setattr(module, "FRAME_BYTES_MAX", 4096 + 8192)
    writer = opened()
    for at in range(0, rows, 10):
        writer.decide(use(0, *(f"{number:032x}" for number in range(at, at + 10))))
    known = 0
    while writer.step() and writer.snapshots.is_writing:
        assert len(writer.topic.records) <= known + 1
        known = len(writer.topic.records)
    names = 16 * len(writer.topic.named())
    assert names == 16 * (rows // 10 - 1)
    assert all(len(value or b"") < 1_500 + names for _, value in writer.topic.records)
    partition, restored = take_over(writer, monkeypatch)
    assert restored is not NOTHING
    assert whole(partition) == whole(writer.partition)


def test_a_round_of_which_the_broker_did_not_take_a_record_has_no_mark_and_is_written_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for refused in ("\0", "pool/"):
        writer, failures = opened(), count()
        writer.decide(use(0, *(f"u-{number}" for number in range(20))))
        writer.topic.refuses = lambda key, refused=refused, failures=failures: refused in key and next(failures) == 0
        writer.end_round()
        assert "mark" not in writer.topic.newest()
        writer.end_round()
        assert writer.topic.chunks() == writer.topic.named()
        partition, restored = take_over(writer, monkeypatch)
        assert restored is not NOTHING
        assert whole(partition) == whole(writer.partition)


def test_a_slow_broker_is_not_given_more_than_a_bound() -> None:
    writer = opened()
    writer.decide(use(0, *(f"u-{number}" for number in range(60))))
    writer.snapshots.work()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(module, "UNDER_WAY_BYTES_MAX", 300)
        for _ in range(100):
            writer.snapshots.work()
        assert sum(len(value or b"") for _, value in writer.topic.records) < 1_500
        writer.end_round()
    assert "mark" in writer.topic.newest()


def test_a_state_that_is_too_large_costs_the_round_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    writer = opened()
    monkeypatch.setattr(module, "FRAME_BYTES_MAX", 4096 + 10)
    writer.end_round()
    assert f"The state of pool/{POOL}-0 is too large" in caplog.text
    assert writer.partition.dirty
    monkeypatch.undo()
    monkeypatch.setattr(module, "_read_newest", lambda *_: writer.topic.newest())
    assert restore(SETTINGS, Partition(0, 1)) is NOTHING


def test_keys_that_are_no_names_of_chunks_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = opened()
    writer.end_round()
    writer.topic.records.append((f"pool/{POOL}-0\0what?", b"ever"))
    partition, restored = take_over(writer, monkeypatch)
    assert restored is not NOTHING
    assert whole(partition) == whole(writer.partition)
