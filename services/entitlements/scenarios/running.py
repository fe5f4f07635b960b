"""Decide a scenario's timeline as the engine would, and say what differed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from entitlements.domain.aggregate import from_ms, to_ms
from entitlements.domain.commands import AdvanceClock
from entitlements.domain.cover import affordable
from entitlements.domain.decide import decide
from entitlements.domain.entitlement import UNLIMITED, Entitlement
from entitlements.domain.errors import CommandRefused
from entitlements.domain.pools import ResourcePool
from entitlements.scenarios.reading import POOL, Scenario, Step


@dataclass
class Outcome:
    """What became of a scenario: nothing differed, or what did, by step."""

    scenario: Scenario
    differences: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not self.differences


def run(scenario: Scenario) -> Outcome:
    """Decide every step in its order; go on after a difference."""
    outcome, pool = Outcome(scenario), None
    for step in scenario.steps:
        pool, happened, refused, refused_lines = _decide(pool, step)
        actual: dict[str, Any] = {"events": happened, "refused": refused, "refused_lines": refused_lines}
        for what, expected in step.expected.items():
            if what == "keys":
                for key, facts in expected.items():
                    _compare(outcome, step, f"{key}.", facts, _state_of(pool, key, step.at))
            elif what == "pool":
                _compare(outcome, step, "pool.", expected, {"status": pool.status if pool else None})
            elif actual[what] != expected:
                outcome.differences.append(f"step {step.number}: {what}: expected {expected}, got {actual[what]}")
        if refused is not None and "refused" not in step.expected:
            outcome.differences.append(f"step {step.number}: refused: {refused}")
    return outcome


def _decide(pool: ResourcePool | None, step: Step) -> tuple[ResourcePool | None, list[str], str | None, list[str]]:
    at_ms = to_ms(step.at)
    if pool is not None and pool.due_ms <= at_ms:
        decide(pool, AdvanceClock(command_id=f"clock-{step.number}", pool_id=POOL), at_ms)
        due = [type(event).__name__ for event in pool.take_events()]
    else:
        due = []
    refused, lines = None, []
    if step.command is not None:
        try:
            answer = decide(pool, step.command, at_ms)
            assert isinstance(answer.aggregate, ResourcePool)
            pool = answer.aggregate
            lines = [code for _, code, _ in answer.usage.refused] if answer.usage is not None else []
        except CommandRefused as refusal:
            refused = refusal.code
    happened = [] if pool is None else [type(event).__name__ for event in pool.take_events()]
    return pool, due + happened, refused, lines


def _compare(outcome: Outcome, step: Step, prefix: str, expected: dict[str, Any], actual: dict[str, Any]) -> None:
    for name, value in expected.items():
        if name not in actual:
            outcome.differences.append(f"step {step.number}: {prefix}{name} is not known: {', '.join(actual)}")
        elif _plain(value, actual[name]) != _plain(actual[name], actual[name]):
            got = actual[name]
            outcome.differences.append(f"step {step.number}: {prefix}{name}: expected {value}, got {got}")


def _plain(value: Any, like: Any) -> Any:
    if isinstance(value, str) and isinstance(like, datetime):
        return datetime.fromisoformat(value).astimezone(UTC)
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _state_of(pool: ResourcePool | None, key: str, at: datetime) -> dict[str, Any]:
    entitlement = pool.entitlements.get(key) if pool is not None else None
    if pool is None or entitlement is None:
        return {"allowed": False, "limit": None, "consumed": 0, "remaining": 0, "contributions": {}}
    end_ms = entitlement.period_at(to_ms(at))[1]
    is_periodic = entitlement.period is not None and end_ms < UNLIMITED
    return {
        "allowed": entitlement.value is not None,
        "limit": _number(entitlement.limit) if entitlement.value is not None else None,
        "soft_limit": _number(entitlement.soft_limit),
        "hard_limit": _number(entitlement.hard_limit),
        "consumed": entitlement.consumed,
        "elsewhere": entitlement.elsewhere,
        "reserved": entitlement.reserved,
        "remaining": _number(entitlement.included_left),
        "affordable": _number(affordable(pool, entitlement)),
        "contributions": _contributions(entitlement),
        "burnt": {bucket.provision_id or "default": bucket.consumed for bucket in entitlement.buckets},
        "resets_at": from_ms(end_ms) if is_periodic else None,
        "over_allocated": entitlement.is_over_allocated,
        "spent": pool.on_demand[key].spent if key in pool.on_demand else 0,
    }


def _contributions(entitlement: Entitlement) -> dict[str, Any]:
    return {
        bucket.provision_id or "default": "unlimited" if bucket.limit is None else bucket.limit
        for bucket in entitlement.buckets
    }


def _number(amount: int) -> int | str:
    return "unlimited" if amount >= UNLIMITED // 2 else amount
