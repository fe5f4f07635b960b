"""Derived ids begin with `~`; ids that callers choose must not, so the two never collide.

HTTP, command line and file import call `check_chosen` before they send a command. The engine does not check: derived ids (of a CloudEvent's
usage, of a campaign's grant) reach it as any other id does. Example: the second line of a `RecordUsage` without ids gets `~4f1c...`.
"""

from __future__ import annotations

import hashlib
from typing import Final

from entitlements.domain.commands import Command, IssueGrant, ProvisionPool, RecordUsage, RecordUsageBatch
from entitlements.domain.errors import InvalidId
from entitlements.domain.governance_commands import DefineCampaign
from entitlements.domain.plan_commands import ChangePlan, StartTrial
from entitlements.domain.usage_commands import CommitReservation, ReserveUsage

#: The first character of every derived id, and of no id that a caller chooses.
DERIVED: Final = "~"
#: Of a SHA-256 so many hexadecimal digits are kept: 160 bits.
_DIGITS: Final = 40

#: Fields in which a caller chooses the id of something new. Elsewhere an id names what is there already, whoever chose it.
_CHOSEN: Final[dict[type[Command], tuple[str, ...]]] = {
    ProvisionPool: ("provision_id",),
    ChangePlan: ("provision_id",),
    StartTrial: ("provision_id", "then_provision_id"),
    IssueGrant: ("grant_id",),
    ReserveUsage: ("reservation_id",),
    CommitReservation: ("usage_id",),
    RecordUsageBatch: ("source",),
    DefineCampaign: ("campaign_id",),
}


def derived_id(kind: str, *parts: str | int) -> str:
    """A deterministic id: the same for the same parts, different for all others.

    kind: what it is derived for, so that equal parts of another meaning give another id. The parts are hashed with their lengths: no
    two lists of parts give the same text.
    """
    text = "".join([f"{len(part)}:{part}" for part in (kind, *map(str, parts))])  # A list: thousands are made at once.
    return DERIVED + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def is_derived(text: str) -> bool:
    """Whether an id lies in the space of those that we derive."""
    return text.startswith(DERIVED)


def chosen_ids_of(kind: type[Command]) -> tuple[str, ...]:
    """The fields of a command in which its sender chooses the id of something new."""
    return _CHOSEN.get(kind, ())


def check_chosen(command: Command) -> None:
    """Check that no id that the sender of a command chooses begins with `~`. Raises InvalidId."""
    for name in ("idempotency_key", *_CHOSEN.get(type(command), ())):
        _check(name, getattr(command, name) or "")
    groups = command.groups if isinstance(command, RecordUsageBatch) else []
    lines = command.lines if isinstance(command, RecordUsage) else [line for group in groups for line in group["lines"]]
    for line in lines:
        _check("usage_id", line["usage_id"])


def _check(name: str, text: str) -> None:
    if is_derived(text):
        raise InvalidId(f"{name} must not start with {DERIVED}, which is reserved")
