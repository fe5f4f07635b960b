"""How many requests a second each key makes: a bucket per key and organization it acts for, in the memory of one process.

The bucket is kept as one instant, the one at which all requests taken so far would be paid for at the key's rate (the
generic cell rate algorithm); a key may be ahead of it by BURST_FOR seconds. With several processes a key has its rate in each.
Of a key that acts for many organizations each has the whole rate: none uses up what the others have. A batch is one request: what it costs is bounded by its size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from entitlements.api.identity import Identity

#: Seconds' worth of requests that may come at once; never less than one request.
BURST_FOR: Final = 1.0
KEYS_MAX: Final = 20_000
#: Seconds below which a difference is only one of rounding.
_TO_BE_SEEN_FOR: Final = 1e-6


class Rates:
    """Counts requests by key."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._paid_at: dict[tuple[str, str], float] = {}

    def take(self, identity: Identity) -> float:
        """Take one request; 0.0, or the seconds until it would be taken: then it does not count."""
        now = self._monotonic()
        each = 1.0 / identity.requests_per_s
        key = identity.key_id, identity.organization_id
        paid_at = max(self._paid_at.get(key, now), now)
        over_for = paid_at + each - now - max(BURST_FOR, each)
        if over_for > _TO_BE_SEEN_FOR:
            return over_for
        if len(self._paid_at) >= KEYS_MAX and key not in self._paid_at:
            self._forget_the_idle(now)
        self._paid_at[key] = paid_at + each
        return 0.0

    def _forget_the_idle(self, now: float) -> None:
        """A key that has paid for everything needs no memory; should all be busy, the count begins anew."""
        self._paid_at = {key: at for key, at in list(self._paid_at.items()) if at > now}
        if len(self._paid_at) >= KEYS_MAX:
            self._paid_at = {}
