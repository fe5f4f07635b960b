"""The words between the two steps: what happened to a pool, said about one workspace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bounds of one row, so that it always fits one Kafka record even when all ids are long and not ASCII.
WORKSPACES_PER_POOL_MAX: Final = 25_000
KEYS_PER_POOL_MAX: Final = 2_000
VALUES_PER_WORKSPACE_MAX: Final = 10_000


class Unfit(Exception):
    """The record cannot be processed; it goes to the quarantine."""

    code: ClassVar[str] = "unfit"


class PoolIsTooLarge(Unfit):
    """The pool has too many customers or entitlements."""

    code = "pool_is_too_large"


class WorkspaceIsTooLarge(Unfit):
    """The customer has too many entitlements."""

    code = "workspace_is_too_large"


class OrganizationIsUnknown(Unfit):
    """The organization of the pool is unknown: its opening was not read."""

    code = "organization_is_unknown"


class Customer(NamedTuple):
    """A workspace of an organization: its id is unique within the organization only."""

    organization_id: str
    workspace_id: str


class Position(NamedTuple):
    """A place in one partition of the ledger: offset of the frame, and which of the events in it, from 0."""

    offset: int
    nth: int


#: Before everything.
NOWHERE: Final = Position(-1, -1)


class Held(NamedTuple):
    """The effective value of one key in one pool; that it is there at all means that the pool has it."""

    entitlement_type: str
    limit: int | None
    soft_limit: int | None
    hard_limit: int | None
    period: str | None


class Narrowing(NamedTuple):
    """An administrator's override of one workspace, as far as it changes what the workspace has of a key."""

    workspace_id: str
    resource_key: str
    allowed: bool
    amount: int | None

    def narrowed(self, value: Held | None) -> Held | None:
        """What the workspace has where its pool has this: nothing, no more than the amount, or all (domain/members.py)."""
        if value is None or not self.allowed:
            return None
        if self.amount is None or value.entitlement_type == "boolean":
            return value
        limit = self.amount if value.limit is None else min(value.limit, self.amount)
        # It draws no more than that, whatever the hard limit of the pool is.
        return value._replace(
            limit=limit,
            soft_limit=None if value.soft_limit is None or value.soft_limit > limit else value.soft_limit,
            hard_limit=self.amount if value.hard_limit is None else min(value.hard_limit, self.amount),
        )


class Cause(NamedTuple):
    """The event behind a fact. at: milliseconds since 1970 (UTC), when it took effect."""

    event_id: str
    pool_id: str
    at: int
    ledger_partition: int
    position: Position


class Quota(NamedTuple):
    """Something happened to a quota or limit. change: short name of the change's record, such as QuotaExceeded.

    fields: those of the change's record that only this kind has.
    """

    change: str
    resource_key: str
    fields: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Fact:
    """What one event of one pool means for one customer: other values from this pool (None: not any more), or a quota."""

    cause: Cause
    customer: Customer
    values: Mapping[str, Held | None]
    quota: Quota | None = None


@dataclass(frozen=True, slots=True)
class PoolEvent:
    """One event of a pool as it was read: its short name, the record with instants in milliseconds, and where it stands."""

    name: str
    record: Mapping[str, object]
    cause: Cause
