"""When things are asked in a generated history: just when something is due, a millisecond before it and after, or at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from tests.model.offers import PROFILES, Offers
from tests.model.telling import History
from tests.model.times import bounds

MS: Final = timedelta(milliseconds=1)
HOUR: Final = timedelta(hours=1)
#: Where histories begin: near the end of a month, of a week, and of winter time in Berlin.
BEGINNINGS: Final = tuple(
    datetime(2027, month, day, 9, tzinfo=UTC) for month, day in ((1, 30), (2, 27), (3, 27), (10, 30))
)
ZONES: Final = ("UTC", "UTC", "UTC", "Europe/Berlin", "Asia/Tokyo")


#: What follows on what in a scene, with whatever else comes between.
SCENES: Final[dict[str, tuple[str, ...]]] = {
    "credits": ("buy_credits", "use", "reserve_much", "lapse", "commit", "buy_credits", "reserve_much", "reserve_much", "lapse", "commit", "commit"),
    "debts": ("report_much", "suspend", "wait_a_year", "resume", "report_much", "end", "wait_a_year", "provision", "wait_a_year"),
    "caps": ("cap_a_day", "use_capped", "use_capped", "calendar", "wait_a_day", "use_capped", "calendar", "wait_a_day", "use_capped"),
    "late": ("use", "use_late", "reverse", "use_late", "correct", "reverse", "use", "use_late", "reverse"),
}  # fmt: skip


class Timeline:
    """A history under way, what it has named so far, and its clock."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"history {seed}")
        self.scene = self.random.choice(("", "", "", *SCENES))
        self.offers = Offers(self.random, self.scene)
        self.now = self.random.choice(BEGINNINGS)
        zone = self.random.choice(ZONES)
        anchor = self.now - timedelta(days=self.random.choice((0, 12, 30))) if self.offers.anchored else None
        self.history = History(seed, zone, anchor, self.now, self.offers.sets())
        if self.random.random() < 0.2:
            calls = {name: value for name, value in self.offers.calls().items() if value is not None}
            self.history.defaults = [calls]
        self.zone, self.anchor_at = zone, anchor
        self.provisions: list[str] = []
        self.plan = ""
        self.credits: list[str] = []
        self.paused: list[str] = []
        self.cancelled: list[str] = []
        self.reservations: list[str] = []
        self.overrides: list[str] = []
        #: Usage ids, and when each was last used.
        self.usage: dict[str, datetime] = {}
        #: What follows on what was asked, sooner or later.
        self.planned: list[str] = list(SCENES.get(self.scene, ()))
        self.is_paused = False
        self.count = 0
        #: How likely the next command comes at the same instant.
        self.hurry = self.random.choice((0.3, 0.5, 0.75))
        #: Instants at which something else is due.
        self.dues: list[datetime] = []

    def _pass_time(self) -> None:
        chance = self.random.random()
        if chance < self.hurry:
            return
        if chance < self.hurry + 0.1:
            self.now += self.random.choice((MS, timedelta(minutes=1), HOUR))
        elif chance < 0.985:
            due = self._due()
            self.now = max(self.now, due + self.random.choice((-MS, timedelta(0), timedelta(0), MS, HOUR)))
        elif self.offers.period == "month":
            self.now += timedelta(days=self.random.choice((31, 60, 60, 365 if self.offers.likely["recurs"] else 400)))
        else:
            self.now += timedelta(days=self.random.choice((1, 2, 3, 8)))

    def _due(self) -> datetime:
        """One of the next instants at which something is due."""
        zone, start = self.zone, self._period()[0]
        recurrence = bounds(self.random.choice(PROFILES[self.offers.period][0]), self.now, zone, start)[1]
        day = bounds("day", self.now, self.zone, None)[1]  # Of a cap that has its own.
        found = [self._period()[1], self._period()[1], self._period()[1], recurrence, day]
        self.dues = [due for due in self.dues if due > self.now]
        return self.random.choice(found + sorted(self.dues)[:3])

    def _period(self) -> tuple[datetime, datetime]:
        anchor = self.anchor_at if self.offers.anchored else None
        return bounds(self.offers.period, self.now, self.zone, anchor)

    def _instant(self) -> datetime:
        """An instant to come at which something ends or starts."""
        steps = self.random.choice((0, 0, 1, 2))
        at = self._due()
        for _ in range(steps):
            at = bounds(self.offers.period, at, self.zone, None)[1]
        at = max(self.now + MS, at + self.random.choice((-MS, timedelta(0), timedelta(0), MS)))
        self.dues.append(at)
        return at

    def _name(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def _maybe_instant(self, likely: float) -> datetime | None:
        return self._instant() if self.random.random() < likely else None
