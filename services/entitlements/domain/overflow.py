"""When usage that names no pool goes on from one pool of its workspace to the next. It is never split (docs/architecture.md 5)."""

from __future__ import annotations

from typing import Final

from entitlements.domain.errors import (
    MemberCapIsReached,
    NotEntitled,
    PoolIsClosed,
    PoolIsSuspended,
    ProvisionIsSuspended,
    QuotaIsExceeded,
    UnknownKey,
)

#: A pool has nothing of the key to draw on: it is passed over ...
HAS_NOTHING: Final = frozenset({
    NotEntitled.code, UnknownKey.code, PoolIsSuspended.code, PoolIsClosed.code, ProvisionIsSuspended.code,
})  # fmt: skip
#: ... or it has no room, and the workspace may overflow from it.
HAS_NO_ROOM: Final = frozenset({QuotaIsExceeded.code, MemberCapIsReached.code})


def asks_the_next(code: str, *, may_overflow: bool) -> bool:
    """Whether the next pool is asked after one that refused with this code; else its refusal is the answer."""
    return code in HAS_NOTHING or (may_overflow and code in HAS_NO_ROOM)
