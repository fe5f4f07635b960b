"""Whom news of a pool concern: who uses it by the read models, and who was assigned to it since, of which these need not know yet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

import psycopg

from entitlements.access.caching.floors import Concerned
from entitlements.access.caching.news import News
from entitlements_projections import reading
from entitlements_projections.database import Connection, connect

_log = logging.getLogger(__name__)

#: Pools whose organizations are remembered: some 200 bytes each.
OWNERS_MAX: Final = 100_000
#: Customers that were named of pools and that the read models do not know of yet, as far as anybody has looked: some 200 bytes each.
NAMED_MAX: Final = 100_000
#: Pools in one query. Above NAMED_MAX the read models are asked again after so many names more.
ASKED_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class PoolUsers:
    """The organization of a pool, and the ids of its customers that are or were assigned to it."""

    organization_id: str
    customer_ids: Sequence[str]


#: Who uses pools, by pool; a pool that is not known yet is not there. Raises psycopg.Error when that cannot be said.
UsersOfPools: TypeAlias = Callable[[Collection[str]], Mapping[str, PoolUsers]]


class WhomNewsConcern:
    """Hears all news in the order of their partitions. For one thread.

    An event that names a customer comes before all others of its pool that concern it, and may come before the read models have it. Whoever
    read a view between the two, and heard of the first alone, would keep what the second one took away.
    """

    def __init__(self, users_of: UsersOfPools) -> None:
        self._users_of = users_of
        #: The organization of pools: that never changes. Those that were heard of first are forgotten first.
        self._owners: dict[str, str] = {}
        #: Who was named, by pool, until the read models know it.
        self._named: dict[str, set[str]] = {}
        self._named_count = 0

    def learn(self, pool_id: str, organization_id: str) -> None:
        """A pool is an organization's."""
        if pool_id not in self._owners and len(self._owners) >= OWNERS_MAX:
            del self._owners[next(iter(self._owners))]
        self._owners[pool_id] = organization_id

    def concerned(self, told: Sequence[News]) -> Iterator[tuple[News, Concerned]]:
        """Whom each of the news concerns."""
        pools = {one.pool_id for one in told if one.pool_id and not (one.customer_id and one.pool_id in self._owners)}
        users: Mapping[str, PoolUsers] | None = {}
        try:
            users = self._ask(pools) if pools else {}
        except psycopg.Error as error:
            users = None
            _log.warning("Customers of %d pools unknown, invalidating all cached views: %s", len(pools), error)
        for one in told:
            yield one, self._of_pool(one, users) if one.pool_id else one.concerned

    def _of_pool(self, one: News, users: Mapping[str, PoolUsers] | None) -> Concerned:
        """Everybody where nobody can tell; nobody where the read models do not know the pool and nobody was named: no view has anything of it.

        users: None: it could not be asked.
        """
        pool_id, owner = one.pool_id, self._owners.get(one.pool_id)
        if one.customer_id:
            self._note(pool_id, one.customer_id)
            if owner is None:  # A customer of this id has a view in some organization; nobody can say in which.
                return Concerned(everybody=True)
            return Concerned(customers=frozenset({(owner, one.customer_id)}))
        customer_ids: set[str] = set(self._named.get(pool_id, ()))
        if users is None or (owner is None and customer_ids) or self._named_count > NAMED_MAX:
            return Concerned(everybody=True)
        known = users.get(pool_id)
        if known is not None:
            customer_ids.update(known.customer_ids)
        return Concerned(customers=frozenset((owner or "", customer_id) for customer_id in customer_ids))

    def _ask(self, pools: Collection[str]) -> Mapping[str, PoolUsers]:
        """Who uses pools by the read models. Raises psycopg.Error."""
        users = self._users_of(pools)
        for pool_id, known in users.items():
            self.learn(pool_id, known.organization_id)
            if pool_id in self._named:
                named = self._named.pop(pool_id)
                left = named.difference(known.customer_ids)
                self._named_count -= len(named) - len(left)
                if left:
                    self._named[pool_id] = left
        return users

    def _note(self, pool_id: str, customer_id: str) -> None:
        named = self._named.setdefault(pool_id, set())
        if customer_id not in named:
            named.add(customer_id)
            self._named_count += 1
            if self._named_count > NAMED_MAX and self._named_count % ASKED_AT_ONCE == 0:
                self._let_go()

    def _let_go(self) -> None:
        """Forget those whom the read models know by now. As long as these know too few, news of a pool concern everybody."""
        pools = list(self._named)
        with suppress(psycopg.Error):
            for first in range(0, len(pools), ASKED_AT_ONCE):
                before = self._named_count
                self._ask(pools[first : first + ASKED_AT_ONCE])
                if self._named_count == before:
                    return  # Those that were named first are not known, nor will the later ones be.


class UsersInPostgres:
    """Says who uses pools, from the read models of the primary. For one thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None

    def __call__(self, pool_ids: Collection[str]) -> dict[str, PoolUsers]:
        """Who uses pools. Raises psycopg.Error."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url)
        try:
            rows = reading.workspaces_of_pools(self._connection, sorted(pool_ids))
        except psycopg.Error:
            self._connection.close()
            self._connection = None
            raise
        return {row["pool_id"]: PoolUsers(row["organization_id"], row["workspace_ids"]) for row in rows}
