"""The three ways to decide: what each promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, kw_only=True)
class Remote:
    """The service makes every decision: as fresh as its read models, one round trip each."""


@dataclass(frozen=True, kw_only=True)
class Cached:
    """Decides locally by cached views. An answer is never older than ttl + stale_for seconds: CACHED up to ttl, then STALE.

    A STALE answer is returned at once and its view is revalidated in the background.
    """

    ttl: float = 30.0
    stale_for: float = 30.0
    customers_max: int = 10_000


@dataclass(frozen=True, kw_only=True)
class Local:
    """Decides locally by views that the stream of changes keeps up to date: microseconds, with revocations effective on arrival.

    bound       seconds of silence after which answers are STALE and the failure mode of their key applies
    customers   customers to load at the start and to follow; empty: follow the whole organization, and load customers on first use
    refresh     seconds after which the view of a customer in use is read again, because consumption is not in the stream
    """

    bound: float = 30.0
    customers: Sequence[str] = ()
    refresh: float = 30.0
    customers_max: int = 10_000


Way: TypeAlias = Remote | Cached | Local
