"""What else can happen to a pool, for generated histories: plans, calendars, overrides, caps, on-demand, reservations, corrections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from entitlements.domain import commands as asks
from entitlements.domain import plan_commands as terms
from entitlements.domain import usage_commands as usage
from entitlements.domain.aggregate import from_ms
from entitlements.domain.values import Rule

MONTHLY: Final = "exports"
CREDITS: Final = "credits"
RECURRING: Final = "reports"
HOUR_MS: Final = 3_600_000


def more_rules_of(amount: int, quota: str) -> list[Rule]:
    """A quota that credits bear the rest of, a balance of credits, and an anchored month that rolls over."""
    return [
        Rule(
            resource_key=quota, rule_type="quota", amount=amount, period="day", stacking="sum", grace_for=7_200,
            credit_key=CREDITS, credit_rate=3, credit_per=2,
        ),
        Rule(resource_key=CREDITS, rule_type="credit", amount=3 * amount, stacking="sum"),
        Rule(
            resource_key=MONTHLY, rule_type="quota", amount=amount, period="month", anchored=True, stacking="sum",
            rollover_max=4,
        ),
        Rule(
            resource_key=RECURRING, rule_type="quota", amount=amount, soft_limit=amount // 2, period="year", stacking="sum",
            recurs="month",
        ),
    ]  # fmt: skip


class Terms:
    """Makes one command of the kinds above, most of which can be accepted."""

    def __init__(
        self, random: Random, base: dict[str, Any], at_ms: int, keys: Sequence[str], rules: list[Rule]
    ) -> None:
        self._random, self._base, self._at_ms, self._keys, self._rules = random, base, at_ms, keys, rules

    def command(self) -> asks.Command:
        """Any of them."""
        makers: tuple[Callable[[], asks.Command], ...] = (
            self._plan, self._quantity, self._revised, self._calendar, self._reset, self._override, self._override,
            self._cleared, self._on_demand, self._on_demand, self._cap, self._reserved, self._reserved, self._reserved,
            self._extended, self._committed, self._committed, self._let_go, self._allocated, self._allocated, self._held,
            self._reversed, self._reversed, self._corrected, self._corrected, self._defaults,
        )  # fmt: skip
        return self._random.choice(makers)()

    def _one(self, *things: Any) -> Any:
        return self._random.choice(things)

    def _key(self) -> str:
        key: str = self._random.choice(self._keys)
        return key

    def _later(self) -> Any:
        return from_ms(self._at_ms + self._one(1, HOUR_MS, 40 * HOUR_MS))

    def _provision_id(self) -> str:
        return (
            f"p-{self._random.randint(0, 9)}" if self._one(True, False) else f"open-provision-{self._base['pool_id']}"
        )

    def _plan(self) -> asks.Command:
        when = self._one("now", "period_end")
        return terms.ChangePlan(
            ladder="plans", provision_id=self._provision_id(), source="subscription", set_id="pro", set_version=2,
            rung=self._one(1, 2, 3), rules=self._rules, when=when, billing_period="month", follows=self._one(True, False),
            **self._base,
        )  # fmt: skip

    def _quantity(self) -> asks.Command:
        return terms.ChangeQuantity(provision_id=self._provision_id(), quantity=self._one(1, 2, 3), **self._base)

    def _revised(self) -> asks.Command:
        return terms.ReviseProvision(
            provision_id=self._provision_id(), set_version=self._one(2, 3, 4), rules=self._rules, **self._base
        )

    def _defaults(self) -> asks.Command:
        free = Rule(
            resource_key=self._one(MONTHLY, "trials"), rule_type="quota", amount=2, period="week", stacking="sum"
        )
        return terms.ChangeDefaults(rules=self._one([], [free]), **self._base)

    def _calendar(self) -> asks.Command:
        zone = self._one("UTC", "Europe/Berlin", "Australia/Lord_Howe")
        anchor_at = self._one(None, from_ms(self._at_ms - 700 * HOUR_MS))
        return terms.ChangeCalendar(time_zone=zone, anchor_at=anchor_at, **self._base)

    def _reset(self) -> asks.Command:
        return terms.ResetUsage(resource_key=self._key(), keep_anchor=self._one(True, False), **self._base)

    def _override(self) -> asks.Command:
        return terms.SetOverride(
            override_id=f"o-{self._random.randint(0, 3)}", resource_key=self._key(), workspace_id=self._one("", "ws-0"),
            allowed=self._one(True, True, False), amount=self._one(None, 0, 7, 50), reason="asked for",
            expires_at=self._one(None, self._later()), **self._base,
        )  # fmt: skip

    def _cleared(self) -> asks.Command:
        return terms.ClearOverride(override_id=f"o-{self._random.randint(0, 3)}", reason="done", **self._base)

    def _on_demand(self) -> asks.Command:
        return terms.ConfigureOnDemand(
            resource_key=self._key(), enabled=self._one(True, True, False), payer=self._one("", "somebody"),
            currency="EUR", unit_price=self._one(1, 7), price_per=self._one(1, 3), spending_cap=self._one(None, 20, 500),
            alert_at=[50, 90], **self._base,
        )  # fmt: skip

    def _cap(self) -> asks.Command:
        return terms.CapMember(
            workspace_id=self._one("ws-0", "ws-0", "ws-1"), subject_id=self._one("", "alice"),
            resource_key=self._key(), amount=self._one(None, 0, 4, 9), period=self._one(None, "day"), **self._base,
        )  # fmt: skip

    def _reservation(self) -> dict[str, Any]:
        return {"reservation_id": f"r-{self._random.randint(0, 3)}", **self._base}

    def _reserved(self) -> asks.Command:
        name = f"r-{self._random.randint(0, 3)}"
        return usage.ReserveUsage(
            reservation_id=name, resource_key=self._key(), quantity=self._one(1, 2, 5), expires_at=self._later(),
            workspace_id=self._one("", "ws-0"), lease=self._one(True, False), **self._base,
        )  # fmt: skip

    def _extended(self) -> asks.Command:
        return usage.ExtendReservation(expires_at=self._later(), **self._reservation())

    def _committed(self) -> asks.Command:
        mode, rest = self._one("strict", "report"), self._one(True, False)
        return usage.CommitReservation(quantity=self._one(1, 2, 9), mode=mode, keep_rest=rest, **self._reservation())

    def _let_go(self) -> asks.Command:
        return usage.ReleaseReservation(reason="not needed", **self._reservation())

    def _allocated(self) -> asks.Command:
        holder = self._one("", "ann", "bob")
        return usage.AllocateLimit(resource_key="seats", quantity=1, holder_id=holder, **self._base)

    def _held(self) -> asks.Command:
        held, holder = self._one(0, 1, 4), self._one("", "ann", "bob")
        return usage.SetAllocation(resource_key="seats", held=held, holder_id=holder, **self._base)

    def _reversed(self) -> asks.Command:
        return usage.ReverseUsage(
            usage_id=f"u-{self._random.randint(0, 9)}", part=self._one(0, 1), reason="wrong", **self._base
        )

    def _corrected(self) -> asks.Command:
        occurred_at = self._one(None, from_ms(self._at_ms - 30 * HOUR_MS))
        return usage.CorrectUsage(
            resource_key=self._key(), adjustment=self._one(-30, -5, -1, 4), occurred_at=occurred_at, reason="counted anew",
            **self._base,
        )  # fmt: skip
