"""Two engines where one is meant: by mistake, after a long stop, and while partitions change hands."""

import os
import signal
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from tests.faults import driving
from tests.faults.driving import Traffic, eventually, line, open_pool, provision, quota, use

from entitlements.domain.commands import RecordUsageBatch
from entitlements.domain.values import UsageGroup
from entitlements.ledger.caller import Caller, new_id
from entitlements.settings import Settings


def test_two_engines_on_the_same_partitions_count_nothing_twice(kafka: str, topic_prefix: str) -> None:
    settings = driving.settings_for(kafka, topic_prefix, answer_timeout_for=2.0)
    traffic = Traffic(settings)
    with driving.engine(settings) as one, driving.engine(driving.of_another_group(settings)) as other:
        with traffic.flowing():
            driving.eventually(lambda: sum(p.said.count("restarts from the log") for p in (one, other)) > 20)
            driving.eventually(lambda: len(traffic.offered) > 8)
        truth = driving.read_ledger(settings)
        traffic.check(truth)
        assert truth.rivals > 0, "they never met: nothing was tested"
        assert one.is_running
        assert other.is_running


def test_an_engine_woken_after_another_took_over_is_dropped_and_starts_over(kafka: str, topic_prefix: str) -> None:
    settings = driving.settings_for(kafka, topic_prefix, answer_timeout_for=2.0)
    traffic = Traffic(settings)
    about_to_write = partial(driving.stop_itself, "entitlements.ledger.engine.UnderWay", 200)
    with driving.engine(settings, prepare=about_to_write) as first, traffic.flowing():
        driving.eventually(lambda: driving.is_stopped(first))
        with driving.engine(settings) as second:
            traffic.go_on(50)
            first.resume()
            known = first.said.count("recovered to command")
            driving.eventually(lambda: first.said.count("recovered to command") > known)
            traffic.go_on(100)
            assert second.is_running
        assert first.is_running
    truth = driving.read_ledger(settings)
    traffic.check(truth)
    assert len(truth.engines) == 2
    assert truth.rivals > 0, "it wrote nothing when it woke: nothing was tested"


def test_partitions_are_shared_with_engines_that_join_and_leave(kafka: str, topic_prefix: str) -> None:
    settings = driving.settings_for(kafka, topic_prefix, answer_timeout_for=1.0)
    traffic = Traffic(settings)

    with driving.engine(settings) as host:
        with traffic.flowing():
            traffic.go_on(30)  # Else a guest may be there before the first frame, with nothing to recover.
            for _ in range(2):
                with driving.engine(settings) as guest:
                    driving.eventually(lambda guest=guest: "recovered to command" in guest.said)
                    traffic.go_on(100)
                traffic.go_on(100)
        assert host.is_running
        assert host.said.count("recovered to command") > driving.PARTITIONS, (
            "it never got anything back: nothing was tested"
        )
    truth = driving.read_ledger(settings)
    traffic.check(truth)
    assert len(truth.engines) == 3


def sleep_in_a_round_and_die_after_it(flag: Path) -> None:
    """Once the flag is there: stop in the middle of a round of snapshots, end the round when woken, and die."""
    written = count()
    asleep: list[bool] = []
    dump, work = (
        driving.patch(f"entitlements.ledger.snapshots.{name}", None) for name in ("dump_state", "Snapshots.work")
    )

    def dump_state(aggregate: Any) -> bytes:
        if flag.exists() and next(written) == 1:
            asleep.append(True)
            os.kill(os.getpid(), signal.SIGSTOP)
        return dump(aggregate)  # type: ignore[no-any-return]

    def work_and_die(self: Any) -> None:
        work(self)
        if asleep:
            self.producer.flush(10)
            os.kill(os.getpid(), signal.SIGKILL)

    driving.patch("entitlements.ledger.snapshots.dump_state", dump_state)
    driving.patch("entitlements.ledger.snapshots.Snapshots.work", work_and_die)


def test_old_snapshots_over_newer_ones_are_noticed(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    settings = driving.settings_for(kafka, topic_prefix, partitions=1)
    pools, flag = [f"p{n}" for n in range(6)], tmp_path / "flag"
    often = {"entitlements.ledger.snapshots.ROUND_EVERY_FOR": 0.2, "entitlements.ledger.snapshots.SLICE_FOR": 60.0}
    first = driving.engine(settings, often, prepare=partial(sleep_in_a_round_and_die_after_it, flag))
    with first, Caller(settings) as caller:
        for make in (open_pool, lambda pool: provision(pool, quota(100))):
            caller.call_all([make(pool) for pool in pools])
        eventually(lambda: events_of_the_mark(settings) == len(driving.read_ledger(settings).events[0]))
        flag.touch()
        caller.call(use_each(pools, 1), partition=0)
        eventually(lambda: driving.is_stopped(first))
        with driving.engine(settings, often) as second:
            caller.call(use_each(pools, 10), partition=0)
            eventually(lambda: events_of_the_mark(settings) == len(driving.read_ledger(settings).events[0]))
            before = driving.end_of(settings, "snapshots", 0)
            first.resume()
            assert first.ended() == -signal.SIGKILL
            assert driving.end_of(settings, "snapshots", 0) > before + 2, "it wrote nothing: nothing was tested"
            caller.call(use(pools[0], line(20)))
            eventually(lambda: events_of_the_mark(settings) == len(driving.read_ledger(settings).events[0]))
            second.stop()
        with driving.engine(settings) as third:
            caller.call(use_each(pools, 30), partition=0)
            assert "Ignoring snapshots of partition 0" in third.said
    totals = driving.read_ledger(settings).totals
    assert [totals[pool, "api_calls"] for pool in pools] == [61, 41, 41, 41, 41, 41]


def use_each(pools: list[str], quantity: int) -> RecordUsageBatch:
    """One command, and so one frame."""
    groups = [UsageGroup(pool_id=pool, lines=[line(quantity)]) for pool in pools]
    return RecordUsageBatch(command_id=new_id(), groups=groups)


def events_of_the_mark(settings: Settings) -> int | None:
    """How many events the newest mark of partition 0 knows of."""
    marks = [m.value() for m in driving.read_all(settings, "snapshots")[0] if m.key() == b"mark"]
    return driving.WIRE.decode_plain(marks[-1]).record["events"] if marks else None
