"""The short way of folding usage does what the long way does: read, made an event, mutated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from engines import Engine, Ledger, as_logged, small_chunks, start_over_from_snapshots, states_of
from generated import Logged, busy_pools, histories, histories_settings
from generated_whole import whole_histories
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.nightly import examples

from entitlements.domain.aggregate import from_ms
from entitlements.examples import (
    NOON_MS,
    line,
    record_usage,
    record_usage_batch,
)
from entitlements.ledger import partition as module
from entitlements.ledger.chain import ChainPosition, ChainReader
from entitlements.ledger.partition import Partition
from entitlements.ledger.usage_folding import RECORDED, REFUSED, USUAL_EVENTS, fold_usage, read_whole
from entitlements_schemas import plain_schema
from entitlements_schemas.compiled import writer_of
from entitlements_schemas.testing import records

COMMANDS = histories(commands=40, pools=2)
HOUR_MS = 3_600_000
KEYS = ("calls", "calls", "hourly", "seats", "forever", "refilled", "capped", "unheard_of")


@pytest.fixture(autouse=True, scope="module")
def _small_chunks() -> Iterator[None]:
    with small_chunks():
        yield


class Folding:
    """A partition that folds both ways, one beside the other."""

    def __init__(self) -> None:
        self.fast, self.slow, self.taken = Partition(0, 1), Partition(0, 1), 0
        self.chain, self.read = ChainReader(0, ChainPosition()), 0

    def fold(self, frames: Sequence[tuple[bytes, bytes]]) -> None:
        for value, digest in frames:
            self.chain.read(self.read, value, digest)
            self.read += 1
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module, "fold_usage", self._counted)
                events = self.fast.fold(value, self.chain.position)
                patch.setattr(module, "fold_usage", lambda *_: None)
                assert self.slow.fold(value, self.chain.position) == events
            assert self.described(self.fast) == self.described(self.slow)

    def _counted(self, *arguments: Any) -> Any:
        taken = fold_usage(*arguments)
        self.taken += taken is not None
        return taken

    @staticmethod
    def described(partition: Partition) -> Any:
        pools = partition.aggregates["pool"].values()
        beside = [(pool.id, pool.due_ms, pool.clock_ms, list(pool.usage_ids)) for pool in pools]
        return (
            states_of(partition),
            beside,
            partition.dirty,
            partition._scheduled,
            sorted(partition._due),
            partition.position,
        )


def frames_of(log: Sequence[Logged], cuts: Sequence[int]) -> list[tuple[bytes, bytes]]:
    engine, turn = Engine("e", as_logged(log), Ledger()), 0
    while engine.decide(cuts[turn % len(cuts)]):
        engine.write()
        engine.read()
        turn += 1
    return engine.ledger.records


@histories_settings(25)
@given(log=COMMANDS, cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_histories_are_folded_to_the_same_states_both_ways(log: list[Logged], cuts: list[int]) -> None:
    Folding().fold(frames_of(log, cuts))


@histories_settings(25)
@given(log=whole_histories(), cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8), seed=st.integers(0, 2**32))
def test_histories_of_everything_are_folded_to_the_same_states_from_any_snapshot(
    log: list[Logged], cuts: list[int], seed: int
) -> None:
    random, folding = Random(seed), Folding()
    for frame in frames_of(log, cuts):
        folding.fold([frame])
        if random.random() < 0.2:
            start_over_from_snapshots(folding.fast, folding.slow)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_busy_pools_are_folded_to_the_same_states_and_nearly_all_the_short_way(seed: int, cuts: list[int]) -> None:
    folding = Folding()
    folding.fold(frames_of(busy(Random(seed)), cuts))
    assert folding.taken >= 3


def busy(random: Random, commands: int = 60) -> list[Logged]:
    """Usage and next to nothing else: of few keys with room, near their soft limits and ends of periods, with ids and without."""
    pools, at_ms = ["pool-1", "pool-2"], NOON_MS
    log = busy_pools(random, at_ms, pools)
    for number in range(commands):
        at_ms += random.choice((0, 1, 1, 1_000, HOUR_MS // 4))
        lines = [
            line(
                random.choice(KEYS),
                random.choice((1, 2, 70)),
                mode=random.choice(("strict", "report")),
                usage_id=random.choice(("", f"u-{number}-{index}", "again")),
                workspace_id=random.choice(("", "", "ws", "nobody")),
                occurred_at=random.choice((None, None, from_ms(at_ms - 1))),
            )
            for index in range(random.choice((1, 1, 3)))
        ]
        pool_id = random.choice(pools)
        numbered = {"source": "meter", "sequence": number} if random.random() < 0.1 else {}
        log.append(
            Logged(
                at_ms,
                record_usage_batch(*lines, pool_id=pool_id, **numbered)
                if numbered
                else record_usage(*lines, pool_id=pool_id),
            )
        )
    return log


@pytest.mark.parametrize("name", [RECORDED, REFUSED])
@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_a_pattern_matches_is_the_record_that_was_written(name: str, data: st.DataObject) -> None:
    record, write = data.draw(records(name, plain=True)), writer_of(plain_schema(name))
    assert write is not None
    for each in (*record["lines"], *record.get("totals", ())):
        each["resource_key"] = (
            each["resource_key"] or "k"
        )  # No key is empty; where one is, the number of lines tells (fold_usage).
    if data.draw(st.booleans()):  # Records of the usual form are few among all.
        record["sources"], record["lines"] = [], record["lines"] or data.draw(st.just([]))
        for each in record["lines"] if name == RECORDED else ():
            each.update(overage=0, late=False, details=None)
    value = b"12345" + write(record)
    match = USUAL_EVENTS[name].match(value + data.draw(st.binary(max_size=20)), 5)
    if match is not None:
        assert match.end() == len(value)
        assert read_whole(name, match) == record


def test_texts_that_are_long_or_not_ascii_are_left_to_the_long_way() -> None:
    for pool_id in ("p" * 64, "pööl", "p" * 63):
        record = {"originator_id": pool_id, "originator_version": 2, "timestamp": NOON_MS, "sources": [],
                  "lines": [_refused()], "actor": ""}  # fmt: skip
        write = writer_of(plain_schema(REFUSED))
        assert write is not None
        assert (USUAL_EVENTS[REFUSED].match(write(record)) is not None) is (pool_id == "p" * 63)


def test_several_blocks_of_lines_are_left_to_the_long_way() -> None:
    write: Any = writer_of(plain_schema(REFUSED))
    record = {"originator_id": "p", "originator_version": 2, "timestamp": 0, "sources": [], "actor": ""}
    one, two = (write(record | {"lines": [_refused()] * count}) for count in (1, 2))
    item = one[len(one) - len(two) - 2 : -2]
    in_blocks = one[:-2] + b"\x02" + item + b"\x00\x00"
    match: re.Match[bytes] | None = USUAL_EVENTS[REFUSED].match(in_blocks)
    pool = Folding().fast
    assert match is None or fold_usage(pool.aggregates["pool"], REFUSED, match) is None


def _refused() -> dict[str, Any]:
    return {"resource_key": "k", "quantity": 1, "occurred_at": 1, "recorded_at": 1, "workspace_id": "", "usage_id": "",
            "code": "unknown_key", "remaining": -1, "subject_id": ""}  # fmt: skip
