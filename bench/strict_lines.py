"""Strict usage in batches of 100 lines."""

from __future__ import annotations

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from bench import work
from bench.place import Place
from bench.rounds import median, rates
from entitlements.ledger import clients

#: Batches a round: some four seconds of the engine's time.
BATCHES: int = 4_000


def wide(place: Place) -> dict[str, float]:
    """Every line of a batch is of another pool of 10,000."""
    settings = place.installation("wide")
    place.ledgers["wide"] = settings
    pools, count = work.pool_ids(), place.sized(BATCHES)
    found = rates(place, settings, pools, lambda chance: work.wide_batches(pools, settings.partitions, count, chance))
    return {"strict_lines_per_s": median(found)}


def hot(place: Place) -> dict[str, float]:
    """All lines are of one pool, and so on one partition."""
    pools, count = work.pool_ids(1), place.sized(BATCHES)
    found = rates(place, place.installation("hot"), pools, lambda chance: work.hot_batches(pools[0], count, chance))
    return {"strict_lines_per_s_hot_pool": median(found)}


def flushed(place: Place) -> dict[str, float]:
    """As wide, but the broker writes every frame through to the disk before it answers, as Postgres does a commit."""
    settings = place.installation("flushed")
    topic = ConfigResource(
        ResourceType.TOPIC,
        settings.topic("ledger"),
        incremental_configs=[ConfigEntry("flush.messages", "1", incremental_operation=AlterConfigOpType.SET)],
    )
    admin = clients.admin(settings)  # Kept: without it the answer never comes.
    admin.incremental_alter_configs([topic])[topic].result(15)
    pools, count = work.pool_ids(), place.sized(BATCHES)
    found = rates(place, settings, pools, lambda chance: work.wide_batches(pools, settings.partitions, count, chance))
    return {"strict_lines_per_s_fsync": median(found)}
