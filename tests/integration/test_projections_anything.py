"""Whatever anybody writes into the log of commands is decided or refused, and what was decided is in the read models.

One command that breaks a decision stops a partition until it is put away; one event that Postgres will not have stops everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import Any

import pytest
from tests.nightly import examples

from entitlements.domain.commands import Command
from entitlements.domain.values import QUANTITY_MAX
from entitlements.ledger.frames import wire
from entitlements_projections.comparing import compare
from entitlements_projections.database import connect
from entitlements_projections.migrations import migrate
from entitlements_projections.testing import SyntheticLedger, all_frames, random_history, write
from entitlements_schemas import NotEncodable

NUMBERS = (
    0, 1, -1, 2, 99, 100, 127, 128, 2**15, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32, 2**53, 2**53 + 1, QUANTITY_MAX - 1,
    QUANTITY_MAX, QUANTITY_MAX + 1, 2**62, 2**63 - 1, -(2**63), 253_402_300_799_999, 253_402_300_800_000, -62_135_596_800_000,
    -62_135_596_800_001, 1_767_225_600_000, 1_767_225_599_999,
)  # fmt: skip
TEXTS = (
    "", " ", "a", "\0", "a\0b", "x" * 128, "x" * 129, "ü" * 128, "💥" * 128, "\u202e", "\ufeff", "\n", "a,b", '"', "'", "\\", "{}", "[1]",
    "null", "-1", "day", "P1D", "P0D", "P999999D", "P9999Y", "PT1S", "month", "lifetime", "quarter", "UTC", "Europe/Berlin", "Mars/Base",
    "strict", "report", "primary", "sum", "max", "min", "any", "override", "api_calls", "seats", "premium_analytics", "x" * 70_000,
)  # fmt: skip


class RoughLedger(SyntheticLedger):
    """A ledger into which commands come with a field or two that nobody would mean."""

    def __init__(self, random: Random, partitions: int) -> None:
        super().__init__(partitions)
        self._random = random

    def encoded(self, command: Command) -> bytes:
        as_meant = super().encoded(command)
        if self._random.random() < 0.6:
            return as_meant
        name, record = wire().decode_plain(as_meant)
        for _ in range(self._random.choice((1, 1, 2, 3))):
            self._bend(record)
        try:
            return wire().encode_plain(name, record)
        except NotEncodable:
            return as_meant

    def _bend(self, record: dict[str, Any]) -> None:
        """Another value in one place, of the type that is there, or of any where there is none."""
        get, put = self._random.choice(list(_places(record)))
        was = get()
        if isinstance(was, bool):
            put(not was)
        elif isinstance(was, int):
            put(self._random.choice(NUMBERS))
        elif isinstance(was, str):
            put(self._random.choice(TEXTS))
        elif isinstance(was, list):
            put(self._random.choice((was[:1], was * 2, [], was * 40)))
        else:
            put(self._random.choice((*NUMBERS, *TEXTS)))


def _places(holder: Any) -> Any:
    """(get, set) of everything in a record, the keys of its envelope left alone: they say whose it is."""
    items: Any = holder.items() if isinstance(holder, dict) else enumerate(holder)
    for key, value in items:
        if key in {"command_id", "caller"}:
            continue

        def get(key: Any = key) -> Any:
            return holder[key]

        def put(value: Any, key: Any = key) -> None:
            holder[key] = value

        yield get, put
        if isinstance(value, dict | list):
            yield from _places(value)


@pytest.mark.parametrize("seed", range(examples(6)))
def test_whatever_is_asked_is_decided_and_written(
    seed: int, database: str, record_property: Callable[[str, Any], None]
) -> None:
    random = Random(seed)
    ledger = RoughLedger(random, partitions=2)
    random_history(ledger, random, 150)
    for schema in ("one_by_one", "mixed"):
        migrate(database, schema)
    with closing(connect(database, "one_by_one")) as ordered, closing(connect(database, "mixed")) as mixed:
        write(ordered, *([frame] for frame in all_frames(ledger)))
        write(mixed, *ledger.interleaved(random, 20))
        assert [table for table in compare(mixed, "one_by_one", "mixed") if not table.equal] == []
