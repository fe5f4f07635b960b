"""Where the tables stand in the ledger: moved by compare-and-set, in the transaction that moves the rows.

Positions come from here and never from Kafka. Moving one locks its row until commit, so of two projectors that both
believe they own a partition one writes a batch and the other gets PositionMoved: nothing is written twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from entitlements_projections.errors import PositionMoved
from entitlements_projections.statements import statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entitlements.ledger.chain import ChainPosition
    from entitlements_projections.database import Connection, Cursor

#: Where readers who wait for a position listen.
CHANNEL: Final = "entitlements_positions"


def read_positions(connection: Connection) -> dict[int, ChainPosition]:
    """The position of each partition that has one."""
    from entitlements.ledger.chain import ChainPosition

    rows = connection.execute(statement("positions", "read")).fetchall()
    return {partition: ChainPosition.from_json(position) for partition, _, position in rows}


def read_offsets(connection: Connection) -> dict[int, int]:
    """The offset of the last frame in the tables, of each partition that has one."""
    rows = connection.execute(statement("positions", "read")).fetchall()
    return {partition: offset for partition, offset, _ in rows}


def advance(cursor: Cursor, expected: Mapping[int, int], reached: Mapping[int, tuple[ChainPosition, int]]) -> None:
    """Move positions from the offsets expected (none: the partition has none yet). Raises PositionMoved.

    Each is moved to a position of the chain and its frame's decided_at in epoch milliseconds.
    """
    for name, partitions in (
        ("begin", reached.keys() - expected.keys()),
        ("advance", reached.keys() & expected.keys()),
    ):
        if not partitions:
            continue
        rows = [(p, expected.get(p), reached[p][0].offset, reached[p][0].to_json(), reached[p][1]) for p in partitions]
        columns = zip(
            ("partitions", "expected", "offsets", "positions", "decided_at_ms"), zip(*rows, strict=True), strict=True
        )
        cursor.execute(statement("positions", name), {column: list(values) for column, values in columns})
        for partition in sorted(partitions.difference(moved for (moved,) in cursor.fetchall())):
            raise PositionMoved(f"Partition {partition} is no longer at {expected.get(partition)}.")


def notify(cursor: Cursor) -> None:
    """Wake readers at commit."""
    cursor.execute(statement("positions", "notify"))
