"""The level in this process: views in memory, for so many seconds, for so many customers."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Lock
from typing import Final, TypeAlias

from entitlements.access.caching.documents import facts_of
from entitlements.access.caching.floors import Floors, includes
from entitlements.access.sources import ViewSource

#: Seconds that a view counts while news are late (Floors.is_current), unless told otherwise.
BEHIND_TTL_FOR: Final = 1.0

_Key: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class Counts:
    """What a level did, by customer asked for. hits: answered here. joined: another's load was waited for. stale: kept, but refused.

    failed: loads or stores that the level's own server did not answer.
    """

    hits: int = 0
    misses: int = 0
    joined: int = 0
    stale: int = 0
    failed: int = 0


@dataclass(slots=True)
class _Kept:
    document: bytes
    position: Mapping[int, int]
    #: Seconds of the monotonic clock: when its load began, and when it ends by itself.
    loaded_at: float
    ends_at: float
    #: Floors.count when it was looked at last and admitted.
    admitted_at: int


class _Flight:
    """One load of one customer under way. Whoever wants the same waits for it."""

    __slots__ = ("document", "done", "error", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.done = Event()
        self.document: bytes | None = None
        self.error: BaseException | None = None


class InProcess:
    """A ViewSource before another one.

    A view is answered for ttl_for seconds from when its load began, never past its own `valid_until`, and only while it includes
    all that is known to have happened (Floors). Of features, which no usage changes, it tells for features_ttl_for seconds from when
    the floors last had all that was decided: as long as they are kept up, it is not read again. While news are late it counts for
    behind_ttl_for seconds only. A burst on one customer loads it once. Safe between threads.
    """

    def __init__(
        self,
        source: ViewSource,
        *,
        ttl_for: float,
        size: int,
        floors: Floors,
        behind_ttl_for: float = BEHIND_TTL_FOR,
        features_ttl_for: float = 0.0,
    ) -> None:
        """size: customers that are kept, those asked for last. behind_ttl_for: seconds; 0 passes the level by.

        features_ttl_for: seconds for which a view still tells of features after it was read, or the floors were vouched for, if that is
        longer than ttl_for.
        """
        assert size > 0
        self._source, self._floors, self._size = source, floors, size
        self._ttl_for, self._behind_ttl_for = ttl_for, min(behind_ttl_for, ttl_for)
        self._features_ttl_for = max(ttl_for, features_ttl_for)
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._flights: dict[_Key, _Flight] = {}
        self._flown = 0
        self._lock = Lock()
        self.counts = Counts()

    @property
    def source(self) -> ViewSource:
        """What it stands before."""
        return self._source

    def load(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        """As ViewSource.load. What asks for a position is answered from here only if it is included."""
        asked = list(dict.fromkeys(customer_ids))
        with self._lock:
            found = {
                c: kept
                for c in asked
                if (kept := self._look((organization_id, c), at_least, of_features=False)) is not None
            }
            missing = [customer_id for customer_id in asked if customer_id not in found]
            self.counts.hits += len(found)
            self.counts.misses += len(missing)
            arrived = self._flown
        if not missing:
            return found
        if at_least:  # Waits until there is what it asks for; nobody else shall wait for that.
            return found | self._loaded(organization_id, missing, at_least)
        return found | self._in_company(organization_id, missing, arrived)

    def peek(self, organization_id: str, customer_id: str, *, of_features: bool = False) -> bytes | None:
        """The view if it is here and counts; None: it has to be loaded. Takes microseconds and waits for nobody.

        of_features: what it says of numbers may be older than ttl_for, and is not to be believed.
        """
        with self._lock:
            found = self._look((organization_id, customer_id), None, of_features=of_features)
            if found is not None:
                self.counts.hits += 1
            return found

    def _look(self, key: _Key, at_least: Mapping[int, int] | None, *, of_features: bool) -> bytes | None:
        """What is kept and counts. The lock is held."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        now, floors = time.monotonic(), self._floors
        since, ttl_for = kept.loaded_at, self._ttl_for
        if not floors.is_current:
            ttl_for = self._behind_ttl_for
        elif of_features:
            since, ttl_for = max(since, floors.vouched_at), self._features_ttl_for
        count = floors.count
        if now >= kept.ends_at or now - since >= ttl_for:
            return None
        if kept.admitted_at != count:
            if not floors.admits(*key, kept.position):
                del self._kept[key]
                self.counts.stale += 1
                return None
            kept.admitted_at = count
        if at_least and not includes(kept.position, at_least):
            return None
        self._kept.move_to_end(key)
        return kept.document

    def _in_company(self, organization_id: str, missing: list[str], arrived: int) -> dict[str, bytes]:
        """Load what nobody is loading and wait for the rest.

        A load that began before we came counts only if its view includes all that is known by now: else it is loaded again,
        and whatever began after we came is as new as can be had. So nobody goes round more than twice.
        """
        loaded: dict[str, bytes] = {}
        while missing:
            mine, others = self._take_off(organization_id, missing)
            if mine:
                loaded |= self._fly(organization_id, mine)
            missing = []
            for customer_id, flight in others.items():
                document = _landed(flight)
                if flight.number >= arrived or self._is_new_enough(organization_id, customer_id, document):
                    loaded[customer_id] = document
                else:
                    missing.append(customer_id)
        return loaded

    def _take_off(self, organization_id: str, missing: list[str]) -> tuple[dict[str, _Flight], dict[str, _Flight]]:
        """The flights that are ours to fly, and those of others."""
        mine: dict[str, _Flight] = {}
        others: dict[str, _Flight] = {}
        with self._lock:
            for customer_id in missing:
                key = (organization_id, customer_id)
                flight = self._flights.get(key)
                if flight is not None:
                    others[customer_id] = flight
                else:
                    mine[customer_id] = self._flights[key] = _Flight(self._flown)
                    self._flown += 1
            self.counts.joined += len(others)
        return mine, others

    def _fly(self, organization_id: str, flights: dict[str, _Flight]) -> dict[str, bytes]:
        try:
            loaded = self._loaded(organization_id, list(flights), None)
        except BaseException as error:
            self._land(organization_id, flights, {}, error)
            raise
        self._land(organization_id, flights, loaded, None)
        return loaded

    def _land(
        self, organization_id: str, flights: dict[str, _Flight], loaded: dict[str, bytes], error: BaseException | None
    ) -> None:
        with self._lock:
            for customer_id in flights:
                del self._flights[organization_id, customer_id]
        for customer_id, flight in flights.items():
            flight.document, flight.error = loaded.get(customer_id), error
            flight.done.set()

    def _is_new_enough(self, organization_id: str, customer_id: str, document: bytes) -> bool:
        return self._floors.admits(organization_id, customer_id, facts_of(document).position)

    def _loaded(
        self, organization_id: str, customer_ids: list[str], at_least: Mapping[int, int] | None
    ) -> dict[str, bytes]:
        began, began_at = time.monotonic(), time.time()
        loaded = self._source.load(organization_id, customer_ids, at_least)
        facts = {customer_id: facts_of(document) for customer_id, document in loaded.items()}
        with self._lock:
            count = self._floors.count
            for customer_id, document in loaded.items():
                key, known = (organization_id, customer_id), facts[customer_id]
                # Whatever was raised while it was loaded, and whatever Postgres has not heard of yet, refuses it here.
                if not self._floors.admits(*key, known.position):
                    self.counts.stale += 1
                    continue
                ends_at = began + known.valid_until - began_at
                self._kept[key] = _Kept(document, known.position, began, ends_at, count)
                self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return loaded


def _landed(flight: _Flight) -> bytes:
    flight.done.wait()
    if flight.error is not None:
        raise flight.error
    assert flight.document is not None, "every customer has a view, if an empty one"
    return flight.document
