"""Generated histories: logs of commands as rude as callers can be. One generator for hypothesis and for plain seeds.

The choices are few and collide on purpose: ids are reused, ends fall on starts and on the ends of periods, ladders are
contested, keys are repeated with the same and with other bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from tests.nightly import NIGHTLY, examples

from entitlements import examples as ask
from entitlements.domain.aggregate import from_ms
from entitlements.domain.commands import Command
from entitlements.domain.values import Rule, UsageLine
from entitlements.examples import NOON_MS
from entitlements.examples_of_terms import cap_member

HOUR_MS: Final = 3_600_000
STEPS_MS: Final = (
    0,
    0,
    0,
    0,
    1,
    60_000,
    HOUR_MS,
    HOUR_MS,
    5 * HOUR_MS,
    12 * HOUR_MS,
    24 * HOUR_MS,
    960 * HOUR_MS,
    -HOUR_MS,
)
HOURS_AROUND: Final = (-30, -1, 0, 1, 2, 5, 12, 36, 480)

RULES: Final[dict[str, Rule]] = {
    rule.resource_key: rule
    for rule in (
        ask.feature("sso"),
        ask.quota("calls", 20),
        ask.quota("hourly", 10, period="hour", stacking="max"),
        ask.quota("monthly", 30, period="month"),
        ask.limit("seats", 5),
        ask.limit("bytes", 12, stacking="max"),
    )
}
KEYS: Final = tuple(RULES)


class Logged(NamedTuple):
    """A command and its log timestamp."""

    timestamp_ms: int
    command: Command


def histories_settings(number: int) -> settings:
    """So many examples in the fast suite, always the same; a hundred times as many, and new ones, at night."""
    return settings(
        max_examples=examples(number),
        derandomize=not NIGHTLY,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def histories(commands: int = 50, pools: int = 1) -> st.SearchStrategy[list[Logged]]:
    """Logs of at most so many commands to so many pools. Most are varied and shrink by their length only."""
    varied = st.integers(0, 2**32).map(Random)
    shrinking = st.randoms(use_true_random=False)
    long = st.builds(lambda random, left_out: history(random, commands - left_out, pools), varied, st.integers(0, 9))
    short = st.builds(lambda random, size: history(random, size, pools), shrinking, st.integers(1, commands))
    return long | long | long | short


def history(random: Random, commands: int, pools: int = 1) -> list[Logged]:
    """A log that begins by opening its pools."""
    return Author(random, pools).write(commands)


class Author:
    """Writes one log."""

    asked: tuple[str, ...] = ()

    def __init__(self, random: Random, pools: int) -> None:
        self.random = random
        self.now_ms = NOON_MS
        self.pools = [f"pool-{at}" for at in range(pools)]
        self.count = 0
        #: Where the history of a pool in backfill has got to, in epoch milliseconds.
        self.past_ms: dict[str, int] = {}

    def write(self, commands: int) -> list[Logged]:
        log = [self._opened(pool_id) for pool_id in self.pools]
        log += [self._provisioned(pool_id) for pool_id in self.pools if not self._one_in(4)]
        for _ in range(commands):
            self.now_ms += self.random.choice(STEPS_MS)
            log.append(self._logged(self.random.choice(self.pools)))
        return log

    def _opened(self, pool_id: str) -> Logged:
        backfill_from = None
        if self._one_in(5):
            self.past_ms[pool_id] = NOON_MS - 400 * 24 * HOUR_MS
            backfill_from = from_ms(self.past_ms[pool_id])
        opening = ask.open_pool(pool_id=pool_id, command_id=self._id(), backfill_from=backfill_from)
        return Logged(self.now_ms, opening)

    def _provisioned(self, pool_id: str) -> Logged:
        """Something of every key, so that usage is not only refused."""
        rules = [self._rule(rule) for rule in RULES.values()]
        past_ms = self.past_ms.get(pool_id)
        at = None if past_ms is None else from_ms(past_ms)
        made = ask.provision_pool("p-0", *rules, pool_id=pool_id, command_id=self._id(), effective_at=at)
        return Logged(self.now_ms, made)

    def _logged(self, pool_id: str) -> Logged:
        made = cast("Callable[[], Command]", getattr(self, self.random.choice(self.asked)))()
        facts: dict[str, Any] = {"command_id": self._id()}
        if hasattr(made, "pool_id"):
            facts["pool_id"] = pool_id
        if self._one_in(4):
            facts["idempotency_key"] = f"k-{self.random.randint(0, 3)}"
        if self._one_in(2):
            facts["caller"] = "me"
        if pool_id in self.past_ms and not self._one_in(8):
            self.past_ms[pool_id] += self.random.choice(STEPS_MS)
            facts["effective_at"] = from_ms(self.past_ms[pool_id])
        return Logged(self.now_ms, replace(made, **facts))

    def _id(self) -> str:
        self.count += 1
        return f"c-{self.count}"

    def _one_in(self, many: int) -> bool:
        return self.random.randint(1, many) == 1

    def _instant(self) -> datetime | None:
        if self._one_in(2):
            return None
        return from_ms(self._present_ms()) + timedelta(hours=self.random.choice(HOURS_AROUND))

    def _present_ms(self) -> int:
        return max(self.past_ms.values(), default=self.now_ms)

    def _provision_id(self) -> str:
        return self.random.choice(("p-0", "p-1", "p-2", "p-3", "p-4", "g-0", "unheard-of"))

    def _rules(self) -> list[Rule]:
        return [self._rule(RULES[key]) for key in self.random.sample(KEYS, self.random.randint(1, 3))]

    def _rule(self, rule: Rule) -> Rule:
        if rule.rule_type == "boolean":
            return rule
        amount = self.random.choice((None, 0, rule.amount, rule.amount, 3))
        soft = self.random.choice((None, None, 2, amount))
        hard = amount + self.random.randint(0, 5) if amount is not None and self._one_in(3) else None
        other: dict[str, Any] = {"stacking": "sum" if rule.stacking == "max" else "max"} if self._one_in(12) else {}
        return replace(rule, amount=amount, soft_limit=soft, hard_limit=hard, per_unit=self._one_in(3), **other)

    def _line(self) -> UsageLine:
        line = ask.line(
            self.random.choice((*KEYS, "calls", "calls", "seats", "unheard_of")),
            self.random.choice((1, 1, 2, 3, 5, 8, 13, 40, 0)),
            self.random.choice(("strict", "strict", "report")),
            workspace_id=self.random.choice(("", "", "", "w-0", "w-1")),
            usage_id=self.random.choice(("", "", "", "u-0", "u-1", "u-2")),
        )
        if self._one_in(4):
            line["occurred_at"] = self._present_ms() + HOUR_MS * self.random.choice(HOURS_AROUND) // 10
        return line

    def _lines(self) -> list[UsageLine]:
        return [self._line() for _ in range(self.random.choice((1, 1, 2, 5)))]

    # --- One method per command; a name is listed in ASKED as often as it is likely.

    def usage(self) -> Command:
        return ask.record_usage(*self._lines())

    def batch(self) -> Command:
        source = self.random.choice(("", "gateway", "meter"))
        groups = [{"pool_id": pool_id, "lines": self._lines()} for pool_id in self.pools]
        return ask.record_usage_batch(source=source, sequence=self.random.randint(0, 4), groups=groups)

    def provision(self) -> Command:
        return ask.provision_pool(
            self._provision_id(),
            *self._rules(),
            ladder=self.random.choice((None, "plans", "plans")),
            quantity=self.random.choice((1, 1, 2)),
            starts_at=self._instant(),
            ends_at=self._instant(),
        )

    def grant(self) -> Command:
        grant_id = f"g-{self.random.randint(0, 2)}"
        return ask.issue_grant(grant_id, *self._rules(), starts_at=self._instant(), ends_at=self._instant())

    def revoke(self) -> Command:
        return ask.revoke_grant(f"g-{self.random.randint(0, 2)}")

    def end(self) -> Command:
        if self._one_in(6):
            return ask.end_provision(self._provision_id(), when="period_end")
        return ask.end_provision(self._provision_id(), ends_at=self._instant())

    def cancel(self) -> Command:
        """What every pool has, later on; often it is taken back before."""
        later = from_ms(self._present_ms()) + timedelta(days=self.random.choice((1, 9, 40)))
        return ask.end_provision("p-0", ends_at=later)

    def uncancel(self) -> Command:
        return ask.uncancel_provision("p-0")

    def suspend(self) -> Command:
        return ask.suspend_provision(self._provision_id())

    def resume(self) -> Command:
        return ask.resume_provision(self._provision_id())

    def suspend_all(self) -> Command:
        return ask.suspend_pool()

    def resume_all(self) -> Command:
        return ask.resume_pool()

    def close(self) -> Command:
        return ask.close_pool() if self._one_in(4) else ask.advance_clock()

    def open(self) -> Command:
        return ask.open_pool()

    def assign(self) -> Command:
        role = self.random.choice(("primary", "secondary"))
        return ask.assign_workspace(f"w-{self.random.randint(0, 1)}", role=role)

    def unassign(self) -> Command:
        return ask.unassign_workspace(f"w-{self.random.randint(0, 1)}")

    def release(self) -> Command:
        return ask.release_usage(
            self.random.choice(("seats", "seats", "bytes", "calls")), self.random.choice((1, 2, 5))
        )

    def tick(self) -> Command:
        return ask.advance_clock()


ASKED: Final = (
    *["usage"] * 9, *["batch"] * 2, *["provision"] * 6, *["grant"] * 2, "revoke", *["end"] * 2, *["suspend"] * 2,
    *["resume"] * 2, "suspend_all", *["resume_all"] * 2, "close", "open", *["assign"] * 2, "unassign",
    *["release"] * 2, "tick", "cancel", "uncancel",
)  # fmt: skip
Author.asked = ASKED


def busy_pools(random: Random, at_ms: int, pool_ids: Sequence[str], *more: Rule) -> list[Logged]:
    """Pools whose usage is nearly all usual: of keys with room, and of some near their limits and the ends of their periods."""
    log: list[Logged] = []
    for pool_id in pool_ids:
        rules = [
            ask.quota("calls", random.choice((30, 10_000)), soft_limit=random.choice((None, 20))),
            ask.quota("hourly", 10_000, period="hour"),
            ask.limit("seats", 1_000),
            ask.quota("forever", None),
            ask.quota("refilled", 10_000, period="month", recurs="hour"),
            ask.quota("capped", 10_000),
            *more,
        ]
        log.append(Logged(at_ms, ask.open_pool(pool_id=pool_id)))
        log.append(Logged(at_ms, ask.provision_pool("p-1", *rules, pool_id=pool_id)))
        log.append(Logged(at_ms, ask.provision_pool("p-2", *rules[:3], pool_id=pool_id)))
        log.append(Logged(at_ms, ask.assign_workspace("ws", pool_id=pool_id)))
        log.append(Logged(at_ms, cap_member(10_000, workspace_id="ws", resource_key="capped", pool_id=pool_id)))
    return log
