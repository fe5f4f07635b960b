"""Follows the log and raises the floors of views: what makes every level of caching in this process fresh within moments.

Reads all partitions of `entitlements.changes` and `entitlements.events`, in no group. It begins a little in the past, so that a
process that starts knows what happened to the views it finds in a shared cache; hooks and listeners hear of nothing from before
the start. While it is at the end of both topics it
says so to the floors several times a second; when it cannot, because Kafka is away or it is behind, levels notice by
themselves (Floors.is_current) and fall back. That everything was published, too, is looked at beside it (vouching.py).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, Final, Self, TypeAlias

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from entitlements.access.caching import news
from entitlements.access.caching.floors import Concerned, Floors
from entitlements.access.caching.hooks import BundleUpdate, Hooks, call
from entitlements.access.caching.pool_users import UsersInPostgres, UsersOfPools, WhomNewsConcern
from entitlements.access.caching.vouching import Vouching
from entitlements.errors import ServerIsAway
from entitlements.ledger import clients
from entitlements.ledger.ends import TopicEnds
from entitlements.ledger.records import EVENTS
from entitlements.registry import wire_for
from entitlements.settings import Settings
from entitlements_schemas import CHANGE_PREFIX, EVENT_PREFIX, WireError

_log = logging.getLogger(__name__)

#: Seconds in the past where a new process begins: longer than anything is kept by a level, with what may have been late.
LOOK_BACK_FOR: Final = 600.0
RECORDS_MAX: Final = 500
#: Seconds a round waits for records, and between looks at the ends of the topics.
WAIT_FOR: Final = 0.05
LOOK_EVERY_FOR: Final = 0.5
_ANSWER_FOR_MAX: Final = 1.0

#: Events that name no workspace, as the CloudEvents header says it: their headers tell all that is asked here.
_OPENED: Final = f"{EVENT_PREFIX}PoolOpened"
_NAMELESS: Final = frozenset(
    name.encode()
    for name, kind in EVENTS.items()
    if not any(field.name == "workspace_id" for field in fields(kind))
    and name not in {f"{EVENT_PREFIX}EntitlementSetDefined", _OPENED}
)

_Place: TypeAlias = tuple[str, int]


Listener: TypeAlias = Callable[[Concerned], None]


class Invalidations:
    """The follower. `with Invalidations(...):` runs it in a thread of its own; `run` does in the caller's."""

    def __init__(
        self,
        settings: Settings,
        floors: Floors,
        *,
        users_of: UsersOfPools | None = None,
        hooks: Hooks | None = None,
        listeners: Iterable[Listener] = (),
    ) -> None:
        """listeners: told whom each round concerned, after the floors rose (purging.Purger is one); they must not block."""
        self._settings, self._floors = settings, floors
        self._whom = WhomNewsConcern(users_of or UsersInPostgres(settings.postgres))
        self.hooks = hooks or Hooks()
        self._listeners = list(listeners)
        self._wire = wire_for(settings)
        self._changes, self._events = settings.topic("changes"), settings.topic("events")
        #: The next offset of each partition; a new reader goes on there.
        self._next: dict[_Place, int] = {}
        #: Where each partition ended when we began.
        self._began: dict[_Place, int] = {}
        self._next_look = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._in_thread, name="invalidations", daemon=True)

    def run(self, stopping: threading.Event) -> None:
        """Follow until stopping is set. A broker that is away is waited for; a crash repeats news, which changes nothing."""
        clients.come_back(lambda: self._follow(stopping), stopping)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _in_thread(self) -> None:
        clients.keep_coming_back(lambda: self._follow(self._stopping), self._stopping, _log)

    def _follow(self, stopping: threading.Event) -> None:
        consumer, ends = clients.reader(self._settings), _Ends(self._settings)
        try:
            consumer.assign(self._places(consumer))
            with Vouching(self._settings) as vouching:
                while not stopping.is_set():
                    first = consumer.poll(WAIT_FOR)  # consume() would wait for a whole batch, or all of its time.
                    self._take([] if first is None else [first, *consumer.consume(RECORDS_MAX - 1, 0)])
                    self._say_how_far(ends)
                    vouching.pass_on(self._floors, self._next)
        finally:
            consumer.close()

    def _places(self, consumer: Consumer) -> list[TopicPartition]:
        """Where to begin: where we were, else a little in the past."""
        partitions = range(self._settings.partitions)
        places = [TopicPartition(topic, p) for topic in (self._changes, self._events) for p in partitions]
        missing = [place for place in places if (place.topic, place.partition) not in self._next]
        # The ends first: what is written between the two questions is behind what the first one says.
        ends = {(at.topic, at.partition): clients.watermarks(consumer, at)[1] for at in missing}
        since_ms = round(1000 * (time.time() - LOOK_BACK_FOR))
        asked = [TopicPartition(at.topic, at.partition, since_ms) for at in missing]
        for at in consumer.offsets_for_times(asked, timeout=10.0) if asked else []:
            key = (at.topic, at.partition)
            self._next[key] = at.offset if at.offset >= 0 else ends[key]
            self._began.setdefault(key, ends[key])
        return [TopicPartition(topic, partition, offset) for (topic, partition), offset in self._next.items()]

    def _take(self, messages: list[Message]) -> None:
        before: list[news.News] = []
        told: list[news.News] = []
        facts: list[Callable[[], None]] = []
        for message in messages:
            place = (message.topic() or "", message.partition() or 0)
            if message.error() is not None:
                self._next.pop(place, None)  # It may not be kept any more.
                raise KafkaException(message.error())
            is_new = (message.offset() or 0) >= self._began[place]
            found = self._read(message, facts if is_new else [])
            if found is not None:
                (told if is_new else before).append(found)
        self._raise_floors(before)
        concerned = self._raise_floors(told)
        for listener in self._listeners if concerned else ():
            call(listener, concerned, lambda: None)
        for tell in facts:
            tell()
        for message in messages:
            self._next[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1

    def _read(self, message: Message, facts: list[Callable[[], None]]) -> news.News | None:
        """The news in a record, and what hooks hear of it."""
        try:
            if message.topic() == self._changes:
                name, record = self._wire.decode(message.value())
                if not name.startswith(CHANGE_PREFIX):
                    raise ValueError(name)
                found, short = news.of_change(record), name.removeprefix(CHANGE_PREFIX)
                self._whom.learn(record["pool_id"], record["organization_id"])
                facts.append(lambda: self.hooks.tell_change(short, record))
                return found
            headers = dict(clients.headers_of(message))
            name, event = ("", {}) if headers.get("ce_type") in _NAMELESS else self._decoded(message)
            if name == _OPENED:
                self._whom.learn(event["originator_id"], event["organization_id"])
            elif name == f"{EVENT_PREFIX}EntitlementSetDefined":
                update = BundleUpdate(set_id=event["originator_id"], set_version=event["version"])
                facts.append(lambda: self.hooks.tell(update))
            return news.of_event(headers, event)
        except (WireError, ValueError, LookupError, TypeError) as error:
            _log.warning(
                "Skipped invalid record %s/%s/%s: %s", message.topic(), message.partition(), message.offset(), error
            )  # It is not ours; whoever writes foreign records here shall not stop us.
            return None

    def _decoded(self, message: Message) -> tuple[str, Mapping[str, Any]]:
        """An event's name and record; of one that only a newer version knows the headers say enough."""
        try:
            return self._wire.decode_plain(message.value())
        except WireError:
            return "", {}

    def _raise_floors(self, told: list[news.News]) -> Concerned:
        together = Concerned()
        for one, concerned in self._whom.concerned(told):
            if concerned:
                self._floors.rise(one.partition, one.offset, concerned)
                together |= concerned
        return together

    def _say_how_far(self, ends: _Ends) -> None:
        """What was written until a moment is in the floors as soon as we are where the topics ended then."""
        now = time.monotonic()
        if ends.at is None and now >= self._next_look:
            self._next_look = now + LOOK_EVERY_FOR
            ends.look(now)
        if ends.at is not None and all(self._next.get(place, -1) >= end for place, end in ends.known.items()):
            self._floors.known_at(ends.at)
            ends.at = None


class _Ends:
    """Where the topics ended at an instant of the monotonic clock, as the broker said; at None: not asked, or no answer."""

    def __init__(self, settings: Settings) -> None:
        self._ends = TopicEnds(settings, within_for=_ANSWER_FOR_MAX)
        topics = (settings.topic("changes"), settings.topic("events"))
        self._places = [(topic, partition) for topic in topics for partition in range(settings.partitions)]
        self.at: float | None = None
        self.known: dict[_Place, int] = {}

    def look(self, now: float) -> None:
        """Ask the broker."""
        try:
            self.known, self.at = self._ends.at(self._places), now
        except ServerIsAway as error:
            _log.debug("%s", error)
