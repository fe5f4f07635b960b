"""Opens what a worker of the API needs, by the settings, and closes all of it if one of them cannot be had."""

from __future__ import annotations

from contextlib import ExitStack

from psycopg_pool import ConnectionPool

from entitlements.access.caching.levels import addresses_in, open_levels
from entitlements.access.caching.purging import Purger
from entitlements.access.customer_pools import PostgresPools
from entitlements.access.log import tables
from entitlements.access.log.writer import AccessLog
from entitlements.access.policy_source import PostgresPolicies
from entitlements.access.remembered import RememberedPolicies
from entitlements.access.views import PostgresViews
from entitlements.api import http_caching
from entitlements.api.auth import authenticator
from entitlements.api.following import Follower, Told
from entitlements.api.services import LIST_THREADS, LOAD_THREADS, THREADS, Services
from entitlements.ledger.caller import Caller
from entitlements.ledger.ends import TopicEnds
from entitlements.operations.lag import ProjectionLag
from entitlements.settings import Settings
from entitlements_projections.database import LIVE, Connection, configure


def open_services(settings: Settings) -> Services:
    """Open everything. Raises ServerIsAway, KafkaException: a server does not answer."""
    with ExitStack() as stack:
        database = _pool(settings.postgres, stack, size=THREADS + LOAD_THREADS + LIST_THREADS)
        lag = ProjectionLag(settings)
        stack.callback(lag.close)
        primary = PostgresViews(database.connection, lag=lambda: lag.seconds)
        listeners = [stack.enter_context(_purger(settings))] if settings.http_purge else []
        levels = open_levels(
            settings,
            primary,
            PostgresPools(database.connection),
            lambda url: PostgresViews(_pool(url, stack).connection, lag=lambda: lag.seconds),
            stack,
            listeners=listeners,
        )
        follower = Follower(settings)
        policies = RememberedPolicies(PostgresPolicies(database.connection))
        follower.attach(lambda told: _forget(policies, told))
        follower.start()
        stack.callback(follower.stop)
        caller = stack.enter_context(Caller(settings, in_loop=True))
        access_log = AccessLog(settings)
        stack.callback(access_log.close)
        return Services(
            settings=settings,
            caller=caller,
            ends=TopicEnds(settings, within_for=settings.answer_timeout_for),
            database=database,
            log_tables=_pool(settings.postgres, stack, tables.SCHEMA, size=LIST_THREADS),
            views=levels.source,
            pools=levels.pools,
            primary=primary,
            policies=policies,
            authenticator=authenticator(settings),
            follower=follower,
            access_log=access_log,
            lifetimes=http_caching.Lifetimes(
                client_for=settings.http_client_ttl_for,
                shared_for=settings.http_shared_ttl_for,
                stale_for=settings.http_stale_for,
            ),
            floors=levels.floors,
            lag=lag,
            cache_counts=levels.counts,
            closing=stack.pop_all(),
        )


def _forget(policies: RememberedPolicies, told: list[Told] | None) -> None:
    for one in told or ():
        if one.event == "policies" and one.organization_id is not None:
            policies.forget(one.organization_id)


def _pool(
    url: str, stack: ExitStack, schema: str = LIVE, size: int = THREADS + LOAD_THREADS
) -> ConnectionPool[Connection]:
    pool: ConnectionPool[Connection] = ConnectionPool(
        url,
        min_size=min(2, size),
        max_size=size,
        timeout=5.0,
        kwargs={"autocommit": True, "connect_timeout": 5, "tcp_user_timeout": 5_000},
        configure=lambda connection: configure(connection, schema),
        open=False,
        name="api",
    )
    pool.open()
    stack.callback(pool.close)
    return pool


def _purger(settings: Settings) -> Purger:
    return Purger(addresses_in(settings.http_purge), http_caching.names_of, every_answer=http_caching.EVERY_ANSWER)
