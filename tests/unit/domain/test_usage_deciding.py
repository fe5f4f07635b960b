"""The short way of deciding usage does what the long way does: the same frames to the byte, the same answers, the same states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from engines import as_logged, start_over_from_snapshots, states_of
from generated import Logged, busy_pools, histories, histories_settings
from generated_whole import whole_histories
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.nightly import examples

from entitlements.domain.aggregate import from_ms
from entitlements.domain.commands import RecordUsage, RecordUsageBatch
from entitlements.domain.pools import ResourcePool
from entitlements.examples import (
    NOON_MS,
    close_pool,
    line,
    open_pool,
    provision_pool,
    quota,
    suspend_pool,
)
from entitlements.ledger import partition as module
from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.frames import decode_plain_events, wire
from entitlements.ledger.partition import LoggedCommand, Partition, results_of
from entitlements.ledger.states import dump_state, load_state
from entitlements.ledger.usage_deciding import UsualLines
from entitlements.ledger.usual_commands import RECORD_USAGE, RECORD_USAGE_BATCH, read_usual
from entitlements_schemas import plain_schema
from entitlements_schemas.compiled import writer_of
from entitlements_schemas.testing import records

HOUR_MS = 3_600_000
POOLS = [f"pool-{number}" for number in range(6)]
KEYS = ("calls", "calls", "calls", "hourly", "seats", "forever", "refilled", "capped", "unheard_of", "schlüssel")


class Deciding:
    """A partition that decides both ways, one beside the other."""

    def __init__(self) -> None:
        self.fast, self.slow, self.taken, self.lines = Partition(0, 1), Partition(0, 1), 0, 0

    def decide(self, logged: Sequence[LoggedCommand]) -> None:
        """One frame, which is the same both ways."""
        with self._counted():
            fast = self._frame(self.fast, logged)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "read_usual", lambda *_: None)
            slow = self._frame(self.slow, logged)
        assert decode_plain_events(fast[0]) == decode_plain_events(slow[0])  # It tells where they differ.
        assert fast == slow
        assert self.described(self.fast) == self.described(self.slow)
        self.lines += fast[3]

    @staticmethod
    def _frame(partition: Partition, logged: Sequence[LoggedCommand]) -> Any:
        batch = partition.decide(logged, frozenset())
        value, digest = partition.to_frame(batch, "me")
        partition.position = ChainPosition(partition.position.offset + 1, logged[-1].offset, digest)
        return value, batch.unreadable, results_of(batch), batch.lines, list(batch.touched)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        take = UsualLines.take

        def counted(*arguments: Any) -> int:
            taken = take(*arguments)
            self.taken += taken
            return taken

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(UsualLines, "take", counted)
            yield

    @staticmethod
    def described(partition: Partition) -> Any:
        pools = partition.aggregates["pool"].values()
        beside = [{name: value for name, value in pool.fields().items() if name != "command_id"} for pool in pools]
        return states_of(partition), beside, partition.dirty, partition._scheduled, sorted(partition._due)


def decide_all(log: Sequence[Logged], cuts: Sequence[int], random: Random | None = None) -> Deciding:
    deciding, logged, turn = Deciding(), as_logged(log), 0
    while logged:
        size = cuts[turn % len(cuts)]
        deciding.decide(logged[:size])
        logged, turn = logged[size:], turn + 1
        if random is not None and random.random() < 0.2:
            start_over_from_snapshots(deciding.fast, deciding.slow)
    return deciding


@histories_settings(25)
@given(log=histories(commands=40, pools=2), cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_histories_are_decided_to_the_same_frames_both_ways(log: list[Logged], cuts: list[int]) -> None:
    decide_all(log, cuts)


@histories_settings(25)
@given(log=whole_histories(), cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8), seed=st.integers(0, 2**32))
def test_histories_of_everything_are_decided_to_the_same_frames_from_any_snapshot(
    log: list[Logged], cuts: list[int], seed: int
) -> None:
    decide_all(log, cuts, Random(seed))


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_busy_pools_are_decided_to_the_same_frames(seed: int, cuts: list[int]) -> None:
    decide_all(busy(Random(seed)), cuts, Random(seed))


def test_nearly_all_lines_of_usual_pools_go_the_short_way() -> None:
    log = [Logged(NOON_MS, open_pool(pool_id=pool_id)) for pool_id in POOLS]
    log += [Logged(NOON_MS, provision_pool("p", quota("calls", 10_000), pool_id=pool_id)) for pool_id in POOLS]
    log += [
        Logged(NOON_MS + number, wide({pool_id: [line("calls", 1)] for pool_id in POOLS}, number))
        for number in range(20)
    ]
    deciding = decide_all(log, [7])
    assert (deciding.taken, deciding.lines) == (19 * 6, 20 * 6), "the first use begins a period"


def busy(random: Random, commands: int = 50) -> list[Logged]:
    """Usage and next to nothing else, of one pool and of many: of keys with room, near their limits and ends of periods, with ids and
    without, by several, of pools that are suspended, closed, unknown or somebody else's.
    """
    at_ms = NOON_MS
    log = busy_pools(random, at_ms, POOLS[:-1], quota("schlüssel", 10_000))
    for number in range(commands):
        at_ms += random.choice((-5, 0, 0, 1, 1, 1_000, HOUR_MS // 4))
        log.append(Logged(at_ms, _used(random, at_ms, number)))
        if random.random() < 0.03:
            ending = random.choice((suspend_pool, close_pool))
            log.append(Logged(at_ms, ending(pool_id=random.choice(POOLS))))
    return log


def _used(random: Random, at_ms: int, number: int) -> Any:
    facts: dict[str, Any] = {
        "actor": random.choice(("", "", "", "ann", "änn")),
        "caller": random.choice((None, "me", "me", "somebody-else")),
        "caller_organization_id": random.choice((None, None, "acme", "somebody-else")),
    }
    if random.random() < 0.5:
        lines = [_line(random, at_ms, f"{number}-{at}") for at in range(random.choice((1, 1, 3)))]
        key = random.choice((None, None, "k", lines[0]["usage_id"] or None))
        return RecordUsage(
            command_id=f"c-{number}", pool_id=random.choice(POOLS), lines=lines, idempotency_key=key, **facts
        )
    groups = {
        pool_id: [_line(random, at_ms, f"{number}-{pool_id}-{at}") for at in range(random.choice((1, 1, 1, 4)))]
        for pool_id in random.sample(POOLS, random.randint(1, len(POOLS)))
    }
    if random.random() < 0.1:
        facts |= {"source": "meter", "sequence": number}
    if random.random() < 0.1:
        facts["idempotency_key"] = f"k-{number % 7}"
    return replace(wide(groups, number), **facts)


def wide(groups: dict[str, list[Any]], number: int) -> RecordUsageBatch:
    said = [{"pool_id": pool_id, "lines": lines} for pool_id, lines in groups.items()]
    return RecordUsageBatch(command_id=f"c-{number}", caller="me", groups=said)  # type: ignore[arg-type]


def _line(random: Random, at_ms: int, name: str) -> Any:
    said = line(
        random.choice(KEYS),
        random.choice((1, 1, 2, 70, 0, -1, 2**53)),
        mode=random.choice(("strict", "report")),
        usage_id=random.choice(("", "", f"u-{name}", f"ü-{name}", "again", "nul\0")),
        workspace_id=random.choice(("", "", "", "ws", "nobody")),
        occurred_at=random.choice((None, None, None, from_ms(at_ms - 1), from_ms(at_ms - 2 * HOUR_MS))),
    )
    return {**said, "subject_id": random.choice(("", "", "", "", "alice"))}


@pytest.mark.parametrize("name", [RECORD_USAGE, RECORD_USAGE_BATCH])
@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_has_the_usual_form_is_the_command_that_was_written(name: str, data: st.DataObject) -> None:
    record = data.draw(records(name, plain=True))
    record |= {"effective_at": None}
    if name == RECORD_USAGE:
        record |= {"batch_key": "", "batch_digest": ""}
    else:
        record |= {"idempotency_key": None, "source": "", "sequence": 0}
    groups = [record] if name == RECORD_USAGE else record["groups"]
    for each in (said for group in groups for said in group["lines"]):
        each["subject_id"] = ""
    value = wire().encode_plain(name, record)
    usual = read_usual(wire(), value)
    if usual is not None:
        assert (usual.command_id, usual.actor, usual.caller) == (
            record["command_id"],
            record["actor"],
            record["caller"],
        )
        assert usual.organization_id == record["caller_organization_id"]
        assert usual.lines == sum(len(group["lines"]) for group in groups)
        assert [group[0][1:].decode() for group in usual.groups] == [group["pool_id"] for group in groups]
    for damaged in (value[:-1], value + b"\0", value[:5] + data.draw(st.binary(max_size=30))):
        read_usual(wire(), damaged)  # Whatever it is, it is told without an error.
    assert read_usual(wire(), value[:-1]) is None


def _batch(*groups: dict[str, Any]) -> bytes:
    return wire().encode_plain(RECORD_USAGE_BATCH, {"command_id": "c", "groups": list(groups)})


def _said(**facts: Any) -> dict[str, Any]:
    return {"resource_key": "calls", "quantity": 1, "mode": "strict", "occurred_at": 0, "workspace_id": "", "usage_id": "",
            "subject_id": ""} | facts  # fmt: skip


def test_bytes_between_the_groups_are_no_usual_form() -> None:
    one, other = {"pool_id": "p", "lines": [_said()]}, {"pool_id": "q", "lines": [_said(), _said(quantity=3)]}
    value = _batch(one, other)
    assert read_usual(wire(), value) is not None
    for at in range(5, len(value)):
        assert read_usual(wire(), value[:at] + b"\x7f" + value[at:]) is None or at < 9, (
            "in the id of the command it may be"
        )


def test_numbers_in_more_bytes_than_they_need_are_left_to_the_long_way() -> None:
    value = _batch({"pool_id": "p", "lines": [_said(quantity=3)]})
    at = value.index(b"\x0acalls\x06") + 6
    longer = value[:at] + b"\x86\x00" + value[at + 1 :]
    assert wire().decode_plain(longer).record == wire().decode_plain(value).record
    assert read_usual(wire(), longer) is None


def test_ids_of_an_older_schema_are_left_to_the_long_way() -> None:
    write: Any = writer_of(plain_schema(RECORD_USAGE))
    record = {"command_id": "c", "pool_id": "p", "lines": [_said()]}
    assert read_usual(wire(), b"\x00\xff\xff\xff\xff" + write(record)) is None
    assert read_usual(wire(), wire().encode_plain(RECORD_USAGE, record)) is not None
    assert read_usual(wire(), None) is None


def test_a_pool_has_nothing_but_its_slots() -> None:
    """A dict beside them would cost more than they do, and each look at it more than what is looked for."""
    deciding = decide_all([Logged(NOON_MS, open_pool(pool_id="p")), Logged(NOON_MS, provision_pool(pool_id="p"))], [1])
    pool: ResourcePool = deciding.fast.aggregates["pool"]["p"]
    assert vars(pool) == vars(load_state("pool", dump_state(pool))) == {}
