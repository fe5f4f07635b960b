"""How many requests a second each key makes: a bucket per key and organization it acts for.

The bucket is kept as one instant, the one at which all requests taken so far would be paid for at the key's rate (the
generic cell rate algorithm); a key may be ahead of it by BURST_FOR seconds. Where a process has several workers they keep it together
(shared_rates.py): a key has its rate once, whichever of them it asks. Of several processes each lets its share through.
Of a key that acts for many organizations each has the whole rate: none uses up what the others have. A batch is one request: what it costs is bounded by its size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

from entitlements.api.identity import Identity

#: Seconds' worth of requests that may come at once; never less than one request.
BURST_FOR: Final = 1.0
KEYS_MAX: Final = 20_000
#: Seconds below which a difference is only one of rounding.
_TO_BE_SEEN_FOR: Final = 1e-6

#: A key and the organization it acts for.
Key: TypeAlias = tuple[str, str]


class Buckets(Protocol):
    """Keeps the instant of each bucket, in seconds of the monotonic clock."""

    def paid_at(self, key: Key) -> float:
        """The instant; below zero: it is not known."""
        ...

    def pay(self, key: Key, paid_at: float, now: float) -> None:
        """Keep another one."""
        ...


class OwnBuckets:
    """In the memory of this process."""

    def __init__(self) -> None:
        self._paid_at: dict[Key, float] = {}

    def paid_at(self, key: Key) -> float:
        """As Buckets says."""
        return self._paid_at.get(key, -1.0)

    def pay(self, key: Key, paid_at: float, now: float) -> None:
        """As Buckets says. A key that has paid for everything needs no memory; should all be busy, the count begins anew."""
        if len(self._paid_at) >= KEYS_MAX and key not in self._paid_at:
            self._paid_at = {known: at for known, at in list(self._paid_at.items()) if at > now}
            if len(self._paid_at) >= KEYS_MAX:
                self._paid_at = {}
        self._paid_at[key] = paid_at


class Rates:
    """Counts requests by key."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, buckets: Buckets | None = None, shares: int = 1
    ) -> None:
        """shares: of how many parts of each rate one is let through here."""
        self._monotonic, self._buckets, self._shares = monotonic, buckets or OwnBuckets(), shares

    def take(self, identity: Identity) -> float:
        """Take one request; 0.0, or the seconds until it would be taken: then it does not count."""
        now = self._monotonic()
        each = self._shares / identity.requests_per_s
        key = identity.key_id, identity.organization_id
        paid_at = max(self._buckets.paid_at(key), now)
        over_for = paid_at + each - now - max(BURST_FOR, each)
        if over_for > _TO_BE_SEEN_FOR:
            return over_for
        self._buckets.pay(key, paid_at + each, now)
        return 0.0
