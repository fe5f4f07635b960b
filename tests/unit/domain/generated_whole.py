"""Generated histories of the whole domain: every command, every type of rule, every stacking, zones, anchors, credits, members.

The oracle of model.py knows the core; these histories are held against what must be true whatever happens.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, Final

from generated import ASKED, HOUR_MS, HOURS_AROUND, Author, Logged
from hypothesis import strategies as st

from entitlements import examples as ask
from entitlements import examples_of_terms as terms
from entitlements.domain.aggregate import from_ms
from entitlements.domain.commands import Command
from entitlements.domain.values import Rule, UsageLine

RULES: Final[dict[str, Rule]] = {
    rule.resource_key: rule
    for rule in (
        ask.feature("sso"),
        Rule(resource_key="beta", rule_type="boolean", stacking="override"),
        ask.quota("calls", 20, credit_key="credits", credit_rate=3, credit_per=2, grace_for=7_200),
        ask.quota("hourly", 10, period="hour", stacking="min"),
        ask.quota("monthly", 30, period="month", anchored=True, rollover_min=1, rollover_max=8),
        ask.quota("yearly", 9, period="year", recurs="month"),
        ask.quota("weekly", 12, period="week", overage_at_reset="preserve", hard_limit=30),
        ask.quota("fortnight", 15, period="P14D", stacking="override"),
        ask.quota("ever", 40, period="lifetime", stacking="max"),
        ask.limit("seats", 5),
        ask.limit("bytes", 12, stacking="min"),
        Rule(resource_key="credits", rule_type="credit", amount=30, stacking="sum"),
    )
}
KEYS: Final = tuple(RULES)
METERED: Final = tuple(key for key in KEYS if RULES[key].rule_type != "boolean")
ZONES: Final = ("UTC", "Europe/Berlin", "Australia/Lord_Howe")


def whole_histories(commands: int = 50) -> st.SearchStrategy[list[Logged]]:
    """Logs of at most so many commands to one pool."""
    varied = st.integers(0, 2**32).map(Random)
    shrinking = st.randoms(use_true_random=False)
    long = st.builds(lambda random: whole_history(random, commands), varied)
    return long | long | st.builds(whole_history, shrinking, st.integers(1, commands))


def whole_history(random: Random, commands: int) -> list[Logged]:
    """A log that begins by opening its pool."""
    return WholeAuthor(random, 1).write(commands)


class WholeAuthor(Author):
    """Writes one log."""

    asked = (
        *ASKED, *["change_plan"] * 3, "trial", *["change_quantity"] * 2, *["revise"] * 2, "defaults", *["calendar"] * 2,
        *["reset"] * 2, "forgive", *["override"] * 3, *["clear"] * 2, *["on_demand"] * 2, *["cap"] * 2, *["reserve"] * 6,
        "extend", *["commit"] * 4, *["let_go"] * 2, *["allocate"] * 3, *["set_held"] * 2, *["reverse"] * 3,
        *["correct"] * 2, *["usage"] * 8, *["mistaken"] * 4,
    )  # fmt: skip

    def __init__(self, random: Random, pools: int) -> None:
        super().__init__(random, pools)
        #: What is asked next, before anything by chance.
        self.planned: list[str] = []
        self.mistakes, self.mistaken_ms = 0, 0

    def write(self, commands: int) -> list[Logged]:
        log = super().write(commands)
        assigned = ask.assign_workspace(
            "w-0", pool_id="pool-0", command_id="c-w", effective_at=log[0].command.backfill_from
        )  # type: ignore[attr-defined]
        log.insert(1, Logged(log[0].timestamp_ms, assigned))
        return log

    def _logged(self, pool_id: str) -> Logged:
        if not self.planned:
            return super()._logged(pool_id)
        asked, self.asked = self.asked, (self.planned.pop(0),)
        if self.now_ms - self.mistaken_ms > 20 * HOUR_MS:
            self.now_ms = self.mistaken_ms + HOUR_MS * self.random.choice((1, 13, 20))  # Soon enough to be remembered.
        try:
            return super()._logged(pool_id)
        finally:
            self.asked = asked

    def _opened(self, pool_id: str) -> Logged:
        opened = super()._opened(pool_id)
        zone, anchor = self.random.choice(ZONES), self.random.choice((None, ask.NOON - timedelta(days=30)))
        defaults = self.random.choice(([], [replace(RULES["calls"], amount=3), RULES["sso"]]))
        command = replace(opened.command, time_zone=zone, anchor_at=anchor, defaults=defaults)  # type: ignore[call-arg]
        return Logged(opened.timestamp_ms, command)

    def _provisioned(self, pool_id: str) -> Logged:
        rules = [self._rule(rule) for rule in RULES.values()]
        past_ms = self.past_ms.get(pool_id)
        at = None if past_ms is None else from_ms(past_ms)
        made = ask.provision_pool(
            "p-0", *rules, pool_id=pool_id, command_id=self._id(), effective_at=at, ladder="plans", rung=1,
            billing_period="month",
        )  # fmt: skip
        return Logged(self.now_ms, made)

    def _rules(self) -> list[Rule]:
        return [self._rule(RULES[key]) for key in self.random.sample(KEYS, self.random.randint(1, 4))]

    def _rule(self, rule: Rule) -> Rule:
        if rule.rule_type == "boolean":
            return replace(rule, denied=self._one_in(3)) if rule.stacking == "override" else rule
        amount = self.random.choice((rule.amount, rule.amount, 0, 3, None))
        if amount is None and (rule.recurs or rule.rollover_max):
            amount = rule.amount
        hard = rule.hard_limit if amount is not None else None
        return replace(rule, amount=amount, hard_limit=hard, per_unit=self._one_in(3))

    def _line(self) -> UsageLine:
        line = ask.line(
            self.random.choice((*METERED, "calls", "calls", "calls", "sso", "unheard_of")),
            self.random.choice((1, 1, 2, 3, 5, 8, 13, 40)),
            self.random.choice(("strict", "strict", "report")),
            workspace_id=self.random.choice(("", "", "w-0", "w-1")),
            usage_id=self.random.choice(("", "", "u-0", "u-1", "u-2")),
            subject_id=self.random.choice(("", "", "alice")),
        )
        if self._one_in(4):
            line["occurred_at"] = self._present_ms() + HOUR_MS * self.random.choice(HOURS_AROUND) // 5
        return line

    def _quantity(self) -> int:
        return self.random.choice((1, 2, 3, 5, 8, 20))

    def _ladder(self) -> dict[str, Any]:
        return {"ladder": "plans", "rung": self.random.randint(1, 3), "rules": self._rules()}

    def provision(self) -> Command:
        made = super().provision()
        return replace(made, priority=self.random.choice((0, 0, -1, 5)), rung=self.random.choice((None, 1, 2)))  # type: ignore[call-arg]

    def change_plan(self) -> Command:
        when = self.random.choice(("now", "period_end"))
        return terms.change_plan(self._provision_id(), when=when, quantity=self.random.randint(1, 2), **self._ladder())

    def trial(self) -> Command:
        ends_at = self._instant() or from_ms(self._present_ms()) + timedelta(days=3)
        rules = {"then_rules": self._rules(), **self._ladder()}
        return terms.start_trial(ends_at=ends_at, provision_id="p-3", then_provision_id="p-4", **rules)

    def change_quantity(self) -> Command:
        return terms.change_quantity(self.random.randint(1, 3), provision_id=self._provision_id())

    def revise(self) -> Command:
        return terms.revise_provision(
            *self._rules(), provision_id=self._provision_id(), set_version=self.random.randint(1, 4)
        )

    def defaults(self) -> Command:
        return terms.change_defaults(*self.random.choice(([], [RULES["sso"]], [replace(RULES["ever"], amount=2)])))

    def calendar(self) -> Command:
        return terms.change_calendar(self.random.choice(ZONES), anchor_at=self._instant())

    def reset(self) -> Command:
        return terms.reset_usage(self.random.choice(METERED), keep_anchor=not self._one_in(3))

    def forgive(self) -> Command:
        return terms.forgive_overage(self.random.choice(METERED), amount=self.random.choice((None, None, 1, 3)))

    def override(self) -> Command:
        key = self.random.choice(KEYS)
        amount = None if RULES[key].rule_type == "boolean" else self.random.choice((None, 0, 7, 50))
        return terms.set_override(
            amount,
            override_id=f"o-{self.random.randint(0, 2)}",
            resource_key=key,
            allowed=not self._one_in(4),
            workspace_id=self.random.choice(("", "", "w-0")),
            expires_at=self._instant(),
        )

    def clear(self) -> Command:
        return terms.clear_override(f"o-{self.random.randint(0, 2)}")

    def on_demand(self) -> Command:
        return terms.configure_on_demand(
            resource_key=self.random.choice(("calls", "weekly")),
            enabled=not self._one_in(4),
            unit_price=self.random.choice((0, 1, 7)),
            price_per=self.random.choice((1, 3)),
            spending_cap=self.random.choice((0, 20, 500)),
        )

    def cap(self) -> Command:
        return terms.cap_member(
            self.random.choice((None, 0, 4, 9)),
            workspace_id=self.random.choice(("w-0", "w-1")),
            subject_id=self.random.choice(("", "", "alice")),
            resource_key=self.random.choice(("calls", "monthly", "seats")),
            period=self.random.choice((None, "day", "hour")),
        )

    def _reservation(self) -> dict[str, Any]:
        return {"reservation_id": f"r-{self.random.randint(0, 1)}"}

    def reserve(self) -> Command:
        return terms.reserve_usage(
            self._quantity(),
            resource_key=self.random.choice((*METERED, "calls", "calls")),
            workspace_id=self.random.choice(("", "", "", "w-0")),
            expires_at=from_ms(self._present_ms()) + timedelta(hours=self.random.choice((1, 2, 30))),
            **self._reservation(),
        )

    def extend(self) -> Command:
        later = from_ms(self._present_ms()) + timedelta(hours=self.random.choice((1, 5, 40)))
        return terms.extend_reservation(expires_at=later, **self._reservation())

    def commit(self) -> Command:
        mode = self.random.choice(("strict", "report"))
        return terms.commit_reservation(self._quantity(), mode=mode, keep_rest=self._one_in(2), **self._reservation())

    def let_go(self) -> Command:
        return terms.release_reservation(**self._reservation())

    def allocate(self) -> Command:
        return terms.allocate_limit(
            self.random.choice((1, 1, 2)),
            resource_key=self.random.choice(("seats", "bytes")),
            holder_id=self.random.choice(("", "ann", "bob")),
        )

    def set_held(self) -> Command:
        return terms.set_allocation(
            self.random.choice((0, 1, 4)),
            resource_key=self.random.choice(("seats", "bytes")),
            holder_id=self.random.choice(("", "ann", "bob")),
        )

    def reverse(self) -> Command:
        return terms.reverse_usage(f"u-{self.random.randint(0, 1)}", part=self.random.choice((0, 0, 1, 2)))

    def mistaken(self) -> Command:
        """Usage that is taken back after something else has happened, in one go or bit by bit."""
        between = (
            "change_plan", "revise", "reset", "on_demand", "end", "suspend", "resume", "change_quantity", "override",
            "tick", "usage", "correct", "calendar", "cap", "take_back_some",
        )  # fmt: skip
        self.planned = [self.random.choice(between) for _ in range(self.random.randint(0, 3))] + ["take_back"]
        self.mistakes, self.mistaken_ms = self.mistakes + 1, self.now_ms
        key = self.random.choice(("calls", "calls", "calls", "monthly", "yearly", "weekly", "credits"))
        mode = self.random.choice(("strict", "report"))
        who = {"workspace_id": self.random.choice(("", "w-0")), "subject_id": self.random.choice(("", "alice"))}
        return ask.record_usage(ask.line(key, self._quantity(), mode, usage_id=f"m-{self.mistakes}", **who))

    def take_back(self) -> Command:
        return terms.reverse_usage(f"m-{self.mistakes}", part=0)

    def take_back_some(self) -> Command:
        return terms.reverse_usage(f"m-{self.mistakes}", part=self.random.choice((1, 2)))

    def correct(self) -> Command:
        adjustment = self.random.choice((-5, -1, 1, 4, 30))
        return terms.correct_usage(
            adjustment,
            resource_key=self.random.choice(METERED),
            occurred_at=self._instant() if self._one_in(3) else None,
        )
