"""Generated histories of one pool: everything that moves units, in one history, at instants that meet.

Instants cluster around the ends of periods, recurrences, grants and reservations: just then, a millisecond before and after. Amounts are
small. A history is told by its seed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from tests.model.offers import RATES
from tests.model.planning import Planner
from tests.model.telling import History, Plain
from tests.model.timeline import HOUR, MS
from tests.model.times import bounds


def history(seed: int, commands: int) -> History:
    """The history of a seed, of so many commands."""
    return Author(seed).write(commands)


class Author(Planner):
    """Writes one history; what is asked are its methods that `KINDS` names."""

    def write(self, commands: int) -> History:
        kinds = [kind for kind, _ in KINDS]
        # A history has few themes, so that they meet often.
        weights = [weight * self.random.choice((0.2, 1, 1, 3)) for _, weight in KINDS]
        for of in self.random.choice((("free",), ("pro", None), ("pack",), ("add-on", None), ("pro", None, None))):
            self._add(self.provision(of) | {"starts_at": None})
        self._add({"do": "AssignWorkspace", "workspace": "w", "role": "primary"})
        while len(self.history.steps) < commands:
            self._pass_time()
            kind = self.random.choices(kinds, weights)[0]
            if self.planned and self.random.random() < (0.6 if self.scene else 0.4):
                kind = self.planned.pop(self.random.choice((0, 0, -1)))
            step = getattr(self, kind)()
            if step is not None:
                self._add(step)
                self.planned += FOLLOWS.get(kind, ())
        return self.history

    def _add(self, step: Plain) -> None:
        self.history.steps.append({"at": self.now} | {n: v for n, v in step.items() if v is not None})

    # --- Usage -----------------------------------------------------------------------------------------------------------

    def _quantity(self, key: str) -> int:
        """Small; of credits only what is whole usage, so that no charge is rounded."""
        return self.random.choice((1, 1, 2, 3, 5, 8, 12, 20, 30)) * RATES.get(key, 1)

    def _member(self) -> dict[str, str]:
        workspace = self.random.choice(("", "", "w"))
        return {"workspace": workspace, "subject": self.random.choice(("", "ann", "bob")) if workspace else ""}

    def _usage_id(self) -> str:
        self.count += 1
        fresh = self.random.choice((f"job/{self.count % 3}", *[f"u{self.count}"] * 5))
        name = self.random.choice([*self.usage, fresh]) if self.random.random() < 0.08 else fresh
        self.usage[name] = self.now
        return name

    def _line(self) -> Plain:
        mode = self.random.choice(("strict", "report"))
        key = self._key()
        line: Plain = {"key": key, "quantity": self._quantity(key), "mode": mode, **self._member()}
        if self.random.random() < 0.6:
            line["usage"] = self._usage_id()
        return line

    def use(self) -> Plain:
        step: Plain = {"do": "RecordUsage", "lines": [self._line() for _ in range(self.random.choice((1, 1, 1, 2)))]}
        if self.random.random() < 0.1:
            step["idempotency_key"] = self.random.choice(("job", "job/1"))
            self.usage |= {"job": self.now, "job/1": self.now}
        return step

    def _past(self) -> datetime:
        """An instant in a period before, mostly the last."""
        start = self._period()[0]
        before = bounds(self.offers.period, start - MS, self.zone, None)[0]
        return self.random.choice((start - MS, start - MS, start - HOUR, start - HOUR, before, before - MS, start))

    def use_again(self) -> Plain | None:
        """A line again, as it was, or with one field otherwise."""
        named = [line for step in self.history.steps[-8:] for line in step.get("lines", ()) if line.get("usage")]
        if not named:
            return None
        line = dict(self.random.choice(named))
        other = {"subject": "eve", "workspace": "w", "quantity": line["quantity"] + 1}
        for name in self.random.choice(((), ("subject",), ("subject",), ("workspace",), ("quantity",))):
            line[name] = other[name]
        return {"do": "RecordUsage", "lines": [line]}

    def use_capped(self) -> Plain:
        line = self._line() | {"workspace": "w", "subject": self.random.choice(("", "ann"))}
        if self.scene == "caps":
            line |= {
                "key": "calls",
                "quantity": self.random.choice((1, 2)),
                "mode": self.random.choice(("strict", "strict", "report")),
            }
        return {"do": "RecordUsage", "lines": [line]}

    def use_late(self) -> Plain:
        if self.random.random() < 0.6:
            self.now = max(self.now, self._period()[1] + self.random.choice((timedelta(0), MS, HOUR)))
        line = self._line()
        line["occurred_at"] = self._past()
        return {"do": "RecordUsage", "lines": [line]}

    def reverse(self) -> Plain | None:
        recent = [name for name, at in self.usage.items() if at > self.now - 24 * HOUR] or list(self.usage)[-1:]
        if not recent:
            return None
        return {
            "do": "ReverseUsage",
            "usage": self.random.choice(recent[-5:]),
            "part": self.random.choice((None, None, 2, 4)),
        }

    def correct(self) -> Plain:
        adjustment = self.random.choice((-8, -4, -2, 2, 6))
        if late := self.random.random() < 0.4:
            self.now = max(self.now, self._period()[1] + self.random.choice((timedelta(0), MS, HOUR)))
        past = self._past() if late else None
        return {"do": "CorrectUsage", "key": self._key(), "adjustment": adjustment, "occurred_at": past}

    # --- Reservations ----------------------------------------------------------------------------------------------------

    def report_much(self) -> Plain:
        line = self._line() | {"key": "calls", "quantity": self.random.choice((20, 30, 60)), "mode": "report"}
        return {"do": "RecordUsage", "lines": [line]}

    def reserve_much(self) -> Plain:
        """More than is included, so that it draws on credits."""
        return self.reserve() | {"key": "calls", "quantity": self.random.choice((8, 20, 30))}

    def reserve(self) -> Plain:
        name, key = self._name("r"), self.random.choice(("calls", "calls", "calls", self._key()))
        self.reservations.append(name)
        expires = min(
            self._instant() + timedelta(days=self.random.choice((0, 1, 3, 20))), self.now + timedelta(days=29)
        )
        quantity = self.random.choice((1, 2, 3, 5, 8, 20)) * RATES.get(key, 1)
        held: Plain = {
            "do": "ReserveUsage",
            "reservation": name,
            "key": key,
            "quantity": quantity,
            "expires_at": expires,
        }
        return held | self._member()

    def _reservation(self) -> str | None:
        if not self.reservations:
            return None
        name = self.random.choice(self.reservations[-3:])
        if self.random.random() < 0.7:
            self.reservations.remove(name)  # Mostly nothing is left of it.
        return name

    def extend(self) -> Plain | None:
        if (name := self._reservation()) is None:
            return None
        return {
            "do": "ExtendReservation",
            "reservation": name,
            "expires_at": min(self._instant(), self.now + timedelta(days=29)),
        }

    def release(self) -> Plain | None:
        return None if (name := self._reservation()) is None else {"do": "ReleaseReservation", "reservation": name}

    def commit(self) -> Plain | None:
        if (name := self._reservation()) is None:
            return None
        step: dict[str, Any] = {"do": "CommitReservation", "reservation": name, "quantity": self._quantity("coins")}
        step |= {"mode": self.random.choice(("strict", "report")), "keep_rest": self.random.random() < 0.3}
        return step | ({"usage": self._usage_id()} if self.random.random() < 0.6 else {})


#: What follows on what: a pause ends, what is held is committed, what was used is taken back.
FOLLOWS: Final = {
    "suspend": ("use", "resume"), "pause_pool": ("use", "resume_pool"), "override": ("use", "clear"), "reserve": ("lapse", "commit", "commit"),
    "use": ("reverse",), "use_late": ("use_late", "reverse"), "change_plan": ("use",), "grant": ("use", "reserve"), "quantity": ("use",),
    "on_demand": ("use",), "cap": ("use_capped", "use_capped", "calendar", "use_capped", "use_capped"), "resume": ("use",), "reset": ("use",), "calendar": ("use", "use_late"),
}  # fmt: skip

#: What is asked, and how likely.
KINDS: Final = (
    ("use", 36), ("use_late", 7), ("use_again", 3), ("provision", 8), ("grant", 4), ("change_plan", 6), ("end", 4),
    ("uncancel", 1), ("suspend", 5), ("resume", 6),
    ("pause_pool", 1), ("resume_pool", 3), ("quantity", 4), ("revise", 3), ("defaults", 1), ("calendar", 1), ("override", 4),
    ("clear", 4), ("on_demand", 2), ("cap", 4), ("forgive", 3), ("reset", 3), ("tick", 3),
    ("wait_a_year", 4), ("reverse", 6), ("correct", 3),
    ("reserve", 7), ("extend", 1), ("release", 1), ("commit", 3),
)  # fmt: skip
