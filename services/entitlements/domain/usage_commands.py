"""What can be asked about usage beside recording it: hold, commit, allocate, take back. As in commands.py, one .avsc each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from entitlements.domain.commands import PoolCommand
from entitlements.domain.values import UsageMode


@dataclass(frozen=True, kw_only=True)
class ReserveUsage(PoolCommand):
    """Hold a quantity until it is committed or released or expires. A lease is drawn down by the client that holds it."""

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
    """Hold a reservation until a later instant."""

    reservation_id: str
    expires_at: datetime | None = None
    held_for: int = 0
    #: As RecordUsage has them.
    batch_key: str = ""
    batch_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class CommitReservation(PoolCommand):
    """Use what was reserved: part, all, or more of it. What is left is released unless it is kept."""

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
    """Give a reservation back unused."""

    reservation_id: str
    reason: str = ""
    #: As RecordUsage has them.
    batch_key: str = ""
    batch_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class AllocateLimit(PoolCommand):
    """Hold some of a limit: a quantity, or a named holder's such as the seat of a subject."""

    resource_key: str
    quantity: int = 1
    holder_id: str = ""
    workspace_id: str = ""


@dataclass(frozen=True, kw_only=True)
class SetAllocation(PoolCommand):
    """Say how much of a limit is held, altogether by nobody in particular or by a named holder; 0 gives all back."""

    resource_key: str
    held: int
    holder_id: str = ""
    workspace_id: str = ""


@dataclass(frozen=True, kw_only=True)
class ReverseUsage(PoolCommand):
    """Take recorded usage back, exactly: to the contributions, credits and payers it came from. 0: all that is left of it."""

    usage_id: str
    part: int = 0
    reason: str


@dataclass(frozen=True, kw_only=True)
class CorrectUsage(PoolCommand):
    """Correct the total of a period by a quantity, up or down, where no single recorded line is to be taken back."""

    resource_key: str
    adjustment: int
    occurred_at: datetime | None = None
    corrects: str = ""
    reason: str
