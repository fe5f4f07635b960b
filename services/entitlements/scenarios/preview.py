"""What if a set had been another one all along? Real pools' histories, decided twice: as it was and as it would have been.

Histories are streamed: of each pool two states are kept, from the moment on when it first holds the set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Final

from entitlements.domain.aggregate import Event
from entitlements.domain.buckets import UNLIMITED
from entitlements.domain.commands import PoolCommand, ProvisionPool, RecordUsage
from entitlements.domain.decide import decide
from entitlements.domain.errors import CommandRefused
from entitlements.domain.metering_events import UsageRecorded, UsageRefused
from entitlements.domain.plan_commands import ChangePlan, ReviseProvision
from entitlements.domain.pool_events import ProvisionEnded, ProvisionScheduled
from entitlements.domain.pools import ResourcePool
from entitlements.domain.values import RecordedLine, RefusedLine, Rule
from entitlements.scenarios.replaying import Asked, asked_by, asked_by_usage, plan_changed_by

#: A feature is held or not; for comparing it counts as unlimited or nothing.
_NOTHING: Final = -1


@dataclass(slots=True)
class Tally:
    """What became of one key: lines and quantity refused, and what lay above the limit, in the smallest unit."""

    refused_lines: int = 0
    refused: int = 0
    overage: int = 0


@dataclass(frozen=True, kw_only=True)
class KeyOutcome:
    """One key of one pool, as it was and as it would have been. A limit of None: unlimited, or a feature that is held."""

    pool_id: str
    resource_key: str
    #: A feature is included or not; it has no limit.
    is_feature: bool
    held_before: bool
    held_after: bool
    limit_before: int | None
    limit_after: int | None
    before: Tally
    after: Tally

    @property
    def gains(self) -> bool:
        """Whether the pool would have more of it, or less of it would have been refused or above the limit."""
        return self._size(after=True) > self._size(after=False) or self._worse(self.before, self.after)

    @property
    def loses(self) -> bool:
        """Whether the pool would have less of it, or more of it would have been refused or above the limit."""
        return self._size(after=True) < self._size(after=False) or self._worse(self.after, self.before)

    def _size(self, *, after: bool) -> int:
        held, limit = (self.held_after, self.limit_after) if after else (self.held_before, self.limit_before)
        if not held:
            return _NOTHING
        return UNLIMITED if limit is None else limit

    @staticmethod
    def _worse(one: Tally, other: Tally) -> bool:
        return one.refused > other.refused or one.overage > other.overage


@dataclass(slots=True)
class _Run:
    """One way in which a pool's history is decided."""

    pool: ResourcePool | None = None
    tallies: dict[str, Tally] = field(default_factory=dict)
    #: Commands that were taken then and are refused now: by code.
    refusals: dict[str, int] = field(default_factory=dict)

    def decide(self, at_ms: int, command: PoolCommand) -> None:
        try:
            answer = decide(self.pool, command, at_ms)
        except CommandRefused as refusal:
            self.refusals[refusal.code] = self.refusals.get(refusal.code, 0) + 1
        else:
            assert isinstance(answer.aggregate, ResourcePool)
            self.pool = answer.aggregate
            if answer.usage is not None and isinstance(command, RecordUsage):
                for index, _, _ in answer.usage.refused:
                    line = command.lines[index]
                    tally = self.tally(line["resource_key"])
                    tally.refused_lines += 1
                    tally.refused += line["quantity"]
        if self.pool is not None:
            for event in self.pool.take_events():
                if isinstance(event, UsageRecorded):
                    for recorded in event.lines:
                        self.tally(recorded["resource_key"]).overage += recorded["overage"]

    def tally(self, resource_key: str) -> Tally:
        return self.tallies.setdefault(resource_key, Tally())


@dataclass(slots=True)
class _History:
    """A pool: as it was, and from its first provision of the set on as it would have been."""

    actual: _Run
    other: _Run | None = None


