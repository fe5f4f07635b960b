"""Two engines where one is meant: by mistake, after a long stop, and while partitions change hands."""

from functools import partial

from tests.faults import driving
from tests.faults.driving import Traffic

from entitlements.ledger.partition import Partition
from entitlements.ledger.states import dump_state


def test_two_engines_on_the_same_partitions_count_nothing_twice(kafka: str, topic_prefix: str) -> None:
    settings = driving.settings_for(kafka, topic_prefix, answer_timeout_for=2.0)
    traffic = Traffic(settings)
    with driving.engine(settings) as one, driving.engine(driving.of_another_group(settings)) as other:
        with traffic.flowing():
            driving.eventually(lambda: sum(p.said.count("starts over from the log") for p in (one, other)) > 20)
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
            known = first.said.count("stands at")
            driving.eventually(lambda: first.said.count("stands at") > known)
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
            for _ in range(2):
                with driving.engine(settings) as guest:
                    driving.eventually(lambda guest=guest: "stands at" in guest.said)
                    traffic.go_on(100)
                traffic.go_on(100)
        assert host.is_running
        assert host.said.count("stands at") > driving.PARTITIONS, "it never got anything back: nothing was tested"
    truth = driving.read_ledger(settings)
    traffic.check(truth)
    assert len(truth.engines) == 3


def states(partition: Partition) -> dict[str, bytes]:
    return {a.id: dump_state(a) for of_kind in partition.aggregates.values() for a in of_kind.values()}
