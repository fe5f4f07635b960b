"""Commands of the log, and what was decided about several of them, before it is a frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from entitlements.ledger.frames import Refusal

if TYPE_CHECKING:
    from entitlements.domain.aggregate import Aggregate, AggregateType
    from entitlements.ledger.causes import Causes
    from entitlements.ledger.outcomes import Result
    from entitlements.ledger.usage_deciding import UsualLines


class LoggedCommand(NamedTuple):
    """A record of the command log."""

    offset: int
    timestamp_ms: int
    value: bytes | None


class CannotBeDecided(Exception):
    """The decision of a command failed with an unexpected error."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"The command at offset {offset} cannot be decided.")
        self.offset = offset


@dataclass(slots=True)
class Batch:
    """What was decided about commands m to n."""

    first_command: int
    last_command: int
    decided_at_ms: int
    #: Lines of usage, refused ones too.
    lines: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    #: (caller, result, aggregate): the version is read off when everything is sealed.
    results: list[tuple[str, Result, Aggregate | None]] = field(default_factory=list)
    #: (index in the batch of commands, code, reason) of records that go to the quarantine.
    unreadable: list[tuple[int, str, str]] = field(default_factory=list)
    touched: dict[tuple[AggregateType, str], Aggregate] = field(default_factory=dict)
    #: Decides the short way; None: nothing may be decided so.
    usual: UsualLines | None = None
    #: Which events follow from commands that are traced; None: none is.
    causes: Causes | None = None


def results_of(batch: Batch) -> list[tuple[str, Result]]:
    """The results for the callers, with the versions after the whole batch."""
    for _, result, aggregate in batch.results:
        if aggregate is not None:
            result["aggregate_id"], result["version"] = aggregate.id, aggregate.version
    return [(caller, result) for caller, result, _ in batch.results]
