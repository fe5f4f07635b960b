"""What readers of topics get to see of an API key."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, TopicPartition

from entitlements.ledger import clients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.api.conftest import Account
    from tests.serving import Service

#: Topics that a consumer outside the service may be given. The others are between our processes.
PUBLIC = ("events", "usage", "changes")


def everything_in(service: Service, topic: str) -> Iterator[bytes]:
    """Key, value and headers of every record that a topic has now."""
    consumer: Consumer = clients.reader(service.settings)
    name = service.settings.topic(topic)
    try:
        for number in consumer.list_topics(name, timeout=10).topics[name].partitions:
            at, end = clients.watermarks(consumer, TopicPartition(name, number))
            consumer.assign([TopicPartition(name, number, at)])
            while at < end:
                for message in consumer.consume(1_000, timeout=1.0):
                    assert message.error() is None
                    at = int(message.offset() or 0) + 1
                    headers = b"".join(value or b"" for _, value in message.headers() or [])
                    yield (message.key() or b"") + (message.value() or b"") + headers
    finally:
        consumer.close()


def test_neither_the_secret_of_an_api_key_nor_its_hash_is_in_a_public_topic(service: Service, account: Account) -> None:
    key = account.key("read", "use")
    _, key_id, secret = key.split("_", 2)
    digest = hashlib.sha256(secret.encode()).hexdigest().encode()
    assert any(digest in record for record in everything_in(service, "ledger")), "the engine needs it"
    until = time.monotonic() + 20
    while not any(key_id.encode() in record for record in everything_in(service, "events")):
        assert time.monotonic() < until, "the event of the key is published"
    for topic in PUBLIC:
        for record in everything_in(service, topic):
            assert digest not in record, topic
            assert secret.encode() not in record, topic
