"""The levels that the settings ask for, put one before the other; what the process `api` reads from.

in process -> Valkey -> replicas -> primary, and the follower that tells all of them what has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

from entitlements.access.caching.floors import Floors
from entitlements.access.caching.hooks import Hooks
from entitlements.access.caching.in_process import Counts, InProcess
from entitlements.access.caching.invalidations import Invalidations, Listener
from entitlements.access.caching.replicated import Replicated
from entitlements.access.sources import ViewSource
from entitlements.settings import Settings
from entitlements_projections.replicas import Replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """source: what to read from. pools: of customers, in memory, if that is switched on. floors: what is known. counts: of each level
    that is switched on, by its name.
    """

    source: ViewSource
    pools: InProcess | None
    floors: Floors
    counts: dict[str, Counts] = field(default_factory=dict)
    replicas: Replicas | None = None


def open_levels(
    settings: Settings,
    primary: ViewSource,
    pools: ViewSource,
    replica_at: Callable[[str], ViewSource],
    stack: ExitStack,
    *,
    hooks: Hooks | None = None,
    listeners: Iterable[Listener] = (),
) -> Levels:
    """Open the levels of the settings before a primary; the stack closes what runs in threads.

    pools: of the primary, the pools of customers alone. replica_at: makes a ViewSource for the address of a replica. Where no level is
    on, source is the primary, and the follower runs for hooks and listeners only. Raises ServerIsAway when an external registry does not answer.
    """
    floors = Floors()
    source, counts = primary, dict[str, Counts]()
    watched: Replicas | None = None
    if addresses := addresses_in(settings.replicas):
        watched = stack.enter_context(Replicas(settings.postgres, addresses, lag_max_for=settings.replica_lag_for))
        source = replicated = Replicated(source, {url: replica_at(url) for url in addresses}, watched, floors=floors)
        counts["replicas"] = replicated.counts
    if settings.valkey is not None:
        from entitlements.access.caching import shared  # Optional: its client is imported where it is used.

        client = shared.connect(settings.valkey)
        stack.callback(client.close)
        prefix = f"{settings.topic_prefix}entitlements:"
        source = in_valkey = shared.Shared(
            source, client, ttl_for=settings.valkey_ttl_for, floors=floors, prefix=prefix
        )
        counts["valkey"] = in_valkey.counts
    pools_in_process: InProcess | None = None
    if settings.cache_size:
        source = in_process = _in_process(settings, source, floors)
        pools_in_process = _in_process(settings, pools, floors)
        counts["in_process"], counts["pools"] = in_process.counts, pools_in_process.counts
    stack.enter_context(Invalidations(settings, floors, hooks=hooks, listeners=listeners))
    return Levels(source=source, pools=pools_in_process, floors=floors, counts=counts, replicas=watched)


def _in_process(settings: Settings, source: ViewSource, floors: Floors) -> InProcess:
    return InProcess(
        source,
        ttl_for=settings.cache_ttl_for,
        size=settings.cache_size,
        floors=floors,
        behind_ttl_for=settings.cache_behind_ttl_for,
        features_ttl_for=settings.cache_features_ttl_for,
    )


def addresses_in(text: str) -> list[str]:
    """The addresses of a setting that lists several."""
    return [address.strip() for address in text.split(",") if address.strip()]
