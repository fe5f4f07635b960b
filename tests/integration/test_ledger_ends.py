"""Where topics end is known at once, every time it is asked, as long as the broker is well."""

from __future__ import annotations

import time

from tests.faults import driving
from tests.faults.driving import eventually

from entitlements.errors import ServerIsAway
from entitlements.ledger import clients
from entitlements.ledger.ends import TopicEnds
from entitlements.settings import Settings

ASKED = 300
LATE_FOR = 0.9


def test_who_asks_where_topics_end_is_answered_every_time_and_soon(kafka: str, topic_prefix: str) -> None:
    ends, _ = asking(kafka, topic_prefix)
    late = [seconds for seconds in (seconds_of_asking(ends) for _ in range(ASKED)) if seconds > LATE_FOR]
    assert len(late) < ASKED / 100, "one in fifteen, when an AdminClient asked"


def test_the_ends_are_those_after_the_last_record(kafka: str, topic_prefix: str) -> None:
    ends, settings = asking(kafka, topic_prefix)
    producer = clients.producer(settings)
    for written in range(1, 4):
        producer.produce(settings.topic("ledger"), b"x", partition=1)
        producer.flush(10.0)
        assert ends.of("ledger", range(2)) == {0: 0, 1: written}


def asking(kafka: str, topic_prefix: str) -> tuple[TopicEnds, Settings]:
    """Somebody who has been answered once: the topics were created this moment."""
    settings = driving.settings_for(kafka, topic_prefix)
    ends = TopicEnds(settings, within_for=2.0)
    eventually(lambda: knows(ends), within=10.0, every=0.2)
    return ends, settings


def knows(ends: TopicEnds) -> bool:
    try:
        return set(ends.of("ledger", range(driving.PARTITIONS))) == set(range(driving.PARTITIONS))
    except ServerIsAway:
        return False


def seconds_of_asking(ends: TopicEnds) -> float:
    began = time.monotonic()
    ends.of("ledger", range(driving.PARTITIONS))
    return time.monotonic() - began
