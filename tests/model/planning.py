"""What is asked in a generated history about plans, overrides, payers and members."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.model.offers import RATES
from tests.model.telling import Plain
from tests.model.timeline import Timeline
from tests.model.times import bounds


class Planner(Timeline):
    """Asks about everything but usage."""

    def _provision(self) -> str:
        return self.random.choice(self.provisions)

    def provision(self, of: str | None = None) -> Plain:
        name = self._name("p")
        self.provisions.append(name)
        offered = ["add-on", "add-on", "pack", "pack"] + ["free", "pro"] * (self.plan not in self.provisions)
        if self.offers.likely["credit"]:
            offered += list(RATES) * 2
        of = of or self.random.choice(offered)
        if of in {"free", "pro"}:
            self.plan = name
        elif of in RATES:
            self.credits.append(name)
        return {
            "do": "ProvisionPool", "provision": name, "set": of, "quantity": self.random.choice((1, 1, 2)),
            "source": "purchase" if of in {"pack", *RATES} else "subscription", "priority": self.random.choice((0, 0, -1, 2)),
            "starts_at": self._maybe_instant(0.15), "ends_at": self._ends_at(0.25),
        }  # fmt: skip

    def _ends_at(self, likely: float) -> datetime | None:
        end = self._maybe_instant(likely)
        return None if end is None else end + self.random.choice((0, 0, 1)) * timedelta(days=1)

    def buy_credits(self) -> Plain:
        return self.provision(self.random.choice(tuple(RATES)))

    def grant(self) -> Plain:
        name = self._name("g")
        self.provisions.append(name)
        of = self.random.choice(("gift", "gift-2", *(RATES if self.offers.likely["credit"] else ())))
        return {
            "do": "IssueGrant",
            "grant": name,
            "set": of,
            "priority": self.random.choice((0, 1)),
            "ends_at": self._ends_at(0.8),
        }

    def change_plan(self) -> Plain:
        if self.plan not in self.provisions:
            return self.provision(self.random.choice(("free", "pro")))
        name = self._name("p")
        self.provisions = [name if known == self.plan else known for known in self.provisions]
        self.plan = name
        of = self.random.choice(("free", "pro", "max", "free", "pro", "max", "yearly", "yearly"))
        when = self.random.choice(("now", "now", "now", "period_end"))
        return {
            "do": "ChangePlan",
            "provision": name,
            "set": of,
            "when": when,
            "quantity": self.random.choice((1, 1, 2)),
        }

    def end(self) -> Plain:
        name = self._provision()
        if len(self.provisions) > 1:
            self.provisions.remove(name)
        if name.startswith("g") and self.random.random() < 0.5:
            return {"do": "RevokeGrant", "grant": name}
        at = self._maybe_instant(0.4)
        if at is not None:
            self.cancelled.append(name)
        return {"do": "EndProvision", "provision": name, "when": "now" if at is None else "at", "ends_at": at}

    def uncancel(self) -> Plain | None:
        return {"do": "UncancelProvision", "provision": self.random.choice(self.cancelled)} if self.cancelled else None

    def lapse(self) -> Plain | None:
        """Credits end while something is reserved on them."""
        return {"do": "EndProvision", "provision": self.credits.pop(), "when": "now"} if self.credits else None

    def suspend(self) -> Plain:
        self.paused.append(self._provision())
        return {"do": "SuspendProvision", "provision": self.paused[-1]}

    def resume(self) -> Plain | None:
        if not self.paused:
            return None
        return {"do": "ResumeProvision", "provision": self.paused.pop(self.random.randrange(len(self.paused)))}

    def pause_pool(self) -> Plain:
        self.is_paused = not self.is_paused
        return {"do": "SuspendPool" if self.is_paused else "ResumePool"}

    def resume_pool(self) -> Plain | None:
        return self.pause_pool() if self.is_paused else None

    def quantity(self) -> Plain:
        return {"do": "ChangeQuantity", "provision": self._provision(), "quantity": self.random.choice((1, 1, 2, 3))}

    def revise(self) -> Plain:
        self.count += 1
        of = self.random.choice(("free", "pro", "max", "add-on", "pack", "gift"))
        return {"do": "ReviseProvision", "provision": self._provision(), "set": of, "set_version": 1 + self.count}

    def defaults(self) -> Plain:
        calls = {name: value for name, value in self.offers.calls().items() if value is not None}
        return {"do": "ChangeDefaults", "rules": self.random.choice(([], [calls]))}

    def calendar(self) -> Plain:
        self.zone = self.random.choice(("UTC", "Europe/Berlin", "Asia/Tokyo"))
        anchor = self.now - timedelta(days=self.random.choice((0, 3, 20)), hours=self.random.choice((0, 5)))
        self.anchor_at = anchor if self.offers.anchored else None
        return {"do": "ChangeCalendar", "time_zone": self.zone, "anchor_at": self.anchor_at}

    # --- Overrides, payers, members --------------------------------------------------------------------------------------

    def _key(self) -> str:
        return self.random.choice(("calls",) * 8 + ("side",) + tuple(RATES))

    def override(self) -> Plain:
        name = self._name("o")
        self.overrides.append(name)
        override: Plain = {
            "do": "SetOverride",
            "override": name,
            "key": "calls",
            "expires_at": self._maybe_instant(0.5),
        }
        kind = self.random.random()
        if kind < 0.25:
            return override | {"allowed": False}
        amount = self.random.choice((0, 2, 5, 15, 40))
        if kind < 0.45:
            override["hard_limit"] = amount + self.random.choice((0, 3, 10))
        return override | {"amount": amount}

    def clear(self) -> Plain | None:
        if not self.overrides:
            return None
        return {"do": "ClearOverride", "override": self.overrides.pop(self.random.randrange(len(self.overrides)))}

    def on_demand(self) -> Plain:
        return {
            "do": "ConfigureOnDemand", "key": "calls", "enabled": self.random.random() < 0.7, "unit_price": 2,
            "spending_cap": self.random.choice((0, 6, 20)),
        }  # fmt: skip

    def cap(self) -> Plain:
        return {
            "do": "CapMember", "workspace": "w", "subject": self.random.choice(("", "", "ann")), "key": "calls",
            "amount": self.random.choice((None, 2, 8, 20)), "period": self.random.choice((None, "day")),
        }  # fmt: skip

    def cap_a_day(self) -> Plain:
        return self.cap() | {"subject": "", "amount": self.random.choice((2, 8)), "period": "day"}

    def wait_a_day(self) -> None:
        self.now = bounds("day", self.now, self.zone, None)[1]

    def forgive(self) -> Plain:
        return {"do": "ForgiveOverage", "key": self._key(), "amount": self.random.choice((None, None, 2, 4))}

    def reset(self) -> Plain:
        said = self.random.choice((None, None, "forgive", "preserve"))
        return {
            "do": "ResetUsage",
            "key": self._key(),
            "keep_anchor": self.random.random() < 0.7,
            "overage_at_reset": said,
        }

    def tick(self) -> Plain:
        return {"do": "AdvanceClock"}

    def wait_a_year(self) -> None:
        """So long that debts end by themselves; only where that is few periods."""
        if self.offers.period == "month" and not self.offers.likely["recurs"]:
            self.now += timedelta(days=self.random.choice((365, 366, 396)))
