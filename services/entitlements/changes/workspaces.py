"""Step 2: what a workspace of an organization has from each of its pools; a fact about it becomes changes of this customer.

granted   it had the key from no pool before and has it now
revoked   it has the key from no pool any more
changed   it has it as before, with another value from this pool, or from one pool more or less

Rules only. `changes_of` decides and changes nothing; `take_in` is the step of state that follows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from entitlements.changes.facts import (
    NOWHERE,
    VALUES_PER_WORKSPACE_MAX,
    Fact,
    Held,
    Position,
    Quota,
    WorkspaceIsTooLarge,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entitlements.changes.facts import Customer

#: Short name of a change's record to its public type (the CloudEvents type).
PUBLIC_TYPES: Final = {
    "EntitlementGranted": "entitlement.granted",
    "EntitlementRevoked": "entitlement.revoked",
    "EntitlementChanged": "entitlement.changed",
    "QuotaWarned": "quota.warning",
    "QuotaExceeded": "quota.exceeded",
    "ExceededWithdrawn": "quota.exceeded_withdrawn",
    "QuotaReset": "quota.reset",
}


@dataclass(slots=True)
class WorkspaceRow:
    """What is remembered of one workspace of one organization.

    offset: the last fact taken in, as an offset of the topic of facts. seen: by partition of the ledger, the last event
    taken in: facts of one partition arrive in its order, so that one position a partition tells repeats, whatever the
    number of pools. held: by key and pool.
    """

    offset: int = -1
    seen: dict[int, Position] = field(default_factory=dict)
    held: dict[str, dict[str, Held]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A public change: short name of its record, and the record with instants in milliseconds."""

    name: str
    record: Mapping[str, Any]

    @property
    def public_type(self) -> str:
        """The CloudEvents type, such as entitlement.granted."""
        return PUBLIC_TYPES[self.name]


def changes_of(row: WorkspaceRow, fact: Fact, offset: int) -> list[Change]:
    """The changes that follow from the fact at this offset. A fact that the row took in before has none.

    Raises WorkspaceIsTooLarge.
    """
    if _is_repeat(row, fact, offset):
        return []  # Read or written again. Its changes were in Kafka before the row advanced.
    return [_quota_change(fact, fact.quota)] if fact.quota else _entitlement_changes(row, fact)


def take_in(row: WorkspaceRow, fact: Fact, offset: int) -> None:
    """The row as it stands after the fact. Changes nothing when the row took it in before."""
    if _is_repeat(row, fact, offset):
        return
    row.offset = offset
    row.seen[fact.cause.ledger_partition] = fact.cause.position
    for key, after in fact.values.items():
        pools = row.held.setdefault(key, {})
        if after is None:
            pools.pop(fact.cause.pool_id, None)
        else:
            pools[fact.cause.pool_id] = after
        if not pools:
            del row.held[key]


def _is_repeat(row: WorkspaceRow, fact: Fact, offset: int) -> bool:
    cause = fact.cause
    return offset <= row.offset or cause.position <= row.seen.get(cause.ledger_partition, NOWHERE)


def _entitlement_changes(row: WorkspaceRow, fact: Fact) -> list[Change]:
    pool_id = fact.cause.pool_id
    added = sum(held is not None for held in fact.values.values())
    if added and added + sum(map(len, row.held.values())) > VALUES_PER_WORKSPACE_MAX:
        raise WorkspaceIsTooLarge(f"More than {VALUES_PER_WORKSPACE_MAX} values.")
    changes: list[Change] = []
    for key, after in fact.values.items():
        pools = row.held.get(key, {})
        before = pools.get(pool_id)
        if before == after:
            continue
        elsewhere = any(pool != pool_id for pool in pools)
        had, has = elsewhere or before is not None, elsewhere or after is not None
        name = "EntitlementChanged" if had and has else "EntitlementGranted" if has else "EntitlementRevoked"
        changes.append(_entitlement_change(name, fact, key, before, after))
    return changes


def _entitlement_change(name: str, fact: Fact, key: str, before: Held | None, after: Held | None) -> Change:
    held = after or before
    assert held is not None, "a change without a value before and after"
    record = _record(name, fact, key)
    record.update(entitlement_type=held.entitlement_type, before=_value(before), after=_value(after))
    return Change(name, record)


def _quota_change(fact: Fact, quota: Quota) -> Change:
    record = _record(quota.change, fact, quota.resource_key)
    record.update(quota.fields)
    return Change(quota.change, record)


def _record(name: str, fact: Fact, key: str) -> dict[str, Any]:
    cause = fact.cause
    return {
        "change_id": change_id(cause.event_id, fact.customer, key, PUBLIC_TYPES[name]),
        "organization_id": fact.customer.organization_id,
        "customer_id": fact.customer.workspace_id,
        "resource_key": key,
        "effective_at": cause.at,
        "pool_id": cause.pool_id,
        "cause_event_id": cause.event_id,
        "ledger_partition": cause.ledger_partition,
        "ledger_offset": cause.position.offset,
    }


def change_id(event_id: str, customer: Customer, resource_key: str, public_type: str) -> str:
    """The id of a change: the same whenever it is found again. 32 characters, hex."""
    # Lengths keep ("ab", "c") and ("a", "bc") apart.
    parts = "".join(f"{len(part)}:{part}" for part in (event_id, *customer, resource_key, public_type))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def _value(held: Held | None) -> dict[str, Any] | None:
    if held is None:
        return None
    return {"limit": held.limit, "soft_limit": held.soft_limit, "hard_limit": held.hard_limit, "period": held.period}
