"""What is sold in a generated history: sets with small amounts, whose rules meet every other rule often."""

from __future__ import annotations

from random import Random
from typing import Any

Plain = dict[str, Any]

#: The period of the keys of a history, what recurs inside it, and graces in seconds.
PROFILES: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "day": (("hour", "PT6H"), (3_600, 7_200, 200_000)),
    "week": (("day", "PT12H"), (3_600, 86_400, 700_000)),
    "month": (("day", "week"), (3_600, 86_400, 3_000_000)),
}
#: Units of a credit key for each unit of a quota.
RATES = {"coins": 2, "gems": 1}


#: Which traits of rules a scene is about.
ABOUT = {"credits": ("credit",), "debts": ("preserve",), "late": ("grace",)}


class Offers:
    """The sets of one history."""

    def __init__(self, random: Random, scene: str = "") -> None:
        self.random = random
        self.period = "month" if scene == "debts" else random.choice(("day", "day", "week", "month"))
        self.stacking = random.choice(
            ("sum", "sum", "sum", "sum", "sum", "sum", "max", random.choice(("min", "override")))
        )
        self.anchored = random.random() < 0.2
        self.credit_period = random.choice((None, None, self.period))
        #: How likely a rule of calls has each trait: a history keeps to few of them, so that they meet often.
        self.likely = {trait: random.choice((0.0, 0.3, 0.8)) for trait in (
            "recurs", "rollover", "preserve", "grace", "credit", "hard", "per_unit", "side", "unlimited",
        )}  # fmt: skip
        # A scene has what it is about.
        self.likely |= dict.fromkeys(ABOUT.get(scene, ()), 0.9)
        if scene == "debts":
            self.likely["recurs"] = 0.0

    def has(self, trait: str) -> bool:
        return self.random.random() < self.likely[trait] * (0.1 if trait == "unlimited" else 1)

    def sets(self) -> dict[str, Plain]:
        """Plans on a ladder, subscriptions and packs beside it, gifts, and credits."""
        made = {
            name: {"ladder": "plans", "rung": rung, "rules": self._rules()}
            for rung, name in enumerate(("free", "pro", "max"), 1)
        }
        made |= {name: {"rules": self._rules()} for name in ("add-on", "pack", "gift", "gift-2")}
        for key in RATES:
            made[key] = {"rules": [self._credits(key)]}
        made["yearly"] = {"ladder": "plans", "rung": 4, "rules": [self.calls() | {"period": "year", "recurs": None}]}
        for each in made.values():
            each["rules"] = [
                {name: value for name, value in rule.items() if value is not None} for rule in each["rules"]
            ]
        return made

    def _rules(self) -> list[Plain]:
        rules = [self.calls()]
        if self.has("side"):
            rules.append(self.side())
        if self.random.random() < self.likely["credit"] / 3:
            rules.append(self._credits(self.random.choice(tuple(RATES))))
        return rules

    def calls(self) -> Plain:
        """The rule under test."""
        recurrences, graces = PROFILES[self.period]
        amount, adds_up = self.random.choice((0, 1, 3, 5, 10, 10, 20, 30)), self.stacking == "sum"
        rule: Plain = {
            "key": "calls",
            "type": "quota",
            "amount": amount,
            "period": self.period,
            "stacking": self.stacking,
        }
        if self.anchored:
            rule["anchored"] = True
        if adds_up and self.has("recurs"):
            rule["recurs"] = self.random.choice(recurrences)
        if adds_up and self.has("rollover"):
            rule["rollover_min"] = self.random.choice((0, 0, 1, 3))
            rule["rollover_max"] = rule["rollover_min"] + self.random.choice((1, 4, 12, 40))
        if self.has("preserve"):
            rule["overage_at_reset"] = "preserve"
        if self.has("grace"):
            rule["grace_for"] = self.random.choice(graces)
        if self.has("credit"):
            rule["credit_key"] = self.random.choice(tuple(RATES))
            rule["credit_rate"] = RATES[rule["credit_key"]]
        if self.has("hard"):
            rule["hard_limit"] = amount + self.random.choice((0, 2, 5, 10))
        if self.has("per_unit"):
            rule["per_unit"] = True
        if self.has("unlimited") and not {"recurs", "rollover_max", "hard_limit"} & set(rule):
            rule |= {"amount": None}
        return rule

    def side(self) -> Plain:
        """Another key of the pool, so that what is done to one is not done to the other."""
        rule: Plain = {
            "key": "side",
            "type": "quota",
            "amount": self.random.choice((5, 10, 20)),
            "period": self.period,
            "stacking": "max",
        }
        if self.random.random() < 0.5:
            rule["overage_at_reset"] = "preserve"
        return rule

    def _credits(self, key: str) -> Plain:
        rule: Plain = {"key": key, "type": "credit", "amount": self.random.choice((4, 10, 20, 30)), "stacking": "sum"}
        if self.credit_period is not None:
            rule["period"] = self.credit_period
            if self.random.random() < 0.3:
                rule["rollover_max"] = 6
        return rule
