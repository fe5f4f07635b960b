"""Writes decisions to the topic of the access log. Whoever decides never waits for it and never fails by it.

A decision costs its caller one look at the length of a queue and one append. A thread of its own makes records of what is
queued, in small slices between which others go on, and hands them to the client, which sends them in the background. What does
not fit into the queue, what the client has no room for and what the broker did not take in DELIVERED_WITHIN_FOR seconds is
dropped, and counted: entitlements_access_log_dropped_total.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException

from entitlements.access.log.entries import ACCESS_DECIDED, Asked, Asker, Decided, Entry, of_decision
from entitlements.access.log.rules import LogRules
from entitlements.domain.aggregate import from_ms
from entitlements.ledger import clients
from entitlements.ledger.partitioning import partition_of
from entitlements.operations.metrics import ACCESS_DROPPED, ACCESS_LOGGED, DECISIONS
from entitlements.registry import wire_for
from entitlements_schemas import WireError, cloudevents

if TYPE_CHECKING:
    from entitlements.settings import Settings

#: Decisions that wait in memory: some seconds' worth.
QUEUED_MAX: Final = 50_000
#: Records made before other threads get their turn: less than a millisecond's work.
SLICE: Final = 32
#: Seconds: how late a decision is written at most when there is little to do, and how long closing waits.
WRITE_EVERY_FOR: Final = 0.02
CLOSE_WITHIN_FOR: Final = 5.0
SAY_EVERY_FOR: Final = 30.0
SOURCE: Final = "entitlements/access"

_log = logging.getLogger(__name__)


class AccessLog:
    """Takes decisions for the access log. Safe to share between threads; close it."""

    def __init__(self, settings: Settings, rules: LogRules | None = None) -> None:
        self.rules = rules or LogRules.parse(settings.access_log)
        self._topic = settings.topic("access-log")
        self._partitions = settings.partitions
        self._wire = wire_for(settings)
        # What waits for the broker is bounded by bytes: it comes out of the same memory as everything else.
        self._producer = clients.producer(
            settings,
            **{
                "linger.ms": 20,
                "compression.type": "lz4",
                "queue.buffering.max.kbytes": 32 * 1024,
                "delivery.report.only.error": True,
            },
        )
        self._queue: deque[Entry | tuple[Asker, Asked, Decided]] = deque()
        # By (allowed, code of the reason): looking a metric up by its labels costs more than counting.
        self._counts: dict[tuple[bool, str], Any] = {}
        self._closing = threading.Event()
        self._is_closed = False
        self._next_word_at = 0.0
        self._thread = threading.Thread(target=self._write, name="access-log", daemon=True)
        self._thread.start()

    def decided(self, asker: Asker, asked: Asked, decided: Decided) -> None:
        """Log a decision of the service, and count it for operators. Raises nothing, waits for nothing."""
        self._count(decided)
        if len(self._queue) >= QUEUED_MAX:
            ACCESS_DROPPED.labels("queue_full").inc()
            return
        self._queue.append((asker, asked, decided))

    def _count(self, decided: Decided) -> None:
        key = decided.allowed, decided.reason_code
        child = self._counts.get(key)
        if child is None:
            child = self._counts[key] = DECISIONS.labels("allowed" if key[0] else "denied", key[1])
        child.inc()

    def report(self, entry: Entry) -> None:
        """Log a decision that was made elsewhere, and is sampled already. There is room, or it was asked for (has_room)."""
        self._queue.append(entry)

    def has_room(self, entries: int) -> bool:
        """Whether so many more can be queued."""
        return len(self._queue) + entries <= QUEUED_MAX

    def close(self) -> None:
        """Write what is queued, as far as that goes in CLOSE_WITHIN_FOR seconds."""
        self._closing.set()
        self._thread.join(CLOSE_WITHIN_FOR)
        left = 0
        with suppress(IndexError):  # Taken from the thread, should it still be at work: each is counted once.
            while True:
                self._queue.popleft()
                left += 1
        left += self._producer.flush(CLOSE_WITHIN_FOR)
        self._is_closed = True
        if left:
            self._dropped("not_delivered", f"{left} decisions were not written before the end", left)

    def _entry_of(self, asker: Asker, asked: Asked, decided: Decided) -> Entry | None:
        rule = self.rules.of(decided.resource_key)
        count = rule.count(decided.decision_id, allowed=decided.allowed)
        return of_decision(asker, asked, decided, count) if count else None

    def _write(self) -> None:
        while True:
            ending = self._closing.wait(WRITE_EVERY_FOR)
            while self._queue:
                with suppress(IndexError):  # Who closes it takes the rest.
                    for _ in range(SLICE):
                        self._write_one(self._queue.popleft())
                self._producer.poll(0)
                time.sleep(0)  # Whoever waits for the interpreter gets it now, not after its switch interval.
            self._producer.poll(0)
            if ending:
                return

    def _write_one(self, queued: Entry | tuple[Asker, Asked, Decided]) -> None:
        try:
            entry = self._entry_of(*queued) if isinstance(queued, tuple) else queued
            if entry is None:
                return
            value = self._wire.encode_plain(ACCESS_DECIDED, entry)
            customer_id = entry["customer_id"]
            self._producer.produce(
                self._topic,
                value,
                key=customer_id,
                partition=partition_of(customer_id, self._partitions),
                headers=_headers(entry),
                on_delivery=self._delivered,
            )
        except BufferError:
            self._dropped("broker_full", "the broker takes less than there is")
        except KafkaException as error:
            self._dropped("not_delivered", str(error))
        except (WireError, ValueError, OverflowError, AttributeError, TypeError, KeyError) as error:
            # Whatever a caller sent: a decision is not worth the thread that writes all others.
            self._dropped("not_writable", f"{type(error).__name__}: {error}")
        else:
            ACCESS_LOGGED.inc()

    def _delivered(self, error: KafkaError | None, _: Any) -> None:
        if error is not None and not self._is_closed:
            self._dropped("not_delivered", error.str())

    def _dropped(self, reason: str, detail: str, count: int = 1) -> None:
        ACCESS_DROPPED.labels(reason).inc(count)
        now = time.monotonic()
        if now >= self._next_word_at:
            self._next_word_at = now + SAY_EVERY_FOR
            _log.warning("Access log dropped decisions: %s", detail)


def _headers(entry: Entry) -> Any:
    return cloudevents.headers(
        id=entry["decision_id"],
        type=ACCESS_DECIDED,
        source=SOURCE,
        time=from_ms(entry["occurred_at"]),
        subject=entry["customer_id"],
    )
