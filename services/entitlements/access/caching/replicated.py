"""Reads views from Postgres' replicas, as far as they are fresh enough, and else from the primary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg

from entitlements.access.caching.floors import Floors
from entitlements.access.caching.in_process import Counts
from entitlements.access.sources import ViewSource
from entitlements.errors import ServerIsAway
from entitlements_projections.errors import NotReachedYet
from entitlements_projections.replicas import Replicas


class Replicated:
    """A ViewSource over those of the primary and of each replica.

    A replica is asked when it is behind by no more than Replicas allows, has the positions that are asked for, and has what is
    known to have happened to the customers (Floors). One that fails is passed by: the next one answers, at last the primary.
    hits: answered by a replica. misses: by the primary.
    """

    def __init__(
        self, primary: ViewSource, replicas: Mapping[str, ViewSource], watched: Replicas, *, floors: Floors
    ) -> None:
        """replicas: by the address under which they are watched."""
        self._primary, self._replicas, self._watched, self._floors = primary, replicas, watched, floors
        self.counts = Counts()

    def load(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        """As ViewSource.load. What no replica has yet is waited for at the primary."""
        least = self._floors.least(organization_id, customer_ids)
        for partition, offset in (at_least or {}).items():
            least[partition] = max(least.get(partition, -1), offset)
        for url in self._watched.fresh(least):
            try:
                loaded = self._replicas[url].load(organization_id, customer_ids, at_least)
            except (psycopg.Error, ServerIsAway, NotReachedYet):
                self.counts.failed += 1
                self._watched.failed(url)
            else:
                self.counts.hits += len(customer_ids)
                return loaded
        self.counts.misses += len(customer_ids)
        return self._primary.load(organization_id, customer_ids, at_least)
