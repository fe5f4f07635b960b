"""What a record of `entitlements.changes` or `entitlements.events` means for views: whom it concerns, and where it stands.

| event of | concerns |
|---|---|
| a pool, naming a workspace (assigned, capped, overridden, reserved, held) | that customer of the pool's organization |
| a pool (suspended, restacked, reset, overridden as a whole, ...) | whoever is or was assigned to it |
| an organization, naming a workspace (placed, a role in it) | that customer of the organization |
| an organization (units, their roles and assignments, access policies, API keys) | all of the organization |
| a resource key (what it inherits, where it may be used) | everybody |
| an entitlement set, a plan ladder, a campaign | nobody: what follows for a pool is an event of that pool |

Usage is in neither topic: it is told by time alone. Reservations of one customer move what remains for others of its pool just as
usage does, so they are its own business here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from entitlements.access.caching.floors import Concerned

#: What an event of these says is told by the pools that it reaches.
_OF_NOBODY: Final = frozenset({"entitlement_set", "campaign", "plan_ladder"})


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something that happened at a place of the ledger.

    pool_id: whoever is assigned to it is concerned as well; of customer_id, where that is not empty, the customer of this id in the
    pool's organization alone.
    """

    partition: int
    offset: int
    concerned: Concerned
    pool_id: str = ""
    customer_id: str = ""


def of_change(record: Mapping[str, Any]) -> News:
    """The news in a change: its customer's."""
    concerned = Concerned(customers=frozenset({(record["organization_id"], record["customer_id"])}))
    return News(partition=record["ledger_partition"], offset=record["ledger_offset"], concerned=concerned)


def of_event(headers: Mapping[str, bytes | None], record: Mapping[str, Any]) -> News | None:
    """The news in a published event, by its headers; None: nobody's. record: empty where a newer version wrote it.

    Raises ValueError, KeyError for headers that our publisher does not write.
    """
    kind, _, rest = (headers["ce_id"] or b"").decode().partition("/")
    aggregate_id = rest.rpartition("/")[0]
    if kind in _OF_NOBODY:
        return None
    customer_id = record.get("workspace_id") or ""
    concerned, pool_id = Concerned(everybody=True), ""
    if kind == "pool":
        concerned, pool_id = Concerned(), aggregate_id
    elif kind == "organization" and customer_id:
        concerned, customer_id = Concerned(customers=frozenset({(aggregate_id, customer_id)})), ""
    elif kind == "organization":
        concerned = Concerned(organizations=frozenset({aggregate_id}))
    place = (int((headers[name] or b"").decode()) for name in ("ledger_partition", "ledger_offset"))
    partition, offset = place
    return News(partition=partition, offset=offset, concerned=concerned, pool_id=pool_id, customer_id=customer_id)
