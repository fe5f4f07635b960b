"""What the levels of caching count by themselves, as metrics: read when somebody asks, so that a hit costs nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

if TYPE_CHECKING:
    from prometheus_client.core import Metric

NAME: Final = "entitlements_cache_lookups"
MEANING: Final = "Cache lookups of customers, by level and result: hits, misses and others."

#: A dataclass of whole numbers, such as entitlements.access.caching.in_process.Counts.
Counted: TypeAlias = Any


class CacheCounts(Collector):
    """Tells the counts of each level."""

    def __init__(self, levels: Mapping[str, Counted]) -> None:
        self._levels = dict(levels)

    def collect(self) -> Iterable[Metric]:
        """One series for each level and count."""
        family = CounterMetricFamily(NAME, MEANING, labels=["level", "result"])
        for level, counts in self._levels.items():
            for field in fields(counts):
                value = getattr(counts, field.name)
                if isinstance(value, int):
                    family.add_metric([level, field.name], value)
        yield family

    def register(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Tell them in this registry; nothing where there is no level."""
        if self._levels:
            registry.register(self)
