"""What exists on the broker and how it is kept (docs/architecture.md 4). Topics are created by us, never by writing to them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from entitlements.errors import EntitlementsError
from entitlements.ledger import clients
from entitlements.settings import FRAME_BYTES_MAX, Settings

_DAY_MS: Final = 86_400_000
_FOR_EVER: Final = -1
#: Above RECORD_BYTES_MAX on purpose: what is too large for us arrives, and goes to the quarantine with its bytes.
_MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024


class TopicDiffers(EntitlementsError):
    """A topic has the wrong number of partitions or timestamp type."""

    code = "topic_differs"


@dataclass(frozen=True)
class Topic:
    """One of our topics: what it is for, how long it keeps records (milliseconds), and other settings."""

    name: str
    content: str
    retention_ms: int = _FOR_EVER
    compacted: bool = False
    keyed: bool = True
    config: dict[str, str] = field(default_factory=dict)


TOPICS: Final = (
    Topic("commands", "commands", 7 * _DAY_MS, config={"message.timestamp.type": "LogAppendTime"}),
    Topic("ledger", "ledger frames", config={"max.message.bytes": str(FRAME_BYTES_MAX)}),
    Topic(
        "events",
        "business events",
        30 * _DAY_MS,
        # What fits into a frame fits here: the publisher would stand before it for ever.
        config={"max.message.bytes": str(FRAME_BYTES_MAX)},
    ),
    Topic("usage", "metering events", 30 * _DAY_MS, config={"max.message.bytes": str(FRAME_BYTES_MAX)}),
    Topic("outcomes", "outcomes of commands", 3_600_000, config={"max.message.bytes": str(FRAME_BYTES_MAX)}),
    Topic("changes", "changes of customers' entitlements", 30 * _DAY_MS),
    Topic("snapshots", "snapshots of state", compacted=True, config={"max.message.bytes": str(FRAME_BYTES_MAX)}),
    Topic("access-log", "access decisions", 90 * _DAY_MS),
    Topic(
        "quarantine",
        "records that could not be processed",
        90 * _DAY_MS,
        keyed=False,
        config={"max.message.bytes": str(FRAME_BYTES_MAX)},
    ),
)


def create_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing and hold those that exist against what we need; returns the names created.

    Raises TopicDiffers: a changed number of partitions would move pools to other partitions, for ever wrong.
    """
    admin = clients.admin(settings)
    existing = admin.list_topics(timeout=15).topics
    names = missing_topics(settings, {name: len(known.partitions) for name, known in existing.items()})
    missing = [topic for topic in TOPICS if settings.topic(topic.name) in names]
    if missing:
        futures = admin.create_topics([_new(topic, settings) for topic in missing], operation_timeout=30)
        for name, future in futures.items():
            try:
                future.result(30)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise TopicDiffers(f"{name} cannot be created: {error.args[0].str()}") from error
    _check_clock(admin, settings)
    return names


def missing_topics(settings: Settings, partitions: Mapping[str, int]) -> list[str]:
    """The full names of our topics that are not among these. Raises TopicDiffers for one with other partitions."""
    for topic in TOPICS:
        name = settings.topic(topic.name)
        if partitions.get(name, wanted := _partitions(topic, settings)) != wanted:
            raise TopicDiffers(
                f"{name} has {partitions[name]} partitions, but ENTITLEMENTS_PARTITIONS is {wanted}. Set it to the number of"
                " the topic, or set ENTITLEMENTS_TOPIC_PREFIX for a new installation."
            )
    return [name for topic in TOPICS if (name := settings.topic(topic.name)) not in partitions]


def _partitions(topic: Topic, settings: Settings) -> int:
    return settings.partitions if topic.keyed else 1


def _new(topic: Topic, settings: Settings) -> NewTopic:
    config = {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "retention.ms": str(topic.retention_ms),
        "max.message.bytes": str(_MESSAGE_BYTES_MAX),
    }
    return NewTopic(
        settings.topic(topic.name),
        num_partitions=_partitions(topic, settings),
        replication_factor=settings.replication_factor,
        config=config | topic.config,
    )


def _check_clock(admin: AdminClient, settings: Settings) -> None:
    """Decisions are made by the log's clock; commands stamped by their senders would let senders choose the time."""
    resource = ConfigResource(ResourceType.TOPIC, settings.topic("commands"))
    config = _described(admin, resource)
    if config["message.timestamp.type"].value != "LogAppendTime":
        raise TopicDiffers(f"{resource.name} must have message.timestamp.type=LogAppendTime")


def _described(admin: AdminClient, resource: ConfigResource, within: float = 15.0) -> Any:
    """The settings of a topic. A broker may have created it and not yet know it: so long (seconds) it is asked again."""
    until = time.monotonic() + within
    while True:
        try:
            return admin.describe_configs([resource])[resource].result(15)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART or time.monotonic() > until:
                raise
        time.sleep(0.05)
