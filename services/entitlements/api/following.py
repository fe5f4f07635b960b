"""Follows `entitlements.changes` and `entitlements.events` for those who are told over HTTP: one follower for each worker.

What was told last is kept, so that whoever was cut off goes on where it stood; whoever was away for longer loads everything again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from entitlements.ledger import clients
from entitlements.registry import wire_for
from entitlements.settings import Settings
from entitlements_schemas import CHANGE_PREFIX, EVENT_PREFIX, WireError
from entitlements_schemas.cloudevents import type_of

_log = logging.getLogger(__name__)

#: What is kept of each partition when a worker begins, and altogether.
BACKLOG: Final = 2_000
KEPT_MAX: Final = 50_000
_RECORDS_MAX: Final = 500
_POLICY_EVENTS: Final = frozenset({"AccessPolicyDefined", "AccessPolicyRetired"})
#: Events of organizations and keys that changes do not tell, and that change what decisions rest on.
_LOADS_AGAIN: Final = frozenset(
    {"MemberRoleSet", "UnitDefined", "UnitRemoved", "WorkspacePlaced", "ResourceKeyDefined"}
)

#: A partition of one of the topics: "c" for changes or "e" for events, and its number.
Place: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Told:
    """Something to tell. organization_id None: everybody. customer_id None: all of the organization."""

    place: Place
    offset: int
    organization_id: str | None
    customer_id: str | None
    event: str
    data: bytes


#: Hears what was told; None: something was missed.
Hear: TypeAlias = Callable[[list[Told] | None], None]


class Follower:
    """Reads both topics in a thread of its own and keeps what was told last. start, stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._wire = settings, wire_for(settings)
        self._topics = {settings.topic("changes"): "c", settings.topic("events"): "e"}
        self._lock = threading.Lock()
        self._kept: deque[Told] = deque(maxlen=KEPT_MAX)
        #: By place: the offset of the first record that is kept, and the one after the last that was read.
        self._first: dict[Place, int] = {}
        self._next: dict[Place, int] = {}
        self._hearing: set[Hear] = set()
        self._stopping = threading.Event()
        self.is_following = threading.Event()
        #: On the monotonic clock when all that had come was taken in.
        self._caught_up_at = -float("inf")
        self._thread = threading.Thread(target=self._run, name="changes-follower", daemon=True)

    def start(self) -> None:
        """Begin to follow; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no longer."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(10)

    def attach(self, hear: Hear) -> None:
        """Let somebody hear, in the follower's thread, all that is told from now on."""
        with self._lock:
            self._hearing.add(hear)

    @property
    def here(self) -> dict[Place, int]:
        """Where the follower stands: the next offset of each place."""
        with self._lock:
            return dict(self._next)

    def since(self, since: Mapping[Place, int], organization_id: str) -> tuple[dict[Place, int], list[Told] | None]:
        """Where the follower stands, and what an organization was told since some places (the next offset of each); None: that is not kept
        any more. Takes milliseconds.
        """
        with self._lock:
            here, kept = dict(self._next), list(self._kept)
            if any(since.get(place, -1) < first or since[place] > here[place] for place, first in self._first.items()):
                return here, None
        own = {None, organization_id}
        return here, [told for told in kept if told.organization_id in own and told.offset >= since[told.place]]

    def detach(self, hear: Hear) -> None:
        """Tell somebody nothing any more."""
        with self._lock:
            self._hearing.discard(hear)

    @property
    def late_for(self) -> float:
        """Seconds since all that had come was taken in. While the broker is away nothing comes: floors know of that."""
        return time.monotonic() - self._caught_up_at

    def _run(self) -> None:
        clients.keep_coming_back(self._follow, self._stopping, _log)

    def _follow(self) -> None:
        consumer = clients.reader(self._settings, **{"fetch.wait.max.ms": 50})
        try:
            consumer.assign(self._places(consumer))
            while not self._stopping.is_set():
                began_at = time.monotonic()
                first = consumer.poll(0.2)  # consume() would wait for a whole batch, or all of its time.
                batch = () if first is None else (first, *consumer.consume(_RECORDS_MAX - 1, 0))
                for message in batch:
                    self._check(message)
                if batch:
                    self._take(batch)
                if len(batch) < _RECORDS_MAX:
                    self._caught_up_at = began_at
                self.is_following.set()
        finally:
            consumer.close()

    def _check(self, message: Message) -> None:
        """Raises KafkaException for what is no record. What is not kept any more is passed over, and listeners are told so."""
        error = message.error()
        if error is None:
            return
        if error.code() in {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET}:
            with self._lock:
                self._next.pop((self._topics[str(message.topic())], int(message.partition() or 0)), None)
                for hear in self._hearing:
                    hear(None)
        raise KafkaException(error)

    def _places(self, consumer: Consumer) -> list[TopicPartition]:
        for topic, short in self._topics.items():
            for partition in range(self._settings.partitions):
                low, high = clients.watermarks(consumer, TopicPartition(topic, partition))
                place = (short, partition)
                if place not in self._next:
                    self._first[place] = self._next[place] = max(low, high - BACKLOG)
        names = {short: topic for topic, short in self._topics.items()}
        return [TopicPartition(names[short], number, offset) for (short, number), offset in self._next.items()]

    def _take(self, messages: Sequence[Message]) -> None:
        told = [one for message in messages if (one := self._read(message)) is not None]
        with self._lock:
            for message in messages:
                place = (self._topics[str(message.topic())], int(message.partition() or 0))
                self._next[place] = int(message.offset() or 0) + 1
            for one in told:
                if len(self._kept) == KEPT_MAX:
                    gone = self._kept[0]
                    self._first[gone.place] = gone.offset + 1
                self._kept.append(one)
            for hear in self._hearing if told else ():
                hear(told)

    def _read(self, message: Message) -> Told | None:
        place = (self._topics[str(message.topic())], int(message.partition() or 0))
        offset = int(message.offset() or 0)
        try:
            name, record = self._wire.decode(message.value())
            if name.startswith(CHANGE_PREFIX if place[0] == "c" else EVENT_PREFIX):
                return self._told(place, offset, name, record)
            raise ValueError(name)
        except (WireError, LookupError, TypeError, ValueError) as error:
            # It is not ours; whoever writes foreign records here shall not stop us.
            _log.warning("Skipped invalid record %s/%s: %s", place, offset, error)
            return None

    def _told(self, place: Place, offset: int, name: str, record: Mapping[str, Any]) -> Told | None:
        short = name.rpartition(".")[2]
        if place[0] == "c":
            return Told(
                place, offset, record["organization_id"], record["customer_id"], "change", _change(name, record)
            )
        if short in _POLICY_EVENTS:
            data = orjson.dumps({"organization_id": record["originator_id"], "policy_id": record["policy_id"]})
            return Told(place, offset, record["originator_id"], None, "policies", data)
        if short in _LOADS_AGAIN:
            owner = None if short == "ResourceKeyDefined" else record["originator_id"]
            customer_id = record.get("workspace_id") or None
            said = {"organization_id": owner, "customer_id": customer_id}
            data = orjson.dumps({name: value for name, value in said.items() if value is not None})
            return Told(place, offset, owner, customer_id, "invalidate", data)
        return None


def _change(name: str, record: Mapping[str, Any]) -> bytes:
    facts = {field: _plain(value) for field, value in record.items() if not field.startswith("ledger_")}
    position = f"{record['ledger_partition']}:{record['ledger_offset']}"
    return orjson.dumps({"type": type_of(name), **facts, "position": position})


def _plain(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
