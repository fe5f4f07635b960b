"""Rows and facts as bytes: JSON with a format number. Only this part reads them, so they have no schema in the registry."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import orjson

from entitlements.changes.facts import Cause, Customer, Fact, Held, Narrowing, Position, Quota, Unfit
from entitlements.changes.pools import PoolRow
from entitlements.changes.workspaces import WorkspaceRow

FORMAT: Final = 2


class NotAFact(Unfit):
    """The value has an unknown format."""

    code: ClassVar[str] = "not_a_fact"


class UnknownRowFormat(Exception):
    """A stored row has an unknown format. Was it written by a newer version?"""


def fact_to_bytes(fact: Fact) -> bytes:
    """A fact for the topic of facts."""
    cause = fact.cause
    return orjson.dumps(
        {
            "format": FORMAT,
            "event": cause.event_id,
            "pool": cause.pool_id,
            "at": cause.at,
            "ledger": [cause.ledger_partition, *cause.position],
            "customer": fact.customer,
            "values": fact.values,
            "quota": fact.quota,
        },
        default=tuple,  # Named tuples as arrays.
    )


def fact_from_bytes(value: bytes | None) -> Fact:
    """The fact. Raises NotAFact for whatever is none."""
    try:
        made: Any = orjson.loads(value or b"")
        if made["format"] != FORMAT:
            raise NotAFact(f"Format {made['format']!r}.")
        partition, offset, index = (int(number) for number in made["ledger"])
        cause = Cause(str(made["event"]), str(made["pool"]), int(made["at"]), partition, Position(offset, index))
        quota = None if made["quota"] is None else Quota(*made["quota"])
        values = {key: None if held is None else Held(*held) for key, held in made["values"].items()}
        organization_id, workspace_id = (str(part) for part in made["customer"])
        return Fact(cause, Customer(organization_id, workspace_id), values, quota)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise NotAFact(f"{type(error).__name__}: {error}") from error


def pool_to_bytes(row: PoolRow) -> bytes:
    """A pool's row. The position comes first in `at`: readers keep the greatest."""
    return orjson.dumps(
        {
            "format": FORMAT,
            "at": row.position,
            "organization": row.organization_id,
            "workspaces": list(row.workspaces),
            "values": row.values,
            "overrides": row.overrides,
        },
        default=tuple,
    )


def pool_from_bytes(value: bytes | None) -> PoolRow:
    """A pool's row; None: a pool of which nothing is remembered. Raises UnknownRowFormat."""
    if value is None:
        return PoolRow()
    made = _row(value)
    return PoolRow(
        Position(*made["at"]),
        str(made["organization"]),
        dict.fromkeys(made["workspaces"]),
        {key: Held(*held) for key, held in made["values"].items()},
        {name: Narrowing(*override) for name, override in made["overrides"].items()},
    )


def workspace_to_bytes(row: WorkspaceRow) -> bytes:
    """A workspace's row."""
    seen = {str(partition): position for partition, position in row.seen.items()}
    return orjson.dumps({"format": FORMAT, "at": [row.offset], "seen": seen, "held": row.held}, default=tuple)


def workspace_from_bytes(value: bytes | None) -> WorkspaceRow:
    """A workspace's row; None: a workspace of which nothing is remembered. Raises UnknownRowFormat."""
    if value is None:
        return WorkspaceRow()
    made = _row(value)
    return WorkspaceRow(
        made["at"][0],
        {int(partition): Position(*position) for partition, position in made["seen"].items()},
        {key: {pool: Held(*held) for pool, held in pools.items()} for key, pools in made["held"].items()},
    )


def age_of(value: bytes) -> list[int]:
    """How far a row of either kind had read when it was written: of two versions of a row the greater is the newer."""
    at: list[int] = _row(value)["at"]
    return at


def _row(value: bytes) -> dict[str, Any]:
    made: dict[str, Any] = orjson.loads(value)
    if made["format"] != FORMAT:
        raise UnknownRowFormat(f"Format {made['format']!r}.")
    return made
