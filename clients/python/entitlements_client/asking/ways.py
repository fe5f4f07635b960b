"""The three ways to decide: what each promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, kw_only=True)
class Remote:
    """The service decides every time: as fresh as its read models, a round trip each."""


@dataclass(frozen=True, kw_only=True)
class Cached:
    """Decides here by views that are remembered. An answer is never older than ttl + stale_for; CACHED up to ttl, STALE after.

    A STALE answer is given at once and its view revalidated behind it. Seconds.
    """

    ttl: float = 30.0
    stale_for: float = 30.0
    customers_max: int = 10_000


@dataclass(frozen=True, kw_only=True)
class Local:
    """Decides here by views that the stream of changes keeps up to date: microseconds, and a revocation counts as soon as it is heard.

    bound       seconds: when nothing was heard of the service for longer, answers are STALE and follow the failure mode of their key
    customers   those to load at the start and to follow; none: follow the whole organization, and load who is asked about
    refresh     seconds after which the view of somebody who is asked about is read again: what was consumed is not in the stream
    """

    bound: float = 30.0
    customers: Sequence[str] = ()
    refresh: float = 30.0
    customers_max: int = 10_000


Way: TypeAlias = Remote | Cached | Local
