"""Has every process taken up its work, and has it done what there is? Asked of the broker and of Postgres."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import Final

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from entitlements.errors import EntitlementsError
from entitlements.ledger import clients
from entitlements.settings import INSTALLATION_HEADER, Settings

#: The processes that share their work out by a consumer group of their own name.
GROUPS: Final = ("engine", "publisher", "projector", "changes", "access-log")
_ASK_WITHIN_FOR: Final = 10.0
_LOOK_EVERY_FOR: Final = 0.1


class NotReadyYet(EntitlementsError):
    """A process was not ready in time."""

    code = "not_ready_yet"


def wait_until_at_work(
    settings: Settings, names: Iterable[str], timeout_for: float, check: Callable[[], None] = lambda: None
) -> None:
    """Wait until each process has its share of the work. Raises NotReadyYet, with the names of those that have none.

    check: raises when there is no use in waiting any longer.
    """
    waiting = [name for name in names if name in {*GROUPS, "api", "registry"}]
    deadline = time.monotonic() + timeout_for
    while waiting := [name for name in waiting if not _is_at_work(settings, name)]:
        check()
        if time.monotonic() > deadline:
            raise NotReadyYet(f"{', '.join(waiting)} after {timeout_for:.0f} s; see the logs.")
        time.sleep(_LOOK_EVERY_FOR)


def _is_at_work(settings: Settings, name: str) -> bool:
    if name == "api":
        return _answers(settings.api_host, settings.api_port, "/healthz", settings.installation)
    if name == "registry":
        return _answers(settings.registry_host, settings.registry_port, "/", settings.installation)
    group = settings.group(name)
    admin = clients.admin(settings)  # Its answers end with it.
    try:
        described = admin.describe_consumer_groups([group], request_timeout=_ASK_WITHIN_FOR)[group].result(
            _ASK_WITHIN_FOR
        )
    except (KafkaException, TimeoutError):
        return False  # Nobody has joined yet.
    return described.state == ConsumerGroupState.STABLE and any(
        member.assignment is not None and member.assignment.topic_partitions for member in described.members
    )


def _answers(host: str, port: int, path: str, installation: str) -> bool:
    """Whether we answer there, and not another installation that was faster to the port."""
    import httpx

    place = f"[{host}]" if ":" in host else host
    try:
        answer = httpx.get(f"http://{place}:{port}{path}", timeout=_ASK_WITHIN_FOR)
    except httpx.HTTPError:
        return False
    return answer.is_success and answer.headers.get(INSTALLATION_HEADER, "") == installation


def wait_until_published(settings: Settings, ends: Mapping[int, int], timeout_for: float) -> None:
    """Wait until every event up to these offsets of the ledger is published, by partition. Raises NotReadyYet."""
    _wait_until_handled(settings, "publisher", "ledger", {p: end + 1 for p, end in ends.items()}, timeout_for)


def wait_until_changes_are_told(settings: Settings, timeout_for: float) -> None:
    """Wait until the changes of every published event are written. Raises NotReadyYet.

    Its two steps one after the other: the first has written all facts once it is done with the events.
    """
    for topic in ("events", "changes-facts"):
        _wait_until_handled(settings, "changes", topic, _ends(settings, topic), timeout_for)


def _wait_until_handled(
    settings: Settings, process: str, topic: str, goals: Mapping[int, int], timeout_for: float
) -> None:
    """Wait until the group of a process has committed these next offsets of a topic; 0: there is nothing to do."""
    wanted = {partition: goal for partition, goal in goals.items() if goal > 0}
    deadline = time.monotonic() + timeout_for
    while True:
        committed = _committed(settings, process, topic, wanted)
        behind = {
            partition: goal - committed[partition] for partition, goal in wanted.items() if committed[partition] < goal
        }
        if not behind:
            return
        if time.monotonic() > deadline:
            raise NotReadyYet(f"{process} is {sum(behind.values())} records of {settings.topic(topic)} behind.")
        time.sleep(_LOOK_EVERY_FOR)


def _committed(settings: Settings, process: str, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    group = settings.group(process)
    places = [TopicPartition(settings.topic(topic), partition) for partition in partitions]
    if not places:
        return {}
    admin = clients.admin(settings)  # Its answers end with it.
    asked = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, places)], request_timeout=_ASK_WITHIN_FOR
    )
    answer = asked[group].result()
    return {place.partition: max(place.offset, 0) for place in answer.topic_partitions}


def _ends(settings: Settings, topic: str) -> dict[int, int]:
    with closing(clients.reader(settings)) as consumer:
        places = [TopicPartition(settings.topic(topic), partition) for partition in range(settings.partitions)]
        return {place.partition: clients.watermarks(consumer, place)[1] for place in places}
