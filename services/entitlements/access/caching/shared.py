"""The level that the processes of an installation share: views in Valkey, or any server that speaks as Redis does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from valkey import Valkey
from valkey.backoff import NoBackoff
from valkey.exceptions import ValkeyError
from valkey.retry import Retry

from entitlements.access.caching.breaker import OPEN_FOR, Breaker
from entitlements.access.caching.documents import Facts, facts_of, position_of, position_to_text
from entitlements.access.caching.floors import Floors, includes
from entitlements.access.caching.in_process import Counts
from entitlements.access.sources import ViewSource

#: Seconds for one answer of Valkey; the most by which it makes a load slower when it hangs, once for its two questions.
ANSWER_WITHIN_FOR: Final = 0.05
#: Of the form of what is stored: another version keeps to itself.
FORM: Final = "1"

T = TypeVar("T")


def connect(address: str, *, within_for: float = ANSWER_WITHIN_FOR) -> Valkey:
    """A client of the server at valkey://, redis:// or unix://. within_for: seconds for an answer. It connects when it is asked."""
    client: Valkey = Valkey.from_url(
        address,
        socket_timeout=within_for,
        socket_connect_timeout=within_for,
        retry=Retry(NoBackoff(), 0),  # Who asks has a better place to ask than the same again.
    )
    return client


class Shared:
    """A ViewSource before another one.

    What is stored names its position and lapses after ttl_for seconds, or at its own `valid_until`. Every reader refuses what
    lacks something that *it* knows to have happened (Floors), so there is nothing to be deleted, and no order of stores and
    invalidations in which an old view comes back. While news are late nothing is taken from here.

    When Valkey is away it is passed by: no error, and no answer later than ANSWER_WITHIN_FOR twice a second per caller at worst.
    """

    def __init__(
        self,
        source: ViewSource,
        valkey: Valkey,
        *,
        ttl_for: float,
        floors: Floors,
        prefix: str = "",
        open_for: float = OPEN_FOR,
    ) -> None:
        """prefix: keeps installations apart on one server. open_for: seconds for which a server that failed is left alone."""
        self._source, self._valkey, self._floors = source, valkey, floors
        self._ttl_for, self._prefix = ttl_for, prefix
        self._breaker = Breaker(open_for)
        self.counts = Counts()

    def load(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        """As ViewSource.load. What asks for a position is answered from here only if it is included."""
        asked = list(dict.fromkeys(customer_ids))
        if not self._floors.is_current:
            return self._source.load(organization_id, asked, at_least)
        found = self._stored(organization_id, asked, at_least or {})
        self.counts.hits += len(found)
        missing = [customer_id for customer_id in asked if customer_id not in found]
        if not missing:
            return found
        self.counts.misses += len(missing)
        began_at = time.time()
        loaded = self._source.load(organization_id, missing, at_least)
        self._store(organization_id, loaded, began_at)
        return found | loaded

    def _stored(self, organization_id: str, asked: list[str], at_least: Mapping[int, int]) -> dict[str, bytes]:
        keys = [self.key(organization_id, customer_id) for customer_id in asked]
        answered: list[bytes | None] = self._ask(lambda: self._valkey.mget(keys), []) if keys else []
        found: dict[str, bytes] = {}
        for customer_id, stored in zip(asked, answered, strict=False):
            if stored is None:
                continue
            position, document = _taken_apart(stored)
            if (
                position is not None
                and self._floors.admits(organization_id, customer_id, position)
                and includes(position, at_least)
            ):
                found[customer_id] = document
            else:
                self.counts.stale += 1
        return found

    def _store(self, organization_id: str, loaded: Mapping[str, bytes], began_at: float) -> None:
        """Store what has all that is known. What is raised while it is on its way refuses it when it is read."""
        lines: list[tuple[str, bytes, int]] = []
        for customer_id, document in loaded.items():
            facts = facts_of(document)
            if not self._floors.admits(organization_id, customer_id, facts.position):
                self.counts.stale += 1
                continue
            lasts_ms = int(1000 * (min(began_at + self._ttl_for, facts.valid_until) - time.time()))
            if lasts_ms > 0:
                lines.append((self.key(organization_id, customer_id), _put_together(facts, document), lasts_ms))
        if lines:
            self._ask(lambda: self._write(lines), None)

    def _write(self, lines: list[tuple[str, bytes, int]]) -> None:
        pipeline = self._valkey.pipeline(transaction=False)
        for key, value, lasts_ms in lines:
            pipeline.set(key, value, px=lasts_ms)
        pipeline.execute()  # type: ignore[no-untyped-call]

    def _ask(self, ask: Callable[[], Any], otherwise: T) -> T:
        """What the server says; otherwise, when it is left alone or does not answer."""
        if not self._breaker.lets_through():
            return otherwise
        try:
            answer: T = ask()
        except (ValkeyError, OSError):
            self._breaker.failed()
            self.counts.failed += 1
            return otherwise
        self._breaker.worked()
        return answer

    def key(self, organization_id: str, customer_id: str) -> str:
        """Where the view of a customer of an organization is. No two have the same, whatever their ids are."""
        return f"{self._prefix}view:{FORM}:{len(organization_id)}:{organization_id}:{customer_id}"


def _put_together(facts: Facts, document: bytes) -> bytes:
    """The position first, so that a reader need not look into the document."""
    return position_to_text(facts.position).encode() + b"\n" + document


def _taken_apart(stored: bytes) -> tuple[dict[int, int] | None, bytes]:
    """Position and document; no position: it is none of ours."""
    position, _, document = stored.partition(b"\n")
    is_whole = document.startswith(b"{") and document.endswith(b"}")
    try:
        return position_of(position.decode()) if is_whole else None, document
    except ValueError:
        return None, b""
