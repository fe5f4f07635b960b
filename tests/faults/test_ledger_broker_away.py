"""The broker goes away and comes back: commands wait or answer outcome_unknown, processes come back by themselves."""

import time
from collections.abc import Callable

import pytest
from tests.faults import driving
from tests.faults.driving import INTERNAL, Traffic, eventually

from entitlements.local import LocalKafka

AWAY_FOR = 2.0
#: As after an outage that is longer than clients have patience: what is under way is given up.
IMPATIENT = {"entitlements.ledger.clients.DELIVERED_WITHIN_FOR": 0.7}


@pytest.mark.parametrize(
    ("leave", "patches"),
    [(LocalKafka.stop, {}), (LocalKafka.kill, IMPATIENT)],
    ids=["stopped for a while", "killed for longer than records are kept back"],
)
def test_everybody_goes_on_when_the_broker_is_back(
    own_kafka: LocalKafka, topic_prefix: str, leave: Callable[[LocalKafka], None], patches: dict[str, float]
) -> None:
    settings = driving.settings_for(own_kafka.bootstrap, topic_prefix, answer_timeout_for=2.0)
    traffic = Traffic(settings)
    with (
        driving.engine(settings, patches) as engine,
        driving.publisher(settings, patches) as publisher,
        traffic.flowing(),
    ):
        traffic.go_on(50)
        leave(own_kafka)
        with driving.engine(settings) as started_meanwhile:
            time.sleep(AWAY_FOR)
            own_kafka.restart()
            traffic.go_on(50)
            assert engine.is_running, engine.said
            engine.stop()
            traffic.go_on(50)
            assert started_meanwhile.is_running, started_meanwhile.said
            traffic.end()
        truth = driving.read_ledger(settings)
        traffic.check(truth)
        assert traffic.unknown > 0
        eventually(lambda: everything_is_published(settings, truth), every=0.2)
        assert publisher.is_running, publisher.said
        assert ("Begins anew" in publisher.said) == bool(patches)


def everything_is_published(settings: driving.Settings, truth: driving.Truth) -> bool:
    both = [driving.published(settings, topic) for topic in ("events", "usage")]
    return all(
        {(e.offset, e.index) for e in events if e.name not in INTERNAL}
        == {(e.offset, e.index) for found in both for e in found[partition]}
        for partition, events in truth.events.items()
    )
