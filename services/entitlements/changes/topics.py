"""The topics that only this part uses: facts between the two steps, and the rows that each step remembers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from entitlements.errors import ServerIsAway
from entitlements.kafka.properties import properties_of
from entitlements.settings import FRAME_BYTES_MAX

if TYPE_CHECKING:
    from entitlements.settings import Settings

log = logging.getLogger(__name__)

_ANSWER_FOR_MAX: Final = 5.0
_DAY_MS: Final = 24 * 60 * 60 * 1000
#: Facts are needed only until they are handled; a month leaves time for any repair.
_FACTS_KEPT_DAYS: Final = 30
_RECORD_BYTES: Final = {"max.message.bytes": str(FRAME_BYTES_MAX), "message.timestamp.type": "CreateTime"}

#: Topics of everybody with one partition for each of the ledger's; `entitlements topics` makes them.
KEYED: Final = ("events", "changes")
OWN: Final[dict[str, dict[str, str]]] = {
    "changes-facts": {"cleanup.policy": "delete", "retention.ms": str(_FACTS_KEPT_DAYS * _DAY_MS), **_RECORD_BYTES},
    # An old version of a row that was written late must stay beside the newer one until the next load (tables.py).
    "changes-pools": {"cleanup.policy": "compact", "min.compaction.lag.ms": str(_DAY_MS), **_RECORD_BYTES},
    "changes-workspaces": {"cleanup.policy": "compact", "min.compaction.lag.ms": str(_DAY_MS), **_RECORD_BYTES},
}


class TopicsAreMissing(ServerIsAway):
    """Topics are missing or have the wrong number of partitions. Run `entitlements topics`."""

    code = "topics_are_missing"


def create_topics(settings: Settings) -> None:
    """Make the topics that only this part uses; those that exist stay as they are. Raises ServerIsAway."""
    admin = _admin(settings)
    wanted = [
        NewTopic(
            settings.topic(name),
            num_partitions=settings.partitions,
            replication_factor=settings.replication_factor,
            config=config,
        )
        for name, config in OWN.items()
    ]
    try:
        for made in admin.create_topics(
            wanted, operation_timeout=_ANSWER_FOR_MAX, request_timeout=_ANSWER_FOR_MAX
        ).values():
            try:
                made.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
    except KafkaException as error:
        raise ServerIsAway(f"{settings.kafka}: {error.args[0]}") from error


def require_topics(settings: Settings) -> None:
    """Raises TopicsAreMissing when a topic that we read or write is not there as the settings say, or ServerIsAway."""
    try:
        found = _admin(settings).list_topics(timeout=_ANSWER_FOR_MAX).topics
    except KafkaException as error:
        raise ServerIsAway(f"{settings.kafka}: {error.args[0]}") from error
    has = {topic: len(metadata.partitions) for topic, metadata in found.items()}
    wrong = [
        f"{topic} has {has.get(topic, 0)} partitions, not {settings.partitions}"
        for topic in map(settings.topic, (*KEYED, *OWN))
        if has.get(topic, 0) != settings.partitions
    ]
    if settings.topic("quarantine") not in has:
        wrong.append(f"{settings.topic('quarantine')} is not there")
    if wrong:
        raise TopicsAreMissing("; ".join(wrong))


def record_bytes_max(settings: Settings, name: str) -> int:
    """What the broker takes for one record of a topic, in bytes. Raises ServerIsAway."""
    resource = ConfigResource(ResourceType.TOPIC, settings.topic(name))
    admin = _admin(settings)  # Its answers end with it.
    try:
        answer: Any = admin.describe_configs([resource], request_timeout=_ANSWER_FOR_MAX)[resource].result()
    except KafkaException as error:
        raise ServerIsAway(f"{settings.kafka}: {error.args[0]}") from error
    return min(int(answer["max.message.bytes"].value), FRAME_BYTES_MAX)


def _admin(settings: Settings) -> AdminClient:
    return AdminClient(properties_of(settings) | {"logger": logging.getLogger("entitlements.kafka")})
