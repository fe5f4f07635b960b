"""Views of many customers are loaded in slices, each with a turn of its own, so that others have theirs between."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from entitlements.api.turns import Turns
from entitlements.api.views import CUSTOMERS_AT_ONCE, VIEWS_AT_ONCE, CustomerViews


class Source:
    """Knows every customer, who has nothing. loads: customers of each load."""

    def __init__(self) -> None:
        self.loads: list[tuple[str, int]] = []

    def load(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        self.loads.append((organization_id, len(customer_ids)))
        return dict.fromkeys(customer_ids, b"{}")


def views(source: Source, few: Turns, many: Turns) -> CustomerViews:
    async def reach(_: Mapping[int, int] | None) -> None:
        pass

    return CustomerViews(source, source, 10, Turns("computing"), load_few=few.call, load_many=many.call, reach=reach)


@pytest.mark.parametrize(
    ("count", "loads"),
    [
        (1, [1]),
        (VIEWS_AT_ONCE, [VIEWS_AT_ONCE]),
        (CUSTOMERS_AT_ONCE, [CUSTOMERS_AT_ONCE]),
        (2 * CUSTOMERS_AT_ONCE + 1, [CUSTOMERS_AT_ONCE, CUSTOMERS_AT_ONCE, 1]),
    ],
)
def test_many_customers_are_loaded_in_slices(count: int, loads: list[int]) -> None:
    source = Source()

    async def asked() -> dict[str, bytes]:
        few, many = Turns("few"), Turns("many")
        found = await views(source, few, many).documents("acme", [f"c{n}" for n in range(count)])
        assert (few._threads._threads == set()) is (count > VIEWS_AT_ONCE)  # type: ignore[attr-defined]
        few.close()
        many.close()
        return found

    assert list(asyncio.run(asked())) == [f"c{n}" for n in range(count)]
    assert [size for _, size in source.loads] == loads


def test_another_organization_has_its_turn_between_the_slices() -> None:
    source = Source()

    async def asked() -> None:
        few, many = Turns("few"), Turns("many")
        loading = views(source, few, many)

        def of(name: str, count: int) -> Any:
            return asyncio.create_task(loading.documents(name, [f"c{n}" for n in range(count)]))

        await asyncio.gather(of("noisy", 10 * CUSTOMERS_AT_ONCE), of("noisy", CUSTOMERS_AT_ONCE), of("quiet", 100))
        few.close()
        many.close()

    asyncio.run(asked())
    assert [name for name, _ in source.loads].index("quiet") <= 2


MEASURED = """
from pathlib import Path
from entitlements.access.caching.documents import exactly

def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

before = resident_pages()
kept = [exactly({"customer_id": str(number), "pools": [], "entitlements": {}}) for number in range(10_000)]
print((resident_pages() - before) * 4096)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_view_that_is_kept_takes_as_much_memory_as_it_is_long() -> None:
    """Ten thousand of 60 bytes; as orjson returns them they take 78 MB."""
    taken = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True).stdout
    assert int(taken) < 10_000_000
