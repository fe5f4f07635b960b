"""The broker goes away and comes back: commands wait or answer outcome_unknown, processes come back by themselves."""

import time
from typing import Any

from tests.faults import driving
from tests.faults.driving import Traffic, eventually, line, open_pool, provision, quota, use
from tests.standing_still import standing_still

from entitlements.ledger.caller import Caller
from entitlements.ledger.publisher import INTERNAL
from entitlements.local import LocalKafka

AWAY_FOR = 0.7
#: As in an outage that is longer than clients have patience: what is under way is given up.
IMPATIENT = {"entitlements.ledger.clients.DELIVERED_WITHIN_FOR": 0.7}


def test_everybody_goes_on_when_the_broker_is_back(own_kafka: LocalKafka, topic_prefix: str) -> None:
    settings = driving.settings_for(own_kafka.bootstrap, topic_prefix, answer_timeout_for=1.0)
    traffic = Traffic(settings)
    with (
        driving.engine(settings) as engine,
        driving.publisher(settings) as publisher,
        traffic.flowing(),
    ):
        traffic.go_on(50)
        own_kafka.stop()
        with driving.engine(settings, IMPATIENT) as started_meanwhile:
            time.sleep(AWAY_FOR)
            own_kafka.restart()
            traffic.go_on(50)
            assert engine.is_running, engine.said
            engine.stop()
            traffic.go_on(50)
            own_kafka.kill()
            time.sleep(AWAY_FOR)
            own_kafka.restart()
            traffic.go_on(50)
            assert started_meanwhile.is_running, started_meanwhile.said
            traffic.end()
        truth = driving.read_ledger(settings)
        traffic.check(truth)
        assert traffic.unknown > 0
        eventually(lambda: everything_is_published(settings, truth), every=0.2)
        assert publisher.is_running, publisher.said


def everything_is_published(settings: driving.Settings, truth: driving.Truth) -> bool:
    both = [driving.published(settings, topic) for topic in ("events", "usage")]
    return all(
        {(e.offset, e.index) for e in events if e.name not in INTERNAL}
        == {(e.offset, e.index) for found in both for e in found[partition]}
        for partition, events in truth.events.items()
    )


def publish_slowly() -> None:
    """So that what waits to be written was put there over seconds, and its patience ends one after the other."""
    real: Any = None

    def publish(self: Any, frame: Any) -> None:
        time.sleep(0.01)
        real(self, frame)

    real = driving.patch("entitlements.ledger.publisher.Publisher._publish", publish)


def test_no_event_is_left_out_when_the_broker_stands_still(own_kafka: LocalKafka, topic_prefix: str) -> None:
    settings = driving.settings_for(own_kafka.bootstrap, topic_prefix, partitions=1)
    with driving.engine(settings), Caller(settings) as caller:
        caller.call_all([open_pool("p"), provision("p", quota(None))])
        for _ in range(200):
            caller.call(use("p", line()))
    with driving.publisher(settings, IMPATIENT, prepare=publish_slowly) as publisher:
        eventually(lambda: driving.end_of(settings, "usage", 0) > 20)
        assert own_kafka.pid is not None
        with standing_still(own_kafka.pid):
            time.sleep(1.3)
        truth = driving.read_ledger(settings)
        wanted = [event for event in truth.events[0] if event.name == "UsageRecorded"]
        eventually(lambda: driving.published(settings, "usage")[0][-1].offset == wanted[-1].offset, every=0.2)
        assert driving.without_repeats(driving.published(settings, "usage")[0]) == wanted
        assert publisher.is_running, publisher.said
