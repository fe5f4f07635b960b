"""Whoever asks where topics end goes on when the broker is back: a client that saw a leader go would be refused for ever."""

from __future__ import annotations

import pytest
from tests.faults import driving
from tests.faults.driving import eventually

from entitlements.errors import ServerIsAway
from entitlements.ledger.ends import TopicEnds
from entitlements.local import LocalKafka
from entitlements.operations.lag import ProjectionLag
from entitlements.settings import Settings
from entitlements_projections.migrations import migrate


def test_the_ends_of_topics_and_the_lag_are_known_again(
    own_kafka: LocalKafka, topic_prefix: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database)
    monkeypatch.setattr("entitlements.operations.lag.ANSWER_WITHIN_FOR", 1.0)
    settings = driving.settings_for(own_kafka.bootstrap, topic_prefix, postgres=database)
    ends, lag = TopicEnds(settings, within_for=2.0), ProjectionLag(settings)
    try:
        # Both asked before the broker goes.
        eventually(lambda: known(ends, settings) and lag.seconds is not None, within=10.0, every=0.2)
        own_kafka.kill()
        eventually(lambda: not known(ends, settings) and lag.seconds is None, within=15.0)
        own_kafka.restart()
        eventually(lambda: known(ends, settings), within=30.0, every=0.2)
        eventually(lambda: lag.seconds is not None, within=30.0)
    finally:
        lag.close()


def known(ends: TopicEnds, settings: Settings) -> bool:
    try:
        return ends.of("ledger", range(settings.partitions)) == dict.fromkeys(range(settings.partitions), 0)
    except ServerIsAway:
        return False
