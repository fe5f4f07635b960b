"""Plain Avro consumers on a real broker: nothing of ours in them, only the broker's and the registry's addresses."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import fastavro
import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import DeserializingConsumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from tests.registries import a_registry

from entitlements.settings import Settings
from entitlements_schemas import Wire, cloudevents
from entitlements_schemas.catalogue import CUSTOMER_KEY
from entitlements_schemas.testing import TERMS

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CAUSE = {
    "effective_at": NOW,
    "pool_id": "p-1",
    "cause_event_id": "pool/p-1/3",
    "ledger_partition": 0,
    "ledger_offset": 17,
}
KEY = {"organization_id": "acme-inc", "customer_id": "w-1"}
WRITTEN: list[tuple[str, dict[str, Any]]] = [
    (
        "entitlements.changes.EntitlementGranted",
        {
            "change_id": "1",
            "organization_id": "acme-inc",
            "customer_id": "w-1",
            "resource_key": "api_calls",
            "entitlement_type": "quota",
            "before": None,
            "after": {"limit": 50, "soft_limit": None, "hard_limit": 50, "period": "day", **TERMS},
            **CAUSE,
        },
    ),
    (
        "entitlements.changes.QuotaExceeded",
        {
            "change_id": "2",
            "organization_id": "acme-inc",
            "customer_id": "w-1",
            "resource_key": "api_calls",
            "period_start": NOW,
            "period_end": NOW,
            "limit": 50,
            "consumed": 50,
            "requested": 1,
            **CAUSE,
        },
    ),
]


@pytest.fixture
def registry_url() -> Iterator[str]:
    with a_registry() as address:
        yield address


@pytest.fixture
def topic(kafka: str, topic_prefix: str) -> str:
    """A topic that holds WRITTEN, as the service writes it."""
    name = Settings(topic_prefix=topic_prefix).topic("changes")
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    producer = Producer({"bootstrap.servers": kafka, "acks": "all"})
    wire = Wire()
    for schema, record in WRITTEN:
        headers = cloudevents.headers(id=record["change_id"], type=schema, source="/entitlements", time=NOW)
        producer.produce(name, wire.encode(schema, record), wire.encode(CUSTOMER_KEY, KEY), headers=headers)
    assert producer.flush(30) == 0
    return name


def test_a_consumer_of_fastavro_and_urllib_reads_the_changes(kafka: str, topic: str, registry_url: str) -> None:
    schemas: dict[int, Any] = {}

    def decode(value: bytes) -> Any:
        schema_id = int.from_bytes(value[1:5], "big")
        if schema_id not in schemas:
            with urlopen(f"{registry_url}/schemas/ids/{schema_id}", timeout=10) as answer:
                schemas[schema_id] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
        return fastavro.schemaless_reader(BytesIO(value[5:]), schemas[schema_id], None)

    async def consume() -> list[Any]:
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
        await consumer.start()
        try:
            return [await asyncio.wait_for(consumer.getone(), 30) for _ in WRITTEN]
        finally:
            await consumer.stop()

    read = asyncio.run(consume())
    assert [decode(message.value) for message in read] == [record for _, record in WRITTEN]
    assert [decode(message.key) for message in read] == [KEY for _ in WRITTEN]
    assert [dict(message.headers)["ce_type"].decode() for message in read] == [schema for schema, _ in WRITTEN]


def test_confluents_deserializing_consumer_reads_the_changes(kafka: str, topic: str, registry_url: str) -> None:
    with SchemaRegistryClient({"url": registry_url}) as client:
        consumer = DeserializingConsumer(
            {
                "bootstrap.servers": kafka,
                "group.id": topic,
                "auto.offset.reset": "earliest",
                "key.deserializer": AvroDeserializer(client),
                "value.deserializer": AvroDeserializer(client),
            }
        )
        consumer.subscribe([topic])
        try:
            read = [consumer.poll(30) for _ in WRITTEN]
        finally:
            consumer.close()
    assert [message.value() for message in read] == [record for _, record in WRITTEN]
    assert [message.key() for message in read] == [KEY for _ in WRITTEN]
