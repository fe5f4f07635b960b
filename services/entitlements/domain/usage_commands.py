"""What can be asked about usage beside recording it: hold, commit, allocate, take back. As in commands.py, one .avsc each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from entitlements.domain.commands import PoolCommand
from entitlements.domain.values import UsageMode


@dataclass(frozen=True, kw_only=True)
class ReserveUsage(PoolCommand):
    """Hold a quantity until it is committed, released or expires. A client draws a lease down by itself."""

    reservation_id: str
    resource_key: str
    quantity: int
    #: One of them says until when; held_for counts seconds from the decision on, so that no clock of a client matters.
    expires_at: datetime | None = None
    held_for: int = 0
    workspace_id: str = ""
    subject_id: str = ""
    lease: bool = False
    #: As RecordUsage has them.
    batch_key: str = ""
    batch_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class ExtendReservation(PoolCommand):
    """Extend a reservation to a later time."""

    reservation_id: str
    expires_at: datetime | None = None
    held_for: int = 0
    #: As RecordUsage has them.
    batch_key: str = ""
    batch_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class CommitReservation(PoolCommand):
    """Record usage from a reservation: part, all or more of it. The rest is released unless it is kept."""

    reservation_id: str
    quantity: int
    mode: UsageMode = "strict"
    keep_rest: bool = False
    usage_id: str = ""
    #: As RecordUsage has them.
    batch_key: str = ""
    batch_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class ReleaseReservation(PoolCommand):
    """Release a reservation unused."""

    reservation_id: str
    reason: str = ""
    #: As RecordUsage has them.
    batch_key: str = ""
    batch_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class AllocateLimit(PoolCommand):
    """Allocate part of a limit: a quantity, or one for a named holder, such as a user's seat."""

    resource_key: str
    quantity: int = 1
    holder_id: str = ""
    workspace_id: str = ""


@dataclass(frozen=True, kw_only=True)
class SetAllocation(PoolCommand):
    """Set how much of a limit is allocated, to a named holder or in total without one; 0 releases it."""

    resource_key: str
    held: int
    holder_id: str = ""
    workspace_id: str = ""


@dataclass(frozen=True, kw_only=True)
class ReverseUsage(PoolCommand):
    """Reverse recorded usage exactly: to the contributions, credits and payers it was charged to."""

    usage_id: str
    part: int = 0
    reason: str


@dataclass(frozen=True, kw_only=True)
class CorrectUsage(PoolCommand):
    """Adjust the total of a period, up or down. To undo one recorded line, use ReverseUsage."""

    resource_key: str
    adjustment: int
    occurred_at: datetime | None = None
    corrects: str = ""
    reason: str
