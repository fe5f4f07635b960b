"""Whoever asks where topics end goes on when the broker is back: a client that saw a leader go would be refused for ever."""

from __future__ import annotations

import time

import pytest
from tests.faults import driving
from tests.faults.driving import eventually

from entitlements.errors import ServerIsAway
from entitlements.ledger.ends import TopicEnds
from entitlements.local import LocalKafka
from entitlements.operations.lag import ProjectionLag
from entitlements.settings import Settings
from entitlements_projections.migrations import migrate


def killed_and_back(broker: LocalKafka) -> None:
    broker.kill()
    time.sleep(1.0)
    broker.restart()


def test_the_ends_of_topics_are_known_again(own_kafka: LocalKafka, topic_prefix: str) -> None:
    settings = driving.settings_for(own_kafka.bootstrap, topic_prefix)
    ends = TopicEnds(settings, within_for=2.0)
    eventually(lambda: known(ends), within=10.0, every=0.2)  # The topics were created this moment.
    killed_and_back(own_kafka)
    eventually(lambda: known(ends), within=30.0, every=0.5)


def known(ends: TopicEnds) -> bool:
    try:
        return ends.of("ledger", range(driving.PARTITIONS)) == dict.fromkeys(range(driving.PARTITIONS), 0)
    except ServerIsAway:
        return False


def test_the_lag_is_known_again(
    own_kafka: LocalKafka, topic_prefix: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database)
    monkeypatch.setattr("entitlements.operations.lag.ANSWER_WITHIN_FOR", 1.0)
    driving.settings_for(own_kafka.bootstrap, topic_prefix)  # Makes the topics.
    settings = Settings(
        kafka=own_kafka.bootstrap, postgres=database, topic_prefix=topic_prefix, partitions=driving.PARTITIONS
    )
    lag = ProjectionLag(settings)
    try:
        eventually(lambda: lag.seconds is not None, within=10.0)
        own_kafka.kill()
        eventually(lambda: lag.seconds is None, within=15.0)
        own_kafka.restart()
        eventually(lambda: lag.seconds is not None, within=30.0)
    finally:
        lag.close()