class Preview:
    """Takes the events of many pools in the order of the ledger; `outcomes` says who would have gained and who lost."""

    def __init__(self, set_id: str, rules: list[Rule], pools: Iterable[str] = ()) -> None:
        self.set_id, self.rules = set_id, rules
        self._only = frozenset(pools)
        self._histories: dict[str, _History] = {}
        #: Provisions that were replaced, until it is seen by what.
        self._replaced: dict[str, list[ProvisionEnded]] = {}

    def take(self, events: Iterable[Event]) -> None:
        """Take the events of one frame. Usage that was recorded and usage that was refused belong together there."""
        recorded: dict[str, list[RecordedLine]] = {}
        refused: dict[str, list[RefusedLine]] = {}
        for event in events:
            pool_id = event.originator_id
            if event.aggregate_type != "pool" or (self._only and pool_id not in self._only):
                continue
            if isinstance(event, UsageRecorded):
                recorded.setdefault(pool_id, []).extend(event.lines)
            elif isinstance(event, UsageRefused):
                refused.setdefault(pool_id, []).extend(event.lines)
            else:
                self._decide(pool_id, asked_by_usage(recorded.pop(pool_id, []), refused.pop(pool_id, []), pool_id))
                self._decide(pool_id, self._asked(event))
        for pool_id in recorded.keys() | refused.keys():
            self._decide(pool_id, asked_by_usage(recorded.get(pool_id, []), refused.get(pool_id, []), pool_id))

    def _asked(self, event: Event) -> Iterator[Asked]:
        """The commands behind an event; what was replaced at once and what replaced it are one change of plan."""
        if isinstance(event, ProvisionEnded) and event.reason == "replaced":
            self._replaced.setdefault(event.originator_id, []).append(event)
            return
        replaced = self._replaced.pop(event.originator_id, [])
        if replaced and isinstance(event, ProvisionScheduled) and event.starts_at <= event.timestamp:
            yield plan_changed_by(event, replaced[-1].note)
            return
        for ended in replaced:
            yield from asked_by(ended)
        yield from asked_by(event)

    def _decide(self, pool_id: str, asked: Iterable[Asked]) -> None:
        for at_ms, command in asked:
            history = self._histories.setdefault(pool_id, _History(_Run()))
            changed = self._changed(command, history.actual.pool)
            if changed is not command and history.other is None:
                history.other = deepcopy(history.actual)
            history.actual.decide(at_ms, command)
            if history.other is not None:
                history.other.decide(at_ms, changed)

    def _changed(self, command: PoolCommand, pool: ResourcePool | None) -> PoolCommand:
        """The command as it would have been said of the changed set."""
        if isinstance(command, ProvisionPool | ChangePlan) and command.set_id == self.set_id:
            return replace(command, rules=self.rules)
        if isinstance(command, ReviseProvision) and pool is not None:
            provision = pool.provisions.get(command.provision_id)
            if provision is not None and provision.set_id == self.set_id:
                return replace(command, rules=self.rules)
        return command

    def count(self) -> int:
        """How many pools have held the set."""
        return sum(history.other is not None for history in self._histories.values())

    def outcomes(self) -> Iterator[KeyOutcome]:
        """Every key of every pool that held the set and for which something would differ, by pool and key."""
        for pool_id, history in sorted(self._histories.items()):
            actual, other = history.actual, history.other
            if other is None or actual.pool is None or other.pool is None:
                continue
            keys = actual.pool.entitlements.keys() | other.pool.entitlements.keys()
            for key in sorted(keys):
                outcome = _outcome(pool_id, key, actual, other)
                if outcome.gains or outcome.loses:
                    yield outcome

    def refusals(self) -> dict[str, dict[str, int]]:
        """Commands that would have been refused for all of them, by pool and code: such a history cannot be compared."""
        found = {}
        for pool_id, history in sorted(self._histories.items()):
            if history.other is not None:
                more = {
                    code: count - history.actual.refusals.get(code, 0)
                    for code, count in history.other.refusals.items()
                    if count > history.actual.refusals.get(code, 0)
                }
                if more:
                    found[pool_id] = more
        return found


def _outcome(pool_id: str, key: str, actual: _Run, other: _Run) -> KeyOutcome:
    held_before, limit_before = _held(actual.pool, key)
    held_after, limit_after = _held(other.pool, key)
    return KeyOutcome(
        pool_id=pool_id,
        resource_key=key,
        is_feature=any(_is_feature(run.pool, key) for run in (actual, other)),
        held_before=held_before,
        held_after=held_after,
        limit_before=limit_before,
        limit_after=limit_after,
        before=actual.tally(key),
        after=other.tally(key),
    )


def _is_feature(pool: ResourcePool | None, key: str) -> bool:
    entitlement = pool.entitlements.get(key) if pool is not None else None
    return entitlement is not None and entitlement.entitlement_type == "boolean"


def _held(pool: ResourcePool | None, key: str) -> tuple[bool, int | None]:
    entitlement = pool.entitlements.get(key) if pool is not None else None
    value = entitlement.value if entitlement is not None else None
    return (False, None) if value is None else (True, value.limit)
