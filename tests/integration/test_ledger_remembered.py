"""A pool that remembers many usage ids is written to snapshots and taken over, while another pool's decisions go on."""

import threading
from functools import partial
from typing import Any

import pytest
from tests.faults import driving
from tests.faults.driving import WIRE, eventually, line, open_pool, provision, quota, use

from entitlements.domain import remembered
from entitlements.ledger import recovery
from entitlements.ledger.caller import Caller
from entitlements.ledger.chunks import chunk_key, names_in
from entitlements.ledger.partition import Partition
from entitlements.ledger.recovery import recover
from entitlements.ledger.snapshots import CHUNK, NOTHING, SNAPSHOT
from entitlements.ledger.states import dump_state
from entitlements.settings import Settings

ROWS, IDS = 16, 5_000
#: Chunks that are small, rounds that are frequent; and no record of a snapshot larger than one of all ids would be.
PATCHES: dict[str, Any] = {
    "entitlements.domain.remembered.CHUNK_ROWS": ROWS,
    "entitlements.ledger.snapshots.ROUND_EVERY_FOR": 0.2,
    "entitlements.ledger.snapshots.FRAME_BYTES_MAX": 4096 + 16 * 1024,
}


def test_many_ids_are_written_in_parts_while_others_decide_and_are_there_after_a_take_over(
    kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "CHUNK_ROWS", ROWS)
    settings = driving.settings_for(kafka, topic_prefix, partitions=1)
    with Caller(settings) as caller:
        with driving.engine(settings, PATCHES) as first:
            for pool in ("busy", "quiet"):
                caller.call_all([open_pool(pool), provision(pool, quota(10**6))])
            for at in range(0, IDS, 500):
                caller.call_all([used(at, 500)])
                assert caller.call(use("quiet", line(1))).accepted_lines == 1
            eventually(partial(has_mark_of_all, settings))
            assert first.is_running
            first.kill()
        with driving.engine(settings, PATCHES):
            again = caller.call_all([used(at, 500) for at in range(0, IDS, 500)])
            assert all(outcome.repeated for outcome in again)
            assert caller.call(use("busy", line(1, usage_id="new"))).accepted_lines == 1
    truth = driving.read_ledger(settings)
    assert truth.totals["busy", "api_calls"] == IDS + 1
    assert chunks_of(settings)
    assert states(recovered(settings, monkeypatch)) == states(folded_alone(settings, monkeypatch))


def used(first: int, count: int) -> Any:
    return use("busy", *(line(1, usage_id=f"{at:032x}") for at in range(first, first + count)))


def newest(settings: Settings) -> dict[str, Any]:
    """The newest records of the topic, by key."""
    found: dict[str, Any] = {}
    for message in driving.read_all(settings, "snapshots")[0]:
        key, value = message.key().decode(), message.value()  # type: ignore[union-attr]
        if value is None:
            found.pop(key, None)
        else:
            assert len(value) <= PATCHES["entitlements.ledger.snapshots.FRAME_BYTES_MAX"]
            found[key] = WIRE.decode_plain(value)
    return found


def has_mark_of_all(settings: Settings) -> bool:
    found = newest(settings)
    if "mark" not in found or found["mark"].record["events"] < len(driving.read_ledger(settings).events[0]):
        return False
    return found.keys() >= chunks_of(settings)


def chunks_of(settings: Settings) -> set[str]:
    """The keys of the chunks that the snapshots name: all are there, and hold all ids but the last few."""
    found = newest(settings)
    named = {
        chunk_key(key, name) for key, each in found.items() if each.name == SNAPSHOT for name in names_in(each.record)
    }
    there = {key for key, name in found.items() if name.name == CHUNK}
    return named if named <= there and len(named) >= IDS // ROWS - 1 else set()


def states(partition: Partition) -> dict[str, Any]:
    pools = partition.aggregates["pool"].values()
    return {pool.id: (dump_state(pool), list(pool.usage_ids.items())) for pool in pools}


def recovered(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Partition:
    """By the snapshots: what is folded beside them is little."""
    used_snapshots: list[Any] = []
    with monkeypatch.context() as patched:
        real = recovery.restore
        patched.setattr(recovery, "restore", lambda *given: used_snapshots.append(real(*given)) or used_snapshots[-1])
        partition = recover(settings, 0, threading.Event())
    assert used_snapshots != [NOTHING], "the snapshots were not used: nothing was tested"
    return partition


def folded_alone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Partition:
    with monkeypatch.context() as patched:
        patched.setattr(recovery, "restore", lambda *_: NOTHING)
        return recover(settings, 0, threading.Event())
