"""Kafka clients with our settings. Everybody who talks to Kafka on the hot path gets its client here."""

from __future__ import annotations

import logging
import operator
import time
from collections.abc import Callable
from threading import Event
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from entitlements.errors import ServerIsAway
from entitlements.kafka.properties import properties_of
from entitlements.settings import FRAME_BYTES_MAX, Settings

_log = logging.getLogger("entitlements.kafka")
_process_log = logging.getLogger(__name__)
# The client gives half a list and an error at once. Calls that the interpreter has specialised do not look for errors
# beside a result; this one does.
_headers: Final[Callable[[Message], Any]] = operator.methodcaller("headers")
#: Stands for the headers of a record that cannot be read.
UNREADABLE: Final = "unreadable"
#: Seconds until the client gives up a record that the broker does not take.
DELIVERED_WITHIN_FOR: Final = 30.0
#: Seconds before a process that lost the broker begins anew, and between two words of the client about the same broker.
RETURN_AFTER_FOR: Final = 1.0
SAY_EVERY_FOR: Final = 30.0
#: For a consumer that waits between its reads: nothing more is asked of the broker while something lies unread. Else it would be asked
#: again for every single record, which costs it, and us, more than the record does.
PACED: Final[dict[str, Any]] = {"queued.min.messages": 1, "fetch.queue.backoff.ms": 5}


class _NowAndThen(logging.Filter):
    """librdkafka reports every reconnect of every client; what matters reaches us as errors of calls."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR or record.created < self._next:
            return False
        self._next = record.created + SAY_EVERY_FOR
        return True


_log.addFilter(_NowAndThen())


def come_back(run: Callable[[], None], stopping: Event) -> None:
    """Run a process until it ends; when the broker lets it down run it anew, as if it had been killed.

    Whatever the client's state is after an outage: a new one learns everything from the log. Errors of the ledger and of
    our own are raised.
    """
    while not stopping.is_set():
        try:
            run()
        except (KafkaException, TimeoutError, BufferError, ServerIsAway) as error:
            _process_log.warning("Restarting after a broker error: %s", error)
            stopping.wait(RETURN_AFTER_FOR)
        else:
            return


def keep_coming_back(run: Callable[[], None], stopping: Event, log: logging.Logger) -> None:
    """As come_back, in a thread that nobody would start again: whatever goes wrong is logged, and it runs anew."""
    while not stopping.is_set():
        try:
            come_back(run, stopping)
        except Exception:
            log.exception("Restarting the ledger reader")
            stopping.wait(RETURN_AFTER_FOR)


def common(settings: Settings) -> dict[str, Any]:
    """What all of our clients share; properties of the settings win over what is only a better default. Raises SettingIsWrong."""
    return {
        "reconnect.backoff.max.ms": 1_000,
        "socket.keepalive.enable": True,
        **properties_of(settings),
        "logger": _log,
        "allow.auto.create.topics": False,
    }


def producer(settings: Settings, **more: Any) -> Producer:
    """An idempotent producer: what it writes is written once and in order, or its delivery is reported as failed."""
    return Producer(
        common(settings)
        | {
            "enable.idempotence": True,
            "acks": "all",
            # Nobody waits for company: what piles up while a request is under way goes together anyhow. Each of the three hops
            # of a command would add its wait to the caller's; throughput is the same (bench: latency, commands, strict_lines).
            "linger.ms": 0,
            "message.max.bytes": FRAME_BYTES_MAX,
            "delivery.timeout.ms": round(DELIVERED_WITHIN_FOR * 1_000),
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 256 * 1024,
        }
        | more
    )


def reader(settings: Settings, **more: Any) -> Consumer:
    """A consumer without a group: it reads what it is assigned and commits nothing."""
    return Consumer(
        common(settings)
        | {
            "group.id": settings.group("nobody"),
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "check.crcs": True,  # The broker does not look; snapshots and commands have no hash of their own.
            "fetch.wait.max.ms": 100,
            "fetch.error.backoff.ms": 50,
            "fetch.message.max.bytes": FRAME_BYTES_MAX,
            "queued.max.messages.kbytes": 64 * 1024,
        }
        | more
    )


def member(settings: Settings, group: str, **more: Any) -> Consumer:
    """A consumer in one of our groups. Offsets are committed by hand, and are only ever a hint."""
    return reader(
        settings,
        **(
            {
                "group.id": settings.group(group),
                "partition.assignment.strategy": "range",
                "session.timeout.ms": round(settings.session_timeout_for * 1_000),
                "heartbeat.interval.ms": round(min(1.0, settings.session_timeout_for / 5) * 1_000),
            }
            | more
        ),
    )


def admin(settings: Settings) -> AdminClient:
    """An admin client."""
    return AdminClient(common(settings))


def headers_of(message: Message) -> list[tuple[str, bytes | None]]:
    """The headers of a record. Kafka allows names that are no text, the client does not: UNREADABLE stands for all then."""
    try:
        return _headers(message) or []
    except (SystemError, UnicodeDecodeError):
        # The client keeps what it has read so far, and whoever looks at that ends with a segmentation fault.
        message.set_headers([(UNREADABLE, None)])
        return [(UNREADABLE, None)]


def watermarks(consumer: Consumer, at: TopicPartition, timeout: float = 10.0) -> tuple[int, int]:
    """The first offset of a partition and the one after its last, in so many seconds.

    A leader that is being elected, as right after a topic was created, is waited for. Raises KafkaException.
    """
    until = time.monotonic() + timeout
    while True:
        try:
            low, high = consumer.get_watermark_offsets(at, timeout=max(0.1, until - time.monotonic()))
        except KafkaException as error:
            if time.monotonic() >= until:
                raise
            _log.debug("End offsets of %s unknown: %s", at.topic, error)
            time.sleep(0.05)
        else:
            return low, high
